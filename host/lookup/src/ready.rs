//! Which question comes next. Live pipelines take turns, so that one which asks a lot does not make its neighbours wait;
//! the questions of a backfill stand beside them. Each pipeline's questions keep their order.

use crate::grants::{Asker, Standing};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Whose questions a call takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Those of the live pipelines, one of each in its turn.
    Live,
    /// Those of one backfill.
    Backfill(Asker),
}

/// Questions that could go now, by their numbers. One that several pipelines ask stands in the row of each.
#[derive(Default)]
pub(crate) struct Ready {
    live: Rows,
    backfills: Rows,
}

impl Ready {
    /// How many there are. One that stands in several rows counts in each.
    pub(crate) fn len(&self) -> usize {
        self.live.len + self.backfills.len
    }

    /// How many of them live pipelines ask.
    pub(crate) fn live(&self) -> usize {
        self.live.len
    }

    /// The backfills that ask any and how many, beginning with the one that comes next.
    pub(crate) fn backfills(&self) -> impl Iterator<Item = (&Asker, usize)> {
        let Rows { rows, turns, .. } = &self.backfills;
        turns.iter().filter_map(|asker| Some((asker, rows.get(asker)?.len())))
    }

    /// How many a call could take whose turn it is.
    pub(crate) fn of(&self, turn: &Turn) -> usize {
        match turn {
            Turn::Live => self.live.len,
            Turn::Backfill(asker) => self.backfills.rows.get(asker).map_or(0, VecDeque::len),
        }
    }

    /// A question of `asker` waits from now on.
    pub(crate) fn push(&mut self, asker: &Asker, id: u64) {
        self.rows_of(asker).push(asker, id);
    }

    /// The next question of those whose `turn` it is, and who asks it.
    pub(crate) fn pop(&mut self, turn: &Turn) -> Option<(Asker, u64)> {
        match turn {
            Turn::Live => self.live.pop(),
            Turn::Backfill(asker) => self.backfills.pop_of(asker),
        }
    }

    /// Puts back what was popped, in that order, and has fitted nowhere: it comes first the next time.
    pub(crate) fn put_back(&mut self, passed_over: Vec<(Asker, u64)>) {
        for (asker, id) in passed_over.into_iter().rev() {
            self.rows_of(&asker).put_back(asker, id);
        }
    }

    /// Keeps only the questions that `is_wanted`.
    pub(crate) fn retain(&mut self, is_wanted: &mut dyn FnMut(u64) -> bool) {
        self.live.retain(is_wanted);
        self.backfills.retain(is_wanted);
    }

    fn rows_of(&mut self, asker: &Asker) -> &mut Rows {
        match asker.standing {
            Standing::Live => &mut self.live,
            Standing::Backfill { .. } => &mut self.backfills,
        }
    }
}

/// Rows of questions that take turns.
#[derive(Default)]
struct Rows {
    /// Never empty rows.
    rows: FxHashMap<Asker, VecDeque<u64>>,
    /// Every row once: the first one's turn is next.
    turns: VecDeque<Asker>,
    len: usize,
}

impl Rows {
    fn push(&mut self, asker: &Asker, id: u64) {
        self.row(asker).push_back(id);
        self.len += 1;
    }

    /// The first question of the row whose turn is next.
    fn pop(&mut self) -> Option<(Asker, u64)> {
        let asker = self.turns.pop_front()?;
        self.pop_row(asker)
    }

    /// The first question of one row, whose turn is then after those of all others.
    fn pop_of(&mut self, asker: &Asker) -> Option<(Asker, u64)> {
        self.turns.retain(|other| other != asker);
        self.pop_row(asker.clone())
    }

    fn pop_row(&mut self, asker: Asker) -> Option<(Asker, u64)> {
        let row = self.rows.get_mut(&asker)?;
        let id = row.pop_front()?;
        self.len -= 1;
        if row.is_empty() {
            self.rows.remove(&asker);
        } else {
            self.turns.push_back(asker.clone());
        }
        Some((asker, id))
    }

