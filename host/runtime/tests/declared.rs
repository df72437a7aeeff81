//! Every folder in `tests/declared` is a case: `base` is fine, and each other one holds what differs from it; in `said.txt`
//! stands what `millrace check` says of the whole, declared streams and schemas included. `UPDATE_EXPECTED=1` in the environment writes what is said now.
//!
//! The plugin is the one that gives back what it gets, under the names `in` and `out`; beside it lies one that keeps state.

#![allow(clippy::unwrap_used, reason = "tests, which may fail in the shortest way")]

use millrace_runtime::check::{Reach, check};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const SAID: &str = "said.txt";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/declared")
}

/// Puts the files below `from` into `to`, over what is there. Those that end in `.secret` only we may read.
fn lay_over(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let there = to.join(entry.file_name());
        if entry.path().is_dir() {
            lay_over(&entry.path(), &there);
        } else {
            std::fs::copy(entry.path(), &there).unwrap();
            if there.extension().is_some_and(|ending| ending == "secret") {
                std::fs::set_permissions(there, std::fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
    }
}

/// What is said of a case, with the folder's name taken out.
fn said(case: &Path, tmp: &Path) -> String {
    let there = tmp.join(case.file_name().unwrap());
    lay_over(&folder().join("base"), &there);
    lay_over(case, &there);
    let text = match check(&there.join("host.yaml"), Reach::Offline) {
        Ok(config) => {
            let shown = config.pipelines.iter().map(|pipeline| {
                let (inputs, outputs, errors) = (&pipeline.inputs, &pipeline.outputs, &pipeline.errors);
                format!("{} in the group {}\n{inputs:#?}\n{outputs:#?}\n{errors:#?}\n", pipeline.name, pipeline.group)
            });
            shown.collect()
        }
        Err(mistakes) => format!("{mistakes}\n"),
    };
    text.replace(&format!("{}/", there.display()), "")
}

#[test]
fn what_is_said_of_every_case_is_what_is_expected() {
    let update = std::env::vars().any(|(name, _)| name == "UPDATE_EXPECTED");
    let tmp = tempfile::tempdir().unwrap();
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests/target/components");
    for (guest, name) in [("identity.wasm", "plugin.wasm"), ("reorder-buffer.wasm", "keeper.wasm")] {
        std::fs::copy(guests.join(guest), tmp.path().join(name)).unwrap();
    }
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 30, "the cases are gone");
    let mut wrong = Vec::new();
    for case in &cases {
        let said = said(case, tmp.path());
        let expected = case.join(SAID);
        if update {
            std::fs::write(&expected, &said).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{}:\n{said}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
