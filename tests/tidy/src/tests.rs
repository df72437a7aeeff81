//! The repository itself against the rules. That each rule can fail is tested beside the rule.

use std::path::Path;

#[test]
fn repository_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let breaches = super::breaches(&root).unwrap();
    let lines: Vec<String> = breaches.iter().map(|breach| format!("{}: {}", breach.place, breach.rule)).collect();
    assert!(lines.is_empty(), "{} rules are broken:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn repository_is_read_whole() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files = super::tree::read(&root).unwrap();
    for expected in ["x", "host/flow/src/lib.rs", "wit/plugin.wit", "tests/tidy/src/tests.rs"] {
        assert!(files.iter().any(|file| file.path == expected), "{expected} is not looked at");
    }
    assert!(files.iter().all(|file| !file.path.contains("target/")));
}
