//! Whose call goes next at one target: live questions go first, and a backfill gets what they leave, up to its share of
//! the slots. All backfills together leave one slot to them, where there is more than one. While live questions wait, a
//! backfill still gets one call in [`CALLS_PER_BACKFILL_CALL`], so that it arrives some day and live pipelines hardly
//! notice. Pure.

use crate::config::REVISIONS_PER_CALL_MAX;
use crate::grants::{Asker, Standing};
use crate::ready::{Ready, Turn};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// While live questions wait, one call in so many is a backfill's: 5 % of the API, well below the tenth that a live
/// pipeline may lose to backfills, because they also cost processor time.
pub(crate) const CALLS_PER_BACKFILL_CALL: u32 = 20;

/// The turns of one target.
#[derive(Default)]
pub(crate) struct Turns {
    /// Calls of backfills that are under way or about to leave, by pipeline, whatever share it had then; none are not in
    /// it.
    backfills: FxHashMap<Arc<str>, usize>,
    /// Of these, the ones that are about to leave.
    about_to_leave: usize,
    /// Live calls that have left since the last one of a backfill, while a backfill waited.
    live_calls: u32,
}

impl Turns {
    /// Whose turn it is, with so many slots in all. None: nothing that may go is ready.
    pub(crate) fn next(&self, ready: &Ready, slots: usize) -> Option<Turn> {
        let backfill = || ready.backfills().map(|(asker, _)| asker).find(|asker| self.room(asker, slots) > 0);
        let is_due = self.about_to_leave == 0 && self.live_calls + 1 >= CALLS_PER_BACKFILL_CALL;
        if ready.live() > 0 && !is_due {
            return Some(Turn::Live);
        }
        match backfill() {
            Some(asker) => Some(Turn::Backfill(asker.clone())),
            None => (ready.live() > 0).then_some(Turn::Live),
        }
    }

    /// How many calls all that may go would need.
    pub(crate) fn calls_wanted(&self, ready: &Ready, slots: usize) -> usize {
        let calls = |questions: usize| questions.div_ceil(REVISIONS_PER_CALL_MAX);
        let backfills = ready.backfills().map(|(asker, questions)| calls(questions).min(self.room(asker, slots)));
        calls(ready.live()) + backfills.sum::<usize>().min(self.room_of_all(slots))
    }

    /// A slot takes its turn.
    pub(crate) fn begin(&mut self, turn: &Turn) {
        if let Turn::Backfill(asker) = turn {
            *self.backfills.entry(Arc::clone(&asker.pipeline)).or_default() += 1;
            self.about_to_leave += 1;
        }
    }

    /// Its call leaves, and this is ready still.
    pub(crate) fn depart(&mut self, turn: &Turn, ready: &Ready) {
        match turn {
            Turn::Live if ready.backfills().next().is_some() => self.live_calls = self.live_calls.saturating_add(1),
            Turn::Live => {}
            Turn::Backfill(_) => {
                self.about_to_leave = self.about_to_leave.saturating_sub(1);
                self.live_calls = 0;
            }
        }
    }

    /// Its call is over.
    pub(crate) fn end(&mut self, turn: &Turn) {
        if let Turn::Backfill(asker) = turn
            && let Some(calls) = self.backfills.get_mut(&asker.pipeline)
        {
            *calls -= 1;
            if *calls == 0 {
                self.backfills.remove(&asker.pipeline);
            }
        }
    }

    /// No call came of it: everything is as it was before it was taken.
    pub(crate) fn give_back(&mut self, turn: &Turn) {
        self.end(turn);
        if matches!(turn, Turn::Backfill(_)) {
            self.about_to_leave = self.about_to_leave.saturating_sub(1);
        }
    }

    /// How many more calls a backfill may make at once.
    fn room(&self, asker: &Asker, slots: usize) -> usize {
        let Standing::Backfill { share_percent } = asker.standing else { return 0 };
        let share = (slots * usize::from(share_percent) / 100).max(1);
        let own = self.backfills.get(&asker.pipeline).copied().unwrap_or_default();
        share.saturating_sub(own).min(self.room_of_all(slots))
    }