    fn put_back(&mut self, asker: Asker, id: u64) {
        self.row(&asker).push_front(id);
        self.len += 1;
        self.turns.retain(|other| *other != asker);
        self.turns.push_front(asker);
    }

    fn retain(&mut self, is_wanted: &mut dyn FnMut(u64) -> bool) {
        self.rows.retain(|_, row| {
            row.retain(|id| is_wanted(*id));
            !row.is_empty()
        });
        let rows = &self.rows;
        self.turns.retain(|asker| rows.contains_key(asker));
        self.len = rows.values().map(VecDeque::len).sum();
    }

    fn row(&mut self, asker: &Asker) -> &mut VecDeque<u64> {
        if !self.rows.contains_key(asker) {
            self.turns.push_back(asker.clone());
        }
        self.rows.entry(asker.clone()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Standing = Standing::Backfill { share_percent: 50 };

    fn asker(pipeline: &str, standing: Standing) -> Asker {
        Asker { pipeline: pipeline.into(), standing }
    }

    fn ready(rows: &[(&str, Standing, &[u64])]) -> Ready {
        let mut ready = Ready::default();
        for (pipeline, standing, ids) in rows {
            ids.iter().for_each(|id| ready.push(&asker(pipeline, *standing), *id));
        }
        ready
    }

    fn live(rows: &[(&str, &[u64])]) -> Ready {
        let rows: Vec<_> = rows.iter().map(|(pipeline, ids)| (*pipeline, Standing::Live, *ids)).collect();
        ready(&rows)
    }

    fn popped(ready: &mut Ready, count: usize) -> Vec<u64> {
        (0..count).filter_map(|_| ready.pop(&Turn::Live)).map(|(_, id)| id).collect()
    }

    #[test]
    fn pipelines_take_turns_and_each_keeps_its_order() {
        let mut ready = live(&[("flood", &[1, 2, 3, 4, 5]), ("a", &[11, 12]), ("b", &[21])]);
        assert_eq!(popped(&mut ready, 9), [1, 11, 21, 2, 12, 3, 4, 5]);
        assert_eq!(ready.len(), 0);
    }

    #[test]
    fn what_was_passed_over_comes_first_the_next_time() {
        let mut ready = live(&[("flood", &[1, 2, 3, 4]), ("a", &[11])]);
        assert_eq!(popped(&mut ready, 1), [1]);
        let passed_over = vec![ready.pop(&Turn::Live).unwrap(), ready.pop(&Turn::Live).unwrap()];
        assert_eq!(popped(&mut ready, 1), [3]);
        ready.put_back(passed_over);
        assert_eq!((ready.len(), popped(&mut ready, 9)), (3, vec![11, 2, 4]));
    }

    #[test]
    fn what_is_not_wanted_goes_and_its_row_with_it() {
        let mut ready = live(&[("flood", &[1, 2, 3]), ("a", &[11])]);
        ready.retain(&mut |id| id % 2 == 0);
        assert_eq!((ready.len(), popped(&mut ready, 9)), (1, vec![2]));
        ready.push(&asker("a", Standing::Live), 12);
        assert_eq!(popped(&mut ready, 9), [12]);
    }

    #[test]
    fn backfills_stand_apart_and_take_turns_of_their_own() {
        let mut ready = ready(&[("old", OLD, &[1, 2]), ("older", OLD, &[11]), ("live", Standing::Live, &[21])]);
        assert_eq!((ready.len(), ready.live()), (4, 1));
        let next = |ready: &Ready| ready.backfills().map(|(asker, _)| asker.pipeline.to_string()).collect::<Vec<_>>();
        assert_eq!(next(&ready), ["old", "older"]);
        let old = Turn::Backfill(asker("old", OLD));
        assert_eq!(ready.pop(&old).unwrap().1, 1);
        assert_eq!((next(&ready), ready.of(&old)), (vec!["older".to_owned(), "old".to_owned()], 1));
        assert_eq!(popped(&mut ready, 9), [21]);
        assert_eq!((ready.pop(&old).unwrap().1, ready.pop(&old), ready.of(&old)), (2, None, 0));
    }
}
