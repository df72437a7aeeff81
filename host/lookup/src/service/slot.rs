//! A call slot that is taken: whatever happens in it, a fault of the host included, it becomes free again and its
//! questions are asked again.

use super::Inner;
use crate::breaker::Probe;
use crate::ready::Turn;
use crate::target::{Batch, Nothing, SlotStage, Target};
use std::sync::Arc;
use std::time::Duration;

/// How long the questions of a call wait that ended in a fault of the host: it may well end so again.
const FAULT_WAIT_MS: u64 = 1_000;

/// One slot of a target, from being claimed to being free.
pub(super) struct Slot {
    inner: Arc<Inner>,
    target: Arc<Target>,
    stage: SlotStage,
    /// The turn that it has taken.
    turn: Option<Turn>,
    /// The questions of the call that is under way, and when it left.
    under_way: Vec<u64>,
    departed_ms: u64,
    probe: Probe,
}

impl Slot {
    /// A slot that was claimed and has yet to look for work.
    pub(super) fn new(inner: Arc<Inner>, target: Arc<Target>) -> Self {
        let stage = SlotStage::Looking;
        Self { inner, target, stage, turn: None, under_way: Vec::new(), departed_ms: 0, probe: Probe::No }
    }

    /// It has taken a turn.
    pub(super) fn take_turn(&mut self, turn: &Turn) {
        self.turn = Some(turn.clone());
    }

    /// No call came of the turn.
    pub(super) fn give_turn_back(&mut self) {
        if let Some(turn) = self.turn.take() {
            self.target.give_back(&turn);
        }
    }

    /// A call leaves in it.
    pub(super) fn call(&mut self, batch: &Batch, departed_ms: u64) {
        self.stage = SlotStage::Calling;
        self.under_way = batch.taken.iter().map(|taken| taken.id).collect();
        (self.departed_ms, self.probe) = (departed_ms, batch.probe);
    }

    /// The call is settled; the slot looks for work again.
    pub(super) fn look_again(&mut self) {
        if let Some(turn) = self.turn.take() {
            self.target.look_again(&turn);
        }
        self.stage = SlotStage::Looking;
        self.under_way.clear();
    }

    /// Nothing was found; the slot is free already, and no turn is taken.
    pub(super) fn leave(mut self, nothing: Nothing) {
        self.stage = SlotStage::Free;
        if let Some(wait) = nothing.look_again {
            self.inner.pump_later(&self.target, wait);
        }
    }

    /// The call failed in a way that only a mistake in the host explains.
    fn take_back(&mut self) {
        let target = Arc::clone(&self.target);
        let mut state = target.lock();
        if self.stage == SlotStage::Calling {
            state.breaker.failed(self.inner.stopwatch.ms(), self.probe, None);
        }
        for id in &self.under_way {
            state.queue.come_back(*id).for_each(|token| self.inner.open().come_back(token, self.departed_ms));
        }
        state.give_up(self.stage, self.turn.as_ref());
        drop(state);
        self.inner.ask_again(&target, Duration::from_millis(FAULT_WAIT_MS), std::mem::take(&mut self.under_way));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Without a panic it is the runtime that ends, and with it everything that waits.
        if self.stage != SlotStage::Free && std::thread::panicking() {
            tracing::error!(api = %self.target.name, "A call ended in a fault of the host; its questions are asked again.");
            self.take_back();
        }
    }
}
