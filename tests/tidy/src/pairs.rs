//! Guests and tests come in pairs: a guest that no test loads proves nothing, and a test that names a guest that is not
//! there cannot run. The same holds of what a hostile guest does and of what is expected of the host.

use std::collections::BTreeSet;

use crate::Breach;
use crate::tree::File;

/// Calls that load a guest by its name; both the tests' and the benches' are called so.
const LOADS: [&str; 2] = ["guest(\"", "guests/target/components/"];

/// Where every file is one way to misbehave, with the host's expected answer beside it as `.json`. One test runs them all.
const MISDEEDS: [(&str, &str); 2] = [("guests/hostile/src/misdeeds/", "rs"), ("guests/hostile/wat/", "wat")];

/// Guests without a test, and tests without their guest; misdeeds that nothing is expected of, and the reverse.
#[must_use]
pub fn check(files: &[File]) -> Vec<Breach> {
    let guests: BTreeSet<String> = files.iter().filter_map(guest_of).collect();
    let mut found = Vec::new();
    let tests: Vec<&File> = files.iter().filter(|file| is_host_test(file)).collect();
    for guest in &guests {
        let quoted = format!("\"{guest}\"");
        if !tests.iter().any(|file| file.text.contains(&quoted) || file.text.contains(&format!("{guest}.wasm"))) {
            found.push(Breach::new(format!("guests/{guest}"), "no test of the host loads this guest"));
        }
    }
    for file in tests {
        let unknown = loaded(&file.text).into_iter().filter(|name| !guests.contains(name));
        found.extend(unknown.map(|name| Breach::new(&file.path, format!("there is no guest {name} in guests/"))));
    }
    found.extend(MISDEEDS.iter().flat_map(|(folder, ending)| without_partner(files, folder, ending)));
    found
}

/// Files of a folder of misdeeds that lack the one beside them.
fn without_partner(files: &[File], folder: &str, ending: &str) -> Vec<Breach> {
    let named = |ending: &str| -> BTreeSet<&str> {
        let inside = files.iter().filter_map(|file| file.path.strip_prefix(folder));
        inside.filter_map(|name| name.strip_suffix(ending)?.strip_suffix('.')).collect()
    };
    let (misdeeds, expected) = (named(ending), named("json"));
    let lack = |name: &&str, has: &str, lacks: &str| {
        Breach::new(
            format!("{folder}{name}.{has}"),
            format!("there is no {name}.{lacks} beside it: one needs the other"),
        )
    };
    let untested = misdeeds.difference(&expected).map(|name| lack(name, ending, "json"));
    untested.chain(expected.difference(&misdeeds).map(|name| lack(name, "json", ending))).collect()
}

/// The guest that a file makes, by the name that tests load it by: that of its folder, for a crate in guests/ and a project
/// in Python there or in examples/; `c/<name>` and `go/<name>` for those without an SDK.
fn guest_of(file: &File) -> Option<String> {
    let parts: Vec<&str> = file.path.split('/').collect();
    match parts.as_slice() {
        ["guests", name, "Cargo.toml"] | ["guests" | "examples", name, "pyproject.toml"] => Some((*name).to_owned()),
        ["guests", "c", name, "plugin.c"] => Some(format!("c/{name}")),
        ["guests", "go", name, "main.go"] => Some(format!("go/{name}")),
        _ => None,
    }
}

/// Rust below tests/ and host tests; this crate's own fixtures name guests that do not exist.
fn is_host_test(file: &File) -> bool {
    let in_host = file.path.starts_with("host/") && file.path.contains("/tests");
    let in_tests = file.path.starts_with("tests/") && !file.path.starts_with("tests/tidy/");
    file.is_rust() && (in_host || in_tests)
}

/// Names that the text loads literally; names that are put together at run time are not seen.
fn loaded(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for call in LOADS {
        for rest in text.split(call).skip(1) {
            let name: String =
                rest.chars().take_while(|one| one.is_ascii_alphanumeric() || ['-', '/'].contains(one)).collect();
            let ends_as_name = rest.get(name.len()..).is_some_and(|end| end.starts_with(['"', '.']));
            if !name.is_empty() && ends_as_name {
                names.insert(name);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_pair(guest: &str, test: &str, expected: &[&str]) {
        check_pair_of(&format!("guests/{guest}/Cargo.toml"), test, expected);
    }

    #[track_caller]
    fn check_pair_of(file: &str, test: &str, expected: &[&str]) {
        let files = [File::new(file, ""), File::new("tests/it/tests/it/a.rs", test)];
        let places: Vec<String> = check(&files).into_iter().map(|breach| breach.place).collect();
        assert_eq!(places, expected);
    }

    #[test]
    fn guest_and_test_belong_together() {
        check_pair("trap", "let plugin = guest(\"trap\")?;", &[]);
        check_pair("trap", "\"../guests/target/components/trap.wasm\"", &[]);
        check_pair("trap", "nothing", &["guests/trap"]);
        check_pair("trap", "guest(\"trap\"); guest(\"gone\");", &["tests/it/tests/it/a.rs"]);
        check_pair("trap", "guest(\"trap\"); format!(\"guests/target/components/{name}.wasm\")", &[]);
    }

    #[test]
    fn guests_in_other_languages_are_told_apart_by_them() {
        check_pair_of("guests/c/identity/plugin.c", "guest(\"c/identity\")", &[]);
        check_pair_of("guests/go/identity/main.go", "guest(\"go/identity\")", &[]);
        check_pair_of("guests/go/identity/main.go", "nothing", &["guests/go/identity"]);
        check_pair_of(
            "guests/c/identity/plugin.c",
            "guest(\"go/identity\")",
            &["guests/c/identity", "tests/it/tests/it/a.rs"],
        );
    }

    #[test]
    fn a_misdeed_and_what_is_expected_belong_together() {
        let folder = "guests/hostile/src/misdeeds";
        let files =
            ["spin.rs", "spin.json", "trap.rs", "lie.json"].map(|name| File::new(&format!("{folder}/{name}"), ""));
        let places: Vec<String> = check(&files).into_iter().map(|breach| breach.place).collect();
        assert_eq!(places, [format!("{folder}/trap.rs"), format!("{folder}/lie.json")]);
    }

    #[test]
    fn projects_in_python_are_guests_too() {
        let test = File::new("tests/it/tests/it/a.rs", "guest(\"of-guests\"); guest(\"of-examples\")");
        let project = |folder: &str| File::new(&format!("{folder}/pyproject.toml"), "");
        let files = [project("guests/of-guests"), project("examples/of-examples"), project("sdk/python"), test];
        assert_eq!(check(&files), []);
        assert_eq!(check(&files[..2]).len(), 2);
    }

    #[test]
    fn fixtures_of_this_crate_do_not_count_as_tests() {
        let files = [File::new("guests/a/Cargo.toml", ""), File::new("tests/tidy/src/a.rs", "guest(\"a\")")];
        assert_eq!(check(&files).len(), 1);
    }
}
