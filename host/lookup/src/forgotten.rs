//! What must not be used any more: revisions and pages whose content may have become forbidden.
//!
//! Every forgetting has a serial. An answer counts only when its call left after the last forgetting that concerns it,
//! so one rule serves the cache and the calls that are under way. No clock of its own.

use crate::service::Forget;
use rustc_hash::FxHashMap;
use std::hash::{BuildHasher, Hash};

/// Entries that are remembered at once. Beyond it everything before counts as forgotten, which is safe.
const ENTRIES_MAX: usize = 100_000;

/// The register of what was forgotten.
#[derive(Debug)]
pub(crate) struct Forgotten {
    serial: u64,
    /// Every call that left at or before this serial is forgotten.
    floor: u64,
    entries: FxHashMap<(u64, Forget), Entry>,
    keep_ms: u64,
}

#[derive(Debug)]
struct Entry {
    serial: u64,
    at_ms: u64,
}

impl Forgotten {
    /// A register that remembers for `keep_ms`: longer than a call may take and an answer may be kept.
    pub(crate) fn new(keep_ms: u64) -> Self {
        Self { serial: 0, floor: 0, entries: FxHashMap::default(), keep_ms }
    }

    /// The serial that a call which leaves now carries.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }

    /// Nothing that was asked so far about `what` may be used.
    pub(crate) fn forget(&mut self, domain: &str, what: Forget, now_ms: u64) {
        self.serial += 1;
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.retain(|_, entry| now_ms.saturating_sub(entry.at_ms) <= self.keep_ms);
        }
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.clear();
            self.floor = self.serial;
        }
        self.entries.insert((key(domain), what), Entry { serial: self.serial, at_ms: now_ms });
    }

    /// Whether what a call with `serial` said of this revision may be used.
    pub(crate) fn may_use(&self, domain: &str, rev_id: u64, page_id: Option<u64>, serial: u64) -> bool {
        if serial < self.floor {
            return false;
        }
        if self.entries.is_empty() {
            return true;
        }
        let domain = key(domain);
        let good = |what| self.entries.get(&(domain, what)).is_none_or(|entry| serial >= entry.serial);
        good(Forget::Revision(rev_id)) && page_id.is_none_or(|page_id| good(Forget::Page(page_id)))
    }
}

/// Domains are told apart by hash: two that share one only cost a call.
fn key(domain: &str) -> u64 {
    let mut hasher = rustc_hash::FxBuildHasher.build_hasher();
    domain.hash(&mut hasher);
    std::hash::Hasher::finish(&hasher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_left_before_the_forgetting_says_nothing() {
        let mut forgotten = Forgotten::new(1_000);
        let before = forgotten.serial();
        forgotten.forget("a.org", Forget::Revision(7), 0);
        assert!(!forgotten.may_use("a.org", 7, Some(1), before));
        assert!(forgotten.may_use("a.org", 7, Some(1), forgotten.serial()));
        assert!(forgotten.may_use("a.org", 8, Some(1), before));
        assert!(forgotten.may_use("b.org", 7, Some(1), before));
    }

    #[test]
    fn forgetting_a_page_forgets_its_revisions() {
        let mut forgotten = Forgotten::new(1_000);
        let before = forgotten.serial();
        forgotten.forget("a.org", Forget::Page(1), 0);
        assert!(!forgotten.may_use("a.org", 7, Some(1), before));
        assert!(forgotten.may_use("a.org", 8, Some(2), before));
    }

    #[test]
    fn too_many_forgettings_forget_everything_before() {
        let mut forgotten = Forgotten::new(1_000_000);
        let before = forgotten.serial();
        for rev_id in 0..=ENTRIES_MAX as u64 {
            forgotten.forget("a.org", Forget::Revision(rev_id), 0);
        }
        assert!(!forgotten.may_use("z.org", 1, None, before));
        assert!(forgotten.may_use("z.org", 1, None, forgotten.serial()));
        assert!(forgotten.entries.len() < ENTRIES_MAX);
    }

    #[test]
    fn what_is_older_than_any_call_makes_room() {
        let mut forgotten = Forgotten::new(1_000);
        let before = forgotten.serial();
        for rev_id in 0..ENTRIES_MAX as u64 {
            forgotten.forget("a.org", Forget::Revision(rev_id), 0);
        }
        forgotten.forget("a.org", Forget::Revision(1), 5_000);
        assert!(forgotten.may_use("z.org", 1, None, before));
        assert_eq!(forgotten.entries.len(), 1);
    }
}
