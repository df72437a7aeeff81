//! Which leader wrote which offsets, as far as we saw it while fetching: a committed offset carries the epoch of the
//! record before it, so that a log that was cut back is noticed on the next start (KIP-320).

use std::collections::VecDeque;

/// How many changes of leader are remembered per partition. Commits trail fetching by seconds, leaders change rarely.
const CHANGES_MAX: usize = 8;

/// The changes of leader in one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    /// The first offset that was seen of an epoch, and the epoch; offsets rise.
    changes: VecDeque<(i64, i32)>,
}

impl Epochs {
    /// Notes the epoch of the record at `offset`. True when it differs from the one before.
    pub(crate) fn note(&mut self, offset: i64, epoch: i32) {
        if self.changes.back().is_some_and(|(_, last)| *last == epoch) {
            return;
        }
        if self.changes.len() == CHANGES_MAX {
            self.changes.pop_front();
        }
        self.changes.push_back((offset, epoch));
    }

    /// The epoch of the record before `offset`, where it is known.
    pub(crate) fn before(&self, offset: i64) -> Option<i32> {
        self.changes.iter().rev().find(|(first, _)| *first < offset).map(|(_, epoch)| *epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_committed_offset_has_the_epoch_of_the_record_before_it() {
        let mut epochs = Epochs::default();
        for (offset, epoch) in [(10, 3), (11, 3), (12, 5)] {
            epochs.note(offset, epoch);
        }
        assert_eq!(epochs.before(10), None);
        assert_eq!(epochs.before(11), Some(3));
        assert_eq!(epochs.before(12), Some(3));
        assert_eq!(epochs.before(13), Some(5));
    }

    #[test]
    fn old_changes_are_forgotten() {
        let mut epochs = Epochs::default();
        for epoch in 0..20 {
            epochs.note(i64::from(epoch) * 10, epoch);
        }
        assert_eq!(epochs.changes.len(), CHANGES_MAX);
        assert_eq!(epochs.before(5), None);
        assert_eq!(epochs.before(1_000), Some(19));
    }
}
