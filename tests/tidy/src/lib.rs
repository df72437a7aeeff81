//! The rules of this repository that a program can check: which crate may see which, how files look, that what was
//! released stays as it was, and that every guest is tested.
//!
//! It reads manifests and sources only and depends on nothing of ours. Style that needs judgement is in STYLE.md.

#![forbid(unsafe_code)]

pub mod faults;
pub mod layers;
pub mod pairs;
pub mod sources;
pub mod tree;
pub mod troubles;
pub mod wit;

use std::path::Path;

/// One broken rule: where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// A path from the repository's root, with a line number where there is one.
    pub place: String,
    /// The rule, as a sentence that says what to change.
    pub rule: String,
}

impl Breach {
    /// A breach of `rule` at `place`.
    #[must_use]
    pub fn new(place: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { place: place.into(), rule: rule.into() }
    }
}

/// Every breach in the repository at `root`, sorted by place.
///
/// # Errors
/// When the repository cannot be read, which is no breach but no pass either.
pub fn breaches(root: &Path) -> Result<Vec<Breach>, String> {
    let files = tree::read(root)?;
    let mut found = layers::check(&layers::read(root)?);
    found.extend(sources::check(&files));
    found.extend(wit::check(&files));
    found.extend(pairs::check(&files));
    found.extend(troubles::check(&files));
    found.extend(faults::check(&files));
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
