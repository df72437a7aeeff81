//! Every file in `tests/config` is a case: what `millrace check` says of it, or that it is fine, stands beside it with
//! the ending `.txt`. A new case is a new file; `UPDATE_EXPECTED=1` in the environment writes what is said now.
//!
//! `{tmp}` in a case is a folder with the files that configurations name: a plugin's, secrets, certificates.

#![allow(clippy::unwrap_used, reason = "tests, which may fail in the shortest way")]

use millrace_runtime::config::HostConfig;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The files that cases name, with their permissions. Their content does not matter here.
const FILES: [(&str, &str, u32); 6] = [
    ("plugin.wasm", "no plugin, but a file", 0o644),
    ("password", "secret", 0o600),
    ("open-password", "secret", 0o644),
    ("empty-password", "", 0o600),
    ("ca.pem", "pem", 0o644),
    ("key.pem", "pem", 0o640),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

/// What is said of the case, with the folder's name taken out.
fn said(case: &Path) -> String {
    let tmp = tempfile::tempdir().unwrap();
    for (name, content, mode) in FILES {
        let path = tmp.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    std::fs::create_dir(tmp.path().join("schemas")).unwrap();
    let file = tmp.path().join("host.yaml");
    let text = std::fs::read_to_string(case).unwrap().replace("{tmp}", &tmp.path().display().to_string());
    std::fs::write(&file, text).unwrap();
    let text = match HostConfig::load(&file) {
        Ok(config) => {
            let mut shown = format!("{config:#?}\n");
            // The number of cores is the machine's.
            if let Some(at) = shown.find("    workers: ") {
                shown.truncate(at);
            }
            shown
        }
        Err(mistakes) => format!("{mistakes}\n"),
    };
    text.replace(&format!("{}/", tmp.path().display()), "")
}

#[test]
fn what_is_said_of_every_case_is_what_is_expected() {
    let update = std::env::vars().any(|(name, _)| name == "UPDATE_EXPECTED");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    cases.sort();
    assert!(cases.len() >= 15, "the cases are gone");
    let mut wrong = Vec::new();
    for case in &cases {
        let expected = case.with_extension("txt");
        let said = said(case);
        if update {
            std::fs::write(&expected, &said).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{}:\n{said}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn secrets_are_never_shown() {
    for case in ["full", "secrets", "addresses"] {
        let said = said(&folder().join(format!("{case}.yaml")));
        for shown in ["secret\n", "\"secret\"", ":secret"] {
            assert!(!said.contains(shown), "{said}");
        }
    }
}

#[test]
fn no_text_makes_the_reader_panic() {
    let full = std::fs::read_to_string(folder().join("full.yaml")).unwrap();
    let tmp = tempfile::tempdir().unwrap();
    let file = tmp.path().join("host.yaml");
    for cut in (0..full.len()).step_by(7).filter(|at| full.is_char_boundary(*at)) {
        for end in ["", "\t", "]", ": :", "\0", "&a *a", "\u{feff}"] {
            std::fs::write(&file, format!("{}{end}", &full[..cut])).unwrap();
            // Whatever is said, something is: a beginning of the file lacks what follows.
            assert!(HostConfig::load(&file).is_err() || cut + 200 > full.len());
        }
    }
}