    /// How many more calls all backfills together may make at once: a live question finds a slot free, where there is more
    /// than one.
    fn room_of_all(&self, slots: usize) -> usize {
        slots.saturating_sub(1).max(1).saturating_sub(self.backfills.values().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(pipeline: &str, standing: Standing) -> Asker {
        Asker { pipeline: pipeline.into(), standing }
    }

    fn old(share_percent: u8) -> Asker {
        asker("old", Standing::Backfill { share_percent })
    }

    fn ready(live: u64, backfill: &Asker, old: u64) -> Ready {
        let mut ready = Ready::default();
        (0..live).for_each(|id| ready.push(&asker("live", Standing::Live), id));
        (0..old).for_each(|id| ready.push(backfill, 1_000 + id));
        ready
    }

    /// Takes `count` turns whose calls never end, and tells how many of them are a backfill's.
    fn taken(turns: &mut Turns, ready: &Ready, slots: usize, count: usize) -> usize {
        let mut backfills = 0;
        for _ in 0..count {
            let Some(turn) = turns.next(ready, slots) else { break };
            turns.begin(&turn);
            turns.depart(&turn, ready);
            backfills += usize::from(turn != Turn::Live);
        }
        backfills
    }

    #[test]
    fn alone_a_backfill_takes_its_share_of_the_slots_and_one_at_least() {
        for (slots, percent, calls) in [(4, 50, 2), (4, 100, 3), (2, 100, 1), (1, 100, 1), (4, 1, 1), (10, 35, 3)] {
            let (mut turns, ready) = (Turns::default(), ready(0, &old(percent), 10));
            assert_eq!(taken(&mut turns, &ready, slots, 100), calls, "{percent} % of {slots}");
            assert_eq!(turns.next(&ready, slots), None);
            turns.end(&Turn::Backfill(old(percent)));
            assert_eq!(taken(&mut turns, &ready, slots, 100), 1);
        }
    }

    #[test]
    fn several_backfills_leave_a_slot_to_live_questions() {
        for (slots, calls) in [(4, 3), (2, 1), (1, 1)] {
            let (mut turns, mut ready) = (Turns::default(), ready(0, &old(50), 10));
            (0..10).for_each(|id| ready.push(&asker("older", Standing::Backfill { share_percent: 50 }), id));
            assert_eq!(turns.calls_wanted(&ready, slots), calls.min(2), "a call each, as far as there is room");
            assert_eq!(taken(&mut turns, &ready, slots, 100), calls, "of {slots} slots");
            assert_eq!(turns.calls_wanted(&ready, slots), 0);
        }
    }

    #[test]
    fn a_backfill_whose_share_changes_is_still_the_same() {
        let mut turns = Turns::default();
        assert_eq!(taken(&mut turns, &ready(0, &old(50), 10), 8, 100), 4);
        assert_eq!(taken(&mut turns, &ready(0, &old(75), 10), 8, 100), 2, "six in all");
        turns.end(&Turn::Backfill(old(50)));
        assert_eq!(taken(&mut turns, &ready(0, &old(75), 10), 8, 100), 1);
    }

    #[test]
    fn while_live_questions_wait_one_call_in_twenty_is_a_backfills() {
        let (mut turns, ready) = (Turns::default(), ready(10, &old(100), 10));
        assert_eq!(taken(&mut turns, &ready, 1_000, 19), 0);
        assert_eq!(taken(&mut turns, &ready, 1_000, 1), 1);
        assert_eq!(taken(&mut turns, &ready, 1_000, 200), 10);
    }

    #[test]
    fn live_calls_do_not_count_while_no_backfill_waits() {
        let mut turns = Turns::default();
        taken(&mut turns, &ready(10, &old(50), 0), 4, 100);
        assert_eq!(taken(&mut turns, &ready(10, &old(50), 5), 4, 19), 0);
    }

    #[test]
    fn a_turn_of_which_no_call_came_is_still_due() {
        let (mut turns, ready) = (Turns::default(), ready(10, &old(50), 5));
        taken(&mut turns, &ready, 4, 19);
        let turn = turns.next(&ready, 4).unwrap();
        turns.begin(&turn);
        assert_eq!(turns.next(&ready, 4), Some(Turn::Live), "it is taken");
        turns.give_back(&turn);
        assert_eq!(turns.next(&ready, 4), Some(turn));
    }

    #[test]
    fn a_turn_of_which_no_call_came_makes_nothing_due() {
        let (mut turns, backfill) = (Turns::default(), old(50));
        taken(&mut turns, &ready(10, &backfill, 5), 4, 7);
        let turn = turns.next(&ready(0, &backfill, 5), 4).unwrap();
        turns.begin(&turn);
        turns.give_back(&turn);
        assert_eq!(taken(&mut turns, &ready(10, &backfill, 5), 4, 12), 0, "19 live calls go first");
        assert_eq!(taken(&mut turns, &ready(10, &backfill, 5), 4, 1), 1);
    }

    #[test]
    fn slots_are_wanted_for_what_may_go() {
        let turns = Turns::default();
        assert_eq!(turns.calls_wanted(&ready(51, &old(50), 500), 4), 2 + 2);
        assert_eq!(turns.calls_wanted(&ready(0, &old(50), 1), 4), 1);
        assert_eq!(turns.calls_wanted(&ready(0, &old(50), 0), 4), 0);
    }
}
