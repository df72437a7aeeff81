//! The linear memory of a plugin's instances: what one may have, and what all of a pipeline may have together.

use crate::limits::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that all instances of one loaded plugin have, on every thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    used: AtomicUsize,
    /// What an instance has once it is started.
    start: AtomicUsize,
}

impl Pool {
    /// Whether one more instance would not find the memory that it starts with.
    pub(crate) fn is_full(&self, limits: &Limits) -> bool {
        let used = self.0.used.load(Ordering::Relaxed);
        used.saturating_add(self.0.start.load(Ordering::Relaxed)) > limits.memory_total_bytes_max
    }
}

/// Whether an instance has to keep to what is left in the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// It has: there are others to go on with.
    OfPool,
    /// It has not: without it nothing would go on, however much the others hold.
    Own,
}

/// Why an instance was refused memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It would have had more than one instance may.
    Instance,
    /// All instances together would have had more than they may.
    Pool,
}

/// The memory of one instance. What it had is given back when the value is dropped.
#[derive(Debug)]
pub(crate) struct Memory {
    bytes: usize,
    share: Share,
    pool: Pool,
    refusal: Option<Refusal>,
}

impl Memory {
    pub(crate) fn new(share: Share, pool: Pool) -> Self {
        Self { bytes: 0, share, pool, refusal: None }
    }

    /// Why memory was refused since the last [`Memory::begin`], if it was.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Notes what the instance has now that it is started.
    pub(crate) fn started(&self) {
        self.pool.0.start.fetch_max(self.bytes, Ordering::Relaxed);
    }

    /// Forgets earlier refusals: another call begins.
    pub(crate) fn begin(&mut self) {
        self.refusal = None;
    }

    /// Takes a memory from `current` to `desired` bytes, if there may be so many.
    pub(crate) fn grow(&mut self, current: usize, desired: usize, limits: &Limits) -> bool {
        let more = desired.saturating_sub(current);
        if self.bytes.saturating_add(more) > limits.memory_bytes_max {
            self.refusal = Some(Refusal::Instance);
            return false;
        }
        let before = self.pool.0.used.fetch_add(more, Ordering::Relaxed);
        if self.share == Share::OfPool && before.saturating_add(more) > limits.memory_total_bytes_max {
            self.pool.0.used.fetch_sub(more, Ordering::Relaxed);
            self.refusal = Some(Refusal::Pool);
            return false;
        }
        self.bytes += more;
        true
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.pool.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { memory_bytes_max: 10, memory_total_bytes_max: 15, ..Limits::default() }
    }

    #[test]
    fn an_instance_keeps_to_its_own_bound_and_all_to_theirs() {
        let pool = Pool::default();
        let mut first = Memory::new(Share::OfPool, pool.clone());
        let mut second = Memory::new(Share::OfPool, pool.clone());
        assert!(first.grow(0, 4, &limits()) && first.grow(4, 10, &limits()));
        assert!(!first.grow(10, 11, &limits()));
        assert_eq!(first.refusal(), Some(Refusal::Instance));
        first.started();
        assert!(second.grow(0, 5, &limits()) && pool.is_full(&limits()));
        assert!(!second.grow(5, 6, &limits()));
        assert_eq!(second.refusal(), Some(Refusal::Pool));
        second.begin();
        assert_eq!(second.refusal(), None);
    }

    #[test]
    fn what_an_instance_had_is_there_again_when_it_ends() {
        let pool = Pool::default();
        let mut first = Memory::new(Share::OfPool, pool.clone());
        assert!(first.grow(0, 10, &limits()));
        drop(first);
        let mut second = Memory::new(Share::OfPool, pool.clone());
        let mut third = Memory::new(Share::OfPool, pool);
        assert!(second.grow(0, 10, &limits()) && third.grow(0, 5, &limits()));
    }

    #[test]
    fn who_cannot_be_done_without_goes_on_although_the_others_hold_everything() {
        let pool = Pool::default();
        let mut first = Memory::new(Share::OfPool, pool.clone());
        let mut needed = Memory::new(Share::Own, pool.clone());
        assert!(first.grow(0, 10, &limits()) && needed.grow(0, 10, &limits()));
        assert!(!needed.grow(10, 11, &limits()), "its own bound holds all the same");
    }

    #[test]
    fn the_pool_is_full_when_one_more_start_would_not_fit() {
        let pool = Pool::default();
        let mut first = Memory::new(Share::OfPool, pool.clone());
        assert!(first.grow(0, 7, &limits()));
        assert!(!pool.is_full(&limits()), "nobody knows yet what a start takes");
        first.started();
        assert!(!pool.is_full(&limits()));
        assert!(first.grow(7, 9, &limits()));
        assert!(pool.is_full(&limits()));
    }
}
