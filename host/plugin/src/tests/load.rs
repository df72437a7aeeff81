//! What is refused, and in which words.

use super::puppet::{ENGINE, PUPPET, caching_engine, component, component_of};
use crate::PluginError;

/// Expects the bytes to be refused with a message that has `expected` in it.
#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    let message = ENGINE.load(bytes).unwrap_err().to_string();
    assert!(message.contains(expected), "{message}");
}

#[test]
fn what_is_no_component_is_told_apart() {
    let whole = component(PUPPET);
    check(b"", "empty");
    check(&whole[..4], "the first few bytes of one");
    check(&whole[..whole.len() / 2], "is not valid");
    check(&whole[..whole.len() - 1], "is not valid");
    check(b"(component)", "text");
    check("plugin: für alle\n".as_bytes(), "text");
    check(&wat::parse_str("(module)").unwrap(), "a core module");
    check(b"\0asm\x0e\0\x01\0", "unknown version");
    check(b"\x7fELF\x02\x01", "native program");
    check(&[0x1f, 0x8b, 8, 0], "gzip");
    check(b"PK\x03\x04", "zip");
    check(&[0, 1, 2, 3, 4, 5, 6, 7, 8], "something else");
    check(&vec![0; (64 << 20) + 1], "at most 67108864");
}

#[test]
fn a_damaged_component_never_takes_the_host_down() {
    let whole = component(PUPPET);
    // Every 97th byte, which takes every section a few times and a second in all.
    for at in (8..whole.len()).step_by(97) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x41;
        // A flipped letter in a name or in code may still be a valid plugin; what counts is that the host lives.
        drop(ENGINE.load(&damaged));
    }
}

#[test]
fn a_component_that_is_no_plugin_is_refused() {
    check(&wat::parse_str("(component)").unwrap(), "exports no `millrace:plugin/processor@0.1.0`");
}

#[test]
fn another_contract_is_named() {
    let wit = "package millrace:plugin@0.9.0; interface processor { go: func(); } world plugin { export processor; }";
    let core = r#"(module (func (export "millrace:plugin/processor@0.9.0#go")))"#;
    check(&component_of(core, wit), "speaks `millrace:plugin/processor@0.9.0`, and this host speaks");
    let wit = "package millrace:plugin@0.1.0; interface processor { go: func(); } world plugin { export processor; }";
    let core = r#"(module (func (export "millrace:plugin/processor@0.1.0#go")))"#;
    check(&component_of(core, wit), "does not fit the contract");
}

#[test]
fn what_no_plugin_gets_is_named() {
    let wit = "package a:b; world plugin { import wasi: interface { open: func(); } import exit: func(); }";
    let core = r#"(module (import "wasi" "open" (func)) (import "$root" "exit" (func)))"#;
    check(&component_of(core, wit), "imports what no plugin gets: wasi, exit");
}

#[test]
fn a_describe_that_fails_or_lies_is_an_error_that_says_so() {
    let describe = r##"#describe") (result i32)"##;
    let with = |body: &str| component(&PUPPET.replace(describe, &format!("{describe} {body}")));
    check(&with("(unreachable)"), "failed in `describe`: it trapped: wasm `unreachable`");
    let other_text = |text: &str| component(&PUPPET.replace("\\\"name\\\":\\\"puppet\\\"", text));
    check(&other_text("\\\"name\\\":\\\"Puppet\\\""), "is no name");
    check(&other_text("\\\"name\\\"?\\\"puppet\\\""), "is not valid: expected");
}

#[test]
fn a_describe_that_loops_ends() {
    let describe = r##"#describe") (result i32)"##;
    let bytes = component(&PUPPET.replace(describe, &format!("{describe} (loop $again (br $again))")));
    check(&bytes, "failed in `describe`: it used up its CPU time");
}

#[test]
fn compiled_code_is_kept_and_a_second_engine_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let code = dir.path().join("code");
    let bytes = component(PUPPET);
    let compiled = caching_engine(&code).load(&bytes).unwrap();
    let files = || std::fs::read_dir(&code).unwrap().map(|f| f.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(files().len(), 2, "the key and the code: {:?}", files());
    let taken = caching_engine(&code).load(&bytes).unwrap();
    assert_eq!((taken.digest(), taken.describe()), (compiled.digest(), compiled.describe()));
    assert_eq!(files().len(), 2);
}

#[test]
fn the_errors_are_typed() {
    assert!(matches!(ENGINE.load(b""), Err(PluginError::Empty)));
    assert!(matches!(ENGINE.load(b"text"), Err(PluginError::NotAComponent { .. })));
}
