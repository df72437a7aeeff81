//! Guests and tests come in pairs: a guest that no test loads proves nothing, and a test that names a guest that is not
//! there cannot run.

use std::collections::BTreeSet;

use crate::Breach;
use crate::tree::File;

/// Calls that load a guest by its name; both the tests' and the benches' are called so.
const LOADS: [&str; 2] = ["guest(\"", "guests/target/components/"];

/// Guests without a test, and tests without their guest.
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
    found
}

/// The guest that a file makes, by the name that tests load it by: `<name>` in Rust, `c/<name>`, `go/<name>`.
fn guest_of(file: &File) -> Option<String> {
    let parts: Vec<&str> = file.path.strip_prefix("guests/")?.split('/').collect();
    match parts.as_slice() {
        [name, "Cargo.toml"] => Some((*name).to_owned()),
        ["c", name, "plugin.c"] => Some(format!("c/{name}")),
        ["go", name, "main.go"] => Some(format!("go/{name}")),
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
    fn fixtures_of_this_crate_do_not_count_as_tests() {
        let files = [File::new("guests/a/Cargo.toml", ""), File::new("tests/tidy/src/a.rs", "guest(\"a\")")];
        assert_eq!(check(&files).len(), 1);
    }
}
