//! Which tokens still wait for something, and for how long nothing was done about it. A token that is not here any more
//! was answered or cancelled, and nothing is delivered to it.
//!
//! A token is *held* while at least one of its asks waits and no call for it is under way: for a slot, for a rate, for a
//! target that is out. A call that failed for a reason that passes counts as held too, because an outage is not the
//! event's fault. What is left is the time of calls that brought an answer, and only that is the event's own.

use rustc_hash::FxHashMap;

/// The open asks of every token. Times are in milliseconds.
#[derive(Default)]
pub(crate) struct OpenAsks {
    tokens: FxHashMap<u64, OpenToken>,
}

#[derive(Default)]
struct OpenToken {
    asks: u32,
    /// Of these, the ones for which no call is under way.
    waiting: u32,
    /// Since when, as long as any waits.
    held_since_ms: u64,
    /// What had been held before, and was not told yet.
    held_ms: u64,
}

impl OpenToken {
    fn wait(&mut self, since_ms: u64) {
        if self.waiting == 0 {
            self.held_since_ms = since_ms;
        }
        self.waiting += 1;
    }

    fn go(&mut self, now_ms: u64) {
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting == 0 {
            self.held_ms += now_ms.saturating_sub(self.held_since_ms);
            self.held_since_ms = now_ms;
        }
    }

    fn held(&self, now_ms: u64) -> u64 {
        let now = if self.waiting > 0 { now_ms.saturating_sub(self.held_since_ms) } else { 0 };
        self.held_ms + now
    }
}

/// Where an ask is when its answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answering {
    /// It was answered without a call.
    Waiting,
    /// Its call brought the answer.
    UnderWay,
}

impl OpenAsks {
    /// A token asks something.
    pub(crate) fn open(&mut self, token: u64, now_ms: u64) {
        let open = self.tokens.entry(token).or_default();
        open.asks += 1;
        open.wait(now_ms);
    }

    /// A call for one of its asks leaves.
    pub(crate) fn depart(&mut self, token: u64, now_ms: u64) {
        if let Some(open) = self.tokens.get_mut(&token) {
            open.go(now_ms);
        }
    }

    /// The call that left at `since_ms` brought nothing.
    pub(crate) fn come_back(&mut self, token: u64, since_ms: u64) {
        if let Some(open) = self.tokens.get_mut(&token) {
            open.wait(since_ms);
        }
    }

    /// Whether a token still waits.
    pub(crate) fn is_open(&self, token: u64) -> bool {
        self.tokens.contains_key(&token)
    }

    /// One ask of a token is answered. Returns for how long the token was held since it was last told; none: nobody waits
    /// for the answer.
    pub(crate) fn close(&mut self, token: u64, answering: Answering, now_ms: u64) -> Option<u64> {
        let open = self.tokens.get_mut(&token)?;
        open.asks = open.asks.saturating_sub(1);
        if answering == Answering::Waiting {
            open.go(now_ms);
        }
        let held_ms = open.held(now_ms);
        (open.held_ms, open.held_since_ms) = (0, now_ms);
        if open.asks == 0 {
            self.tokens.remove(&token);
        }
        Some(held_ms)
    }

    /// A token does not want its answers any more. False: it had none to come.
    pub(crate) fn cancel(&mut self, token: u64) -> bool {
        self.tokens.remove(&token).is_some()
    }

    /// For how long a token was held since it was last told.
    pub(crate) fn held_ms(&self, token: u64, now_ms: u64) -> u64 {
        self.tokens.get(&token).map_or(0, |open| open.held(now_ms))
    }

    /// Tokens that wait.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_call_that_brings_the_answer_counts_as_the_events_time() {
        let mut open = OpenAsks::default();
        open.open(7, 0);
        open.depart(7, 100);
        assert_eq!(open.held_ms(7, 130), 100, "a call is under way");
        open.come_back(7, 100);
        assert_eq!(open.held_ms(7, 150), 150, "it failed: its time is held time");
        open.depart(7, 200);
        assert_eq!(open.close(7, Answering::UnderWay, 230), Some(200));
        assert!(!open.is_open(7));
    }

    #[test]
    fn two_asks_at_once_are_held_once() {
        let mut open = OpenAsks::default();
        open.open(7, 0);
        open.open(7, 0);
        open.depart(7, 10);
        assert_eq!(open.held_ms(7, 50), 50, "the other one waits");
        open.depart(7, 60);
        assert_eq!(open.close(7, Answering::UnderWay, 80), Some(60));
        assert_eq!(open.close(7, Answering::UnderWay, 90), Some(0), "what was told is not told again");
    }

    #[test]
    fn an_answer_without_a_call_ends_the_waiting() {
        let mut open = OpenAsks::default();
        open.open(7, 0);
        open.open(7, 0);
        open.depart(7, 0);
        assert_eq!(open.close(7, Answering::Waiting, 5), Some(5));
        assert_eq!(open.held_ms(7, 100), 0);
        assert_eq!(open.close(8, Answering::Waiting, 5), None);
    }
}
