//! Which tokens still wait for something. A token that is not here any more was answered or cancelled, and nothing is
//! delivered to it.

use crate::target::Target;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The open asks of every token.
#[derive(Default)]
pub(crate) struct OpenAsks {
    tokens: FxHashMap<u64, OpenToken>,
}

struct OpenToken {
    asks: u32,
    /// Where its asks wait, and what the breaker there had held back in all when they came.
    waits_at: Vec<(Arc<Target>, u64)>,
}

impl OpenAsks {
    /// A token asks something.
    pub(crate) fn open(&mut self, token: u64) {
        self.tokens.entry(token).or_insert_with(|| OpenToken { asks: 0, waits_at: Vec::new() }).asks += 1;
    }

    /// Where it waits for the answer.
    pub(crate) fn waits_at(&mut self, token: u64, target: &Arc<Target>, held_ms: u64) {
        if let Some(open) = self.tokens.get_mut(&token) {
            open.waits_at.push((Arc::clone(target), held_ms));
        }
    }

    /// Whether a token still waits.
    pub(crate) fn is_open(&self, token: u64) -> bool {
        self.tokens.contains_key(&token)
    }

    /// One ask of a token is answered. False: nobody waits for it.
    pub(crate) fn close(&mut self, token: u64) -> bool {
        let Some(open) = self.tokens.get_mut(&token) else { return false };
        open.asks = open.asks.saturating_sub(1);
        if open.asks == 0 {
            self.tokens.remove(&token);
        }
        true
    }

    /// A token does not want its answers any more. False: it had none to come.
    pub(crate) fn cancel(&mut self, token: u64) -> bool {
        self.tokens.remove(&token).is_some()
    }

    /// Where a token waits.
    pub(crate) fn places(&self, token: u64) -> Vec<(Arc<Target>, u64)> {
        self.tokens.get(&token).map(|open| open.waits_at.clone()).unwrap_or_default()
    }

    /// Tokens that wait.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }
}
