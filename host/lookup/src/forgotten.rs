//! What must not be used any more: revisions and pages whose content may have become forbidden.
//!
//! Every forgetting has a serial. An answer counts only when its call left after the last forgetting that concerns it,
//! so one rule serves the cache, the calls that are under way, and the transcripts of tickets, whose answers carry a
//! seal. No clock of its own.

use crate::service::Forget;
use millrace_flow::lookup::Seal;
use rustc_hash::FxHashMap;
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Entries that are remembered at once. Beyond it everything before counts as forgotten, which is safe.
const ENTRIES_MAX: usize = 100_000;

/// What an answer shows, and when it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) target: Arc<str>,
    /// The revisions, as far as the host can tell.
    pub(crate) revisions: [Option<u64>; 2],
    /// Their page, where it is known.
    pub(crate) page_id: Option<u64>,
    /// The serial of forgettings when the call left.
    pub(crate) serial: u64,
}

/// The register of what was forgotten. Cloning shares it; it is held for a look only.
#[derive(Clone, Debug)]
pub(crate) struct Register(Arc<Mutex<Forgotten>>);

impl Register {
    /// A register that remembers for `keep_ms`: longer than a call may take and an answer may be kept.
    pub(crate) fn new(keep_ms: u64) -> Self {
        Self(Arc::new(Mutex::new(Forgotten::new(keep_ms))))
    }

    /// The serial that a call which leaves now carries.
    pub(crate) fn serial(&self) -> u64 {
        self.lock().serial
    }

    /// Nothing that was asked so far about these may be used.
    pub(crate) fn forget(&self, domain: &str, what: &[Forget], now_ms: u64) {
        let mut forgotten = self.lock();
        what.iter().for_each(|what| forgotten.forget(domain, *what, now_ms));
    }

    /// Whether an answer that shows this may be used.
    pub(crate) fn may_use(&self, shown: &Shown) -> bool {
        let forgotten = self.lock();
        let mut revisions = shown.revisions.into_iter().flatten();
        revisions.all(|rev_id| forgotten.may_use(&shown.target, rev_id, shown.page_id, shown.serial))
    }

    /// A seal that breaks once anything of what is shown is forgotten; none where it shows no revision.
    pub(crate) fn seal(&self, shown: Shown) -> Option<Arc<dyn Seal>> {
        let shows_any = shown.revisions.iter().any(Option::is_some);
        shows_any.then(|| Arc::new(AnswerSeal { register: self.clone(), shown }) as Arc<dyn Seal>)
    }

    fn lock(&self) -> MutexGuard<'_, Forgotten> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct AnswerSeal {
    register: Register,
    shown: Shown,
}

impl Seal for AnswerSeal {
    fn holds(&self) -> bool {
        self.register.may_use(&self.shown)
    }
}

/// What was forgotten, and after how many forgettings.
struct Forgotten {
    serial: u64,
    /// No answer to a call that left before this serial may be used.
    floor: u64,
    entries: FxHashMap<(u64, Forget), Entry>,
    keep_ms: u64,
}

struct Entry {
    serial: u64,
    at_ms: u64,
}

/// Without the entries: they are many.
impl std::fmt::Debug for Forgotten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forgotten").field("serial", &self.serial).field("floor", &self.floor).finish_non_exhaustive()
    }
}

impl Forgotten {
    fn new(keep_ms: u64) -> Self {
        Self { serial: 0, floor: 0, entries: FxHashMap::default(), keep_ms }
    }

    fn forget(&mut self, domain: &str, what: Forget, now_ms: u64) {
        self.serial += 1;
        if self.entries.len() >= ENTRIES_MAX {
            self.drop_old(now_ms);
        }
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.clear();
            self.floor = self.serial;
        }
        self.entries.insert((key(domain), what), Entry { serial: self.serial, at_ms: now_ms });
    }

    /// Drops what is older than any call and any kept answer. A transcript may be older still: whatever left before what
    /// is dropped counts as forgotten.
    fn drop_old(&mut self, now_ms: u64) {
        let (keep_ms, floor) = (self.keep_ms, &mut self.floor);
        self.entries.retain(|_, entry| {
            let stays = now_ms.saturating_sub(entry.at_ms) <= keep_ms;
            if !stays {
                *floor = entry.serial.max(*floor);
            }
            stays
        });
    }

    /// Whether what a call with `serial` said of this revision may be used.
    fn may_use(&self, domain: &str, rev_id: u64, page_id: Option<u64>, serial: u64) -> bool {
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
        let before = forgotten.serial;
        forgotten.forget("a.org", Forget::Revision(7), 0);
        assert!(!forgotten.may_use("a.org", 7, Some(1), before));
        assert!(forgotten.may_use("a.org", 7, Some(1), forgotten.serial));
        assert!(forgotten.may_use("a.org", 8, Some(1), before));
        assert!(forgotten.may_use("b.org", 7, Some(1), before));
    }

    #[test]
    fn forgetting_a_page_forgets_its_revisions() {
        let mut forgotten = Forgotten::new(1_000);
        let before = forgotten.serial;
        forgotten.forget("a.org", Forget::Page(1), 0);
        assert!(!forgotten.may_use("a.org", 7, Some(1), before));
        assert!(forgotten.may_use("a.org", 8, Some(2), before));
    }

    #[test]
    fn too_many_forgettings_forget_everything_before() {
        let mut forgotten = Forgotten::new(1_000_000);
        let before = forgotten.serial;
        for rev_id in 0..=ENTRIES_MAX as u64 {
            forgotten.forget("a.org", Forget::Revision(rev_id), 0);
        }
        assert!(!forgotten.may_use("z.org", 1, None, before));
        assert!(forgotten.may_use("z.org", 1, None, forgotten.serial));
        assert!(forgotten.entries.len() < ENTRIES_MAX);
    }

    #[test]
    fn what_is_older_than_any_call_makes_room() {
        let mut forgotten = Forgotten::new(1_000);
        let before = forgotten.serial;
        for rev_id in 0..ENTRIES_MAX as u64 {
            forgotten.forget("a.org", Forget::Revision(rev_id), 0);
        }
        let later = forgotten.serial;
        forgotten.forget("a.org", Forget::Revision(1), 5_000);
        assert_eq!(forgotten.entries.len(), 1);
        assert!(forgotten.may_use("z.org", 1, None, later));
        // It left before something that is not remembered any more, which may have been about it.
        assert!(!forgotten.may_use("z.org", 1, None, before));
    }

    #[test]
    fn a_seal_breaks_with_any_revision_that_it_covers_and_stays_broken() {
        let register = Register::new(1_000);
        let shown =
            |revisions, page_id| Shown { target: "a.org".into(), revisions, page_id, serial: register.serial() };
        let (both, page) = (shown([Some(7), Some(8)], None), shown([Some(9), None], Some(1)));
        let (both, page) = (register.seal(both).unwrap(), register.seal(page).unwrap());
        assert!(register.seal(shown([None, None], None)).is_none());
        register.forget("b.org", &[Forget::Revision(8)], 0);
        assert!(both.holds() && page.holds());
        register.forget("a.org", &[Forget::Revision(8)], 0);
        assert!(!both.holds() && page.holds());
        register.forget("a.org", &[Forget::Page(1)], 0);
        assert!(!both.holds() && !page.holds());
    }
}
