//! Which question comes next: the pipelines take turns, so that one which asks a lot does not make its neighbours wait.
//! Each pipeline's questions keep their order.

use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// Questions that could go now, by their numbers. One that several pipelines ask stands in the row of each.
#[derive(Default)]
pub(crate) struct Ready {
    /// Never empty rows.
    rows: FxHashMap<Arc<str>, VecDeque<u64>>,
    /// Every row once: the first one's turn is next.
    turns: VecDeque<Arc<str>>,
    len: usize,
}

impl Ready {
    /// How many there are. One that stands in several rows counts in each.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A question of `pipeline` waits from now on.
    pub(crate) fn push(&mut self, pipeline: &Arc<str>, id: u64) {
        self.row(pipeline).push_back(id);
        self.len += 1;
    }

    /// The next question, and whose turn it was.
    pub(crate) fn pop(&mut self) -> Option<(Arc<str>, u64)> {
        let pipeline = self.turns.pop_front()?;
        let row = self.rows.get_mut(&pipeline)?;
        let id = row.pop_front()?;
        self.len -= 1;
        if row.is_empty() {
            self.rows.remove(&pipeline);
        } else {
            self.turns.push_back(Arc::clone(&pipeline));
        }
        Some((pipeline, id))
    }

    /// Puts back what was popped, in that order, and has fitted nowhere: it comes first the next time.
    pub(crate) fn put_back(&mut self, passed_over: Vec<(Arc<str>, u64)>) {
        for (pipeline, id) in passed_over.into_iter().rev() {
            self.row(&pipeline).push_front(id);
            self.len += 1;
            self.turns.retain(|other| *other != pipeline);
            self.turns.push_front(pipeline);
        }
    }

    /// Keeps only the questions that `is_wanted`.
    pub(crate) fn retain(&mut self, is_wanted: &mut dyn FnMut(u64) -> bool) {
        self.rows.retain(|_, row| {
            row.retain(|id| is_wanted(*id));
            !row.is_empty()
        });
        let rows = &self.rows;
        self.turns.retain(|pipeline| rows.contains_key(pipeline));
        self.len = rows.values().map(VecDeque::len).sum();
    }

    fn row(&mut self, pipeline: &Arc<str>) -> &mut VecDeque<u64> {
        if !self.rows.contains_key(pipeline) {
            self.turns.push_back(Arc::clone(pipeline));
        }
        self.rows.entry(Arc::clone(pipeline)).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(rows: &[(&str, &[u64])]) -> Ready {
        let mut ready = Ready::default();
        for (pipeline, ids) in rows {
            ids.iter().for_each(|id| ready.push(&Arc::from(*pipeline), *id));
        }
        ready
    }

    fn popped(ready: &mut Ready, count: usize) -> Vec<u64> {
        (0..count).filter_map(|_| ready.pop()).map(|(_, id)| id).collect()
    }

    #[test]
    fn pipelines_take_turns_and_each_keeps_its_order() {
        let mut ready = ready(&[("flood", &[1, 2, 3, 4, 5]), ("a", &[11, 12]), ("b", &[21])]);
        assert_eq!(popped(&mut ready, 9), [1, 11, 21, 2, 12, 3, 4, 5]);
        assert_eq!(ready.len(), 0);
    }

    #[test]
    fn what_was_passed_over_comes_first_the_next_time() {
        let mut ready = ready(&[("flood", &[1, 2, 3, 4]), ("a", &[11])]);
        assert_eq!(popped(&mut ready, 1), [1]);
        let passed_over = vec![ready.pop().unwrap(), ready.pop().unwrap()];
        assert_eq!(popped(&mut ready, 1), [3]);
        ready.put_back(passed_over);
        assert_eq!((ready.len(), popped(&mut ready, 9)), (3, vec![11, 2, 4]));
    }

    #[test]
    fn what_is_not_wanted_goes_and_its_row_with_it() {
        let mut ready = ready(&[("flood", &[1, 2, 3]), ("a", &[11])]);
        ready.retain(&mut |id| id % 2 == 0);
        assert_eq!((ready.len(), popped(&mut ready, 9)), (1, vec![2]));
        ready.push(&Arc::from("a"), 12);
        assert_eq!(popped(&mut ready, 9), [12]);
    }
}
