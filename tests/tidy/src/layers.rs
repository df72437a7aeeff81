//! Which crate may depend on which: two tables, checked against the manifests as cargo reads them.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::Breach;

/// A crate of ours and what it depends on.
#[derive(Clone, Debug)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Names of its dependencies, those of its build script included.
    pub dependencies: Vec<String>,
    /// Names of what only its tests depend on.
    pub test_dependencies: Vec<String>,
}

const PLATFORM: &str = "millrace-platform";
const PLUGIN: &str = "millrace-plugin";
const KAFKA: &str = "millrace-kafka";
const LOOKUP: &str = "millrace-lookup";
const FLOW: &str = "millrace-flow";
const RUNTIME: &str = "millrace-runtime";
const SIM: &str = "millrace-sim";
const SERVICES: &str = "millrace-services";
const BED: &str = "millrace-bed";
const CHAOS: &str = "millrace-chaos";
const IT: &str = "millrace-it";
const TIDY: &str = "millrace-tidy";
const NATIVE: &str = "bench-native";
const XTASK: &str = "xtask";
const SDK: &str = "millrace-sdk";

/// Crates of the host's workspace, and which others of it each may see.
const OURS: [(&str, &[&str]); 14] = [
    (FLOW, &[]),
    (PLATFORM, &[FLOW]),
    (PLUGIN, &[FLOW]),
    (KAFKA, &[FLOW]),
    (LOOKUP, &[FLOW]),
    (RUNTIME, &[FLOW, PLATFORM, PLUGIN, KAFKA, LOOKUP]),
    (TIDY, &[]),
    (SIM, &[FLOW]),
    (SERVICES, &[]),
    (BED, &[FLOW, KAFKA, SERVICES]),
    (CHAOS, &[FLOW, KAFKA, SERVICES, BED]),
    (IT, &[FLOW, PLATFORM, PLUGIN, KAFKA, LOOKUP, RUNTIME, SERVICES, BED, CHAOS]),
    (NATIVE, &[]),
    (XTASK, &[FLOW, KAFKA, SIM, SERVICES, BED, CHAOS]),
];

/// Libraries that only some crates may see.
const RESERVED: [(&str, &[&str]); 6] = [
    ("wasmtime", &[PLUGIN]),
    ("rdkafka", &[KAFKA, NATIVE]),
    ("rdkafka-sys", &[KAFKA, NATIVE]),
    ("reqwest", &[LOOKUP, BED, IT, NATIVE, XTASK]),
    ("anyhow", &[RUNTIME, SIM, SERVICES, BED, CHAOS, IT, NATIVE, XTASK]),
    ("tokio", &[KAFKA, LOOKUP, RUNTIME, BED, CHAOS, IT, NATIVE, XTASK]),
];

/// What the guests' side may never see: the contract is all that both sides share.
const HOST_ONLY: [&str; 6] = [FLOW, PLATFORM, PLUGIN, KAFKA, LOOKUP, RUNTIME];

/// The crates of both workspaces.
///
/// # Errors
/// When cargo cannot read a manifest.
pub fn read(root: &Path) -> Result<Vec<Crate>, String> {
    let mut crates = read_workspace(&root.join("Cargo.toml"))?;
    crates.extend(read_workspace(&root.join("guests/Cargo.toml"))?);
    Ok(crates)
}

fn read_workspace(manifest: &Path) -> Result<Vec<Crate>, String> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"]).arg(manifest);
    let output = command.output().map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("cannot read {}: {}", manifest.display(), String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let packages = metadata.get("packages").and_then(Value::as_array).ok_or("cargo metadata names no packages")?;
    Ok(packages.iter().map(crate_of).collect())
}

fn crate_of(package: &Value) -> Crate {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let all = package.get("dependencies").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let of_kind = |tests: bool| {
        let wanted = all.iter().filter(|dependency| (text(dependency, "kind") == "dev") == tests);
        wanted.map(|dependency| text(dependency, "name")).collect()
    };
    Crate { name: text(package, "name"), dependencies: of_kind(false), test_dependencies: of_kind(true) }
}

/// Every dependency that is not allowed.
#[must_use]
pub fn check(crates: &[Crate]) -> Vec<Breach> {
    let mut found = Vec::new();
    for each in crates {
        match OURS.iter().find(|(name, _)| *name == each.name) {
            Some((_, allowed)) => found.extend(check_host(each, allowed)),
            None => found.extend(check_guest(each)),
        }
    }
    found
}

fn check_host(each: &Crate, allowed: &[&str]) -> Vec<Breach> {
    let mut found = Vec::new();
    for dependency in each.dependencies.iter().chain(&each.test_dependencies) {
        let is_ours = OURS.iter().any(|(name, _)| name == dependency) || dependency == SDK;
        if is_ours && !allowed.contains(&dependency.as_str()) && *dependency != each.name {
            found.push(Breach::new(&each.name, format!("must not depend on {dependency}: layers in ARCHITECTURE.md")));
        }
    }
    for dependency in &each.dependencies {
        let Some((_, users)) = RESERVED.iter().find(|(name, _)| name == dependency) else { continue };
        if !users.contains(&each.name.as_str()) {
            found.push(Breach::new(&each.name, format!("must not see {dependency}: only {} may", users.join(", "))));
        }
    }
    found
}

/// A crate that is not in the table is a guest or an SDK, or the table lacks a line.
fn check_guest(each: &Crate) -> Vec<Breach> {
    let seen = each.dependencies.iter().chain(&each.test_dependencies);
    let host_only = seen.filter(|name| HOST_ONLY.contains(&name.as_str()) || OURS.iter().any(|(ours, _)| ours == name));
    host_only.map(|name| Breach::new(&each.name, format!("must not see {name}, a crate of the host"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_one(name: &str, dependency: &str, breached: bool) {
        let each =
            Crate { name: name.to_owned(), dependencies: vec![dependency.to_owned()], test_dependencies: Vec::new() };
        assert_eq!(!check(&[each]).is_empty(), breached, "{name} on {dependency}");
    }

    #[test]
    fn layers_point_downwards_only() {
        check_one(PLATFORM, FLOW, false);
        check_one(RUNTIME, LOOKUP, false);
        check_one(FLOW, PLATFORM, true);
        check_one(KAFKA, LOOKUP, true);
        check_one(LOOKUP, RUNTIME, true);
        check_one(BED, RUNTIME, true);
        check_one(IT, RUNTIME, false);
        check_one(TIDY, FLOW, true);
    }

    #[test]
    fn reserved_libraries_stay_where_they_are() {
        check_one(PLUGIN, "wasmtime", false);
        check_one(RUNTIME, "wasmtime", true);
        check_one(RUNTIME, "rdkafka", true);
        check_one(NATIVE, "rdkafka", false);
        check_one(PLATFORM, "tokio", true);
        check_one(KAFKA, "anyhow", true);
        check_one(RUNTIME, "reqwest", true);
    }

    #[test]
    fn guests_and_sdk_never_see_the_host() {
        check_one(SDK, FLOW, true);
        check_one(SDK, "serde", false);
        check_one("page-content-change", SDK, false);
        check_one("page-content-change", PLUGIN, true);
        check_one(RUNTIME, SDK, true);
    }

    #[test]
    fn dependencies_of_tests_are_layered_too_but_may_use_reserved_libraries() {
        let tested = |dependency: &str| Crate {
            name: LOOKUP.to_owned(),
            dependencies: Vec::new(),
            test_dependencies: vec![dependency.to_owned()],
        };
        assert!(!check(&[tested(KAFKA)]).is_empty());
        assert!(check(&[tested("anyhow")]).is_empty());
    }
}
