//! Each rule, seen to pass and seen to fail.

use super::*;

#[track_caller]
fn check_file(path: &str, text: &str, expected: &[&str]) {
    let found: Vec<String> = check(&[File::new(path, text)]).into_iter().map(|breach| breach.place).collect();
    assert_eq!(found, expected, "{path}: {text}");
}

const OPENING: &str = "//! What lives here.\n";

fn with_opening(code: &str) -> String {
    format!("{OPENING}{code}")
}

#[test]
fn long_file_is_broken_as_a_whole() {
    check_file("host/a.rs", &with_opening(&"\n".repeat(599)), &[]);
    check_file("host/a.rs", &with_opening(&"\n".repeat(600)), &["host/a.rs"]);
    check_file("guests/c/a.c", &"\n".repeat(601), &["guests/c/a.c"]);
    check_file("a.json", &"\n".repeat(6000), &[]);
}

#[test]
fn file_opens_with_its_purpose() {
    check_file("host/a.rs", "use a;\n", &["host/a.rs:1"]);
    check_file("host/a.rs", OPENING, &[]);
}

#[test]
fn mod_rs_is_refused() {
    check_file("host/a/mod.rs", OPENING, &["host/a/mod.rs"]);
    check_file("host/a/model.rs", OPENING, &[]);
}

#[test]
fn unsafe_is_kept_to_two_crates_and_explained() {
    let explained = with_opening("// SAFETY: it is ours.\nunsafe { f() }\n");
    check_file("host/kafka/src/raw.rs", &explained, &[]);
    check_file("host/flow/src/a.rs", &explained, &["host/flow/src/a.rs:3"]);
    check_file("host/kafka/src/raw.rs", &with_opening("unsafe { f() }\n"), &["host/kafka/src/raw.rs:2"]);
    check_file("host/kafka/src/raw.rs", &with_opening("unsafe extern \"C\" fn f() {}\n"), &[]);
    let far = with_opening(&format!("// SAFETY: far away.\n{}unsafe {{ f() }}\n", "\n".repeat(9)));
    check_file("host/plugin/src/a.rs", &far, &["host/plugin/src/a.rs:12"]);
    check_file("host/flow/src/a.rs", &with_opening("#![forbid(unsafe_code)] // unsafe\nlet a = \"unsafe\";\n"), &[]);
}

#[test]
fn ignored_test_is_refused() {
    check_file("host/a.rs", &with_opening("#[ignore = \"later\"]\n"), &["host/a.rs:2"]);
    check_file("host/a.rs", &with_opening("// no #[ignore] here\n"), &[]);
}

#[test]
fn tests_do_not_sleep_but_code_and_services_may() {
    let sleeping = "std::thread::sleep(a);\n";
    check_file("host/a.rs", &with_opening(sleeping), &[]);
    check_file("host/a.rs", &with_opening(&format!("#[cfg(test)]\nmod tests {{}}\n{sleeping}")), &["host/a.rs:4"]);
    check_file("host/tests/a.rs", &with_opening(sleeping), &["host/tests/a.rs:2"]);
    check_file("host/a/tests.rs", &with_opening("tokio::time::sleep(a).await;\n"), &["host/a/tests.rs:2"]);
    check_file("tests/services/src/child.rs", &with_opening(sleeping), &[]);
}

#[test]
fn todo_names_an_issue() {
    let word = concat!("TO", "DO");
    check_file("a.md", &format!("{word}: later"), &["a.md:1"]);
    check_file("a.md", &format!("{word}(#3): later"), &[]);
}

#[test]
fn paths_of_one_machine_and_registries_are_refused() {
    for word in FOREIGN {
        check_file("a.md", &format!("see {word}"), &["a.md:1"]);
        check_file("Cargo.lock", word, &[]);
    }
    check_file("a.md", "workspace/target and /var/lib", &[]);
}
