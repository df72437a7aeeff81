//! A released version of the contract is frozen: its folder's content is known here by its digest.
//!
//! Releasing one is adding `wit/<version>/` and its line to `FROZEN`. `wit/plugin.wit` outside such a folder is the
//! draft of the next one and may change.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::Breach;
use crate::tree::File;

/// Versions and the SHA-256 of their folders, in hexadecimal digits.
const FROZEN: [(&str, &str); 0] = [];

/// Every released folder that changed, is unknown, or is gone.
#[must_use]
pub fn check(files: &[File]) -> Vec<Breach> {
    compare(&digests(files), &FROZEN)
}

fn compare(present: &BTreeMap<String, String>, frozen: &[(&str, &str)]) -> Vec<Breach> {
    let mut found = Vec::new();
    for (version, digest) in present {
        let place = format!("wit/{version}");
        match frozen.iter().find(|(name, _)| name == version) {
            Some((_, known)) if known == digest => {}
            Some(_) => found.push(Breach::new(place, "a released contract never changes: make a new version")),
            None => found.push(Breach::new(place, format!("a released contract is listed in tests/tidy: {digest}"))),
        }
    }
    let gone = frozen.iter().filter(|(version, _)| !present.contains_key(*version));
    found
        .extend(gone.map(|(version, _)| Breach::new(format!("wit/{version}"), "a released contract is kept for ever")));
    found
}

/// The digest of each folder `wit/<digit>...`: names and contents of its files, in order.
fn digests(files: &[File]) -> BTreeMap<String, String> {
    let mut hashers: BTreeMap<String, Sha256> = BTreeMap::new();
    for file in files {
        let Some((version, name)) = file.path.strip_prefix("wit/").and_then(|inner| inner.split_once('/')) else {
            continue;
        };
        if version.starts_with(|first: char| first.is_ascii_digit()) {
            let hasher = hashers.entry(version.to_owned()).or_default();
            hasher.update(format!("{name}\n{}\n", file.text.len()));
            hasher.update(&file.text);
        }
    }
    hashers.into_iter().map(|(version, hasher)| (version, hexadecimal(&hasher.finalize()))).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn released(text: &str) -> BTreeMap<String, String> {
        digests(&[File::new("wit/1.0.0/plugin.wit", text), File::new("wit/plugin.wit", "draft")])
    }

    #[track_caller]
    fn check_against(present: &str, frozen: &str, expected: Option<&str>) {
        let known = released(frozen);
        let listed: Vec<(&str, &str)> =
            known.iter().map(|(version, digest)| (version.as_str(), digest.as_str())).collect();
        let found = compare(&released(present), &listed);
        assert_eq!(found.first().map(|breach| breach.rule.split(':').next().unwrap()), expected);
    }

    #[test]
    fn released_contract_may_not_change() {
        check_against("package a;", "package a;", None);
        check_against("package b;", "package a;", Some("a released contract never changes"));
    }

    #[test]
    fn released_contract_is_listed_and_kept() {
        let present = released("package a;");
        assert_eq!(present.len(), 1, "the draft is not frozen");
        assert!(compare(&present, &[]).iter().all(|breach| breach.rule.contains("is listed")));
        assert_eq!(compare(&BTreeMap::new(), &[("1.0.0", "")]).len(), 1);
    }

    #[test]
    fn digest_sees_names_as_well_as_contents() {
        let one = digests(&[File::new("wit/1/a.wit", "x"), File::new("wit/1/b.wit", "")]);
        let two = digests(&[File::new("wit/1/a.wit", ""), File::new("wit/1/b.wit", "x")]);
        assert_ne!(one, two);
    }
}
