//! Progress as a person wants it: set to an offset, or with one more offset settled. What that means for events that were
//! settled, or were not, is for that person to know; the numbers are here.

use super::Progress;
use crate::sparse_set::SparseSet;

impl Progress {
    /// Whether `offset` is settled.
    pub fn covers(&self, offset: i64) -> bool {
        offset < self.prefix || self.settled.contains(offset)
    }

    /// How many offsets above the prefix are settled; some of them may be no events.
    pub fn settled_above(&self) -> u64 {
        self.settled.count_below(self.prefix, i64::MAX)
    }

    /// Progress that goes on at `prefix` whatever was settled: the next write after this one, with an empty set. Events
    /// run on the version that the pipeline has when it starts.
    pub fn moved_to(&self, prefix: i64) -> Self {
        Self { prefix, settled: SparseSet::default(), serial: self.serial.saturating_add(1), versions: None }
    }

    /// The next write after this one, with `offset` settled too. None: it was settled before, or lies so far above the
    /// prefix that no text can say it.
    pub fn with_settled(&self, offset: i64) -> Option<Self> {
        if self.covers(offset) {
            return None;
        }
        let mut next = self.clone();
        next.serial = self.serial.saturating_add(1);
        if offset == self.prefix {
            next.prefix = self.settled.first_absent(offset + 1);
            next.settled = self.settled.above(next.prefix);
        } else {
            next.settled = self.settled.with(self.prefix, offset)?;
        }
        if let Some(versions) = &mut next.versions {
            versions.settled_below(next.prefix);
        }
        Some(next)
    }

    /// How many events run again if reading goes on at `prefix` with an empty set: those that are settled from there on.
    pub fn repeated_from(&self, prefix: i64) -> u64 {
        let below = u64::try_from(self.prefix.saturating_sub(prefix)).unwrap_or(0);
        let above = self.settled_above() - self.settled.count_below(self.prefix, prefix.max(self.prefix));
        below + above
    }

    /// How many offsets are passed over if reading goes on at `prefix`: those below that are not settled.
    pub fn passed_over_to(&self, prefix: i64) -> u64 {
        let between = u64::try_from(prefix.saturating_sub(self.prefix)).unwrap_or(0);
        between - self.settled.count_below(self.prefix, prefix).min(between)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boundaries::Boundaries;
    use crate::ledger::Ledger;
    use crate::progress::ProgressBudget;

    /// Progress at the prefix 1000 with these offsets settled above it.
    fn progress(settled: &[i64]) -> Progress {
        let start = Progress { serial: 6, ..Progress::at(1000) };
        settled.iter().fold(start, |progress, offset| {
            let with = progress.with_settled(*offset).expect("it was not settled");
            Progress { serial: 7, ..with }
        })
    }

    #[track_caller]
    fn check(progress: &Progress, prefix: i64, settled: &[i64]) {
        assert_eq!(progress.prefix, prefix);
        let found: Vec<i64> = (prefix..prefix + 3000).filter(|offset| progress.settled.contains(*offset)).collect();
        assert_eq!(found, settled);
        assert_eq!(progress.settled_above(), settled.len() as u64);
        assert_eq!(Progress::decode(prefix, &progress.encode()).as_ref(), Ok(progress), "it can be read again");
    }

    #[test]
    fn one_more_offset_is_settled_wherever_it_lies() {
        check(&progress(&[1001]), 1000, &[1001]);
        check(&progress(&[2000, 1001, 1300]), 1000, &[1001, 1300, 2000]);
        check(&progress(&[1001, 1002, 1004]).with_settled(1000).expect("open"), 1003, &[1004]);
        check(&progress(&[]).with_settled(1000).expect("open"), 1001, &[]);
        let whole_blocks: Vec<i64> = (1001..2048).collect();
        check(&progress(&whole_blocks).with_settled(1000).expect("open"), 2048, &[]);
        check(&progress(&whole_blocks), 1000, &whole_blocks);
    }

    #[test]
    fn what_is_settled_stays_as_it_is() {
        for offset in [0, 999, 1001] {
            assert_eq!(progress(&[1001]).with_settled(offset), None, "{offset}");
        }
        assert_eq!(progress(&[]).with_settled(i64::MAX), None, "too far for any text");
    }

    #[test]
    fn the_ledger_goes_on_with_it() {
        let mut ledger = Ledger::resume(progress(&[1002, 1300]), ProgressBudget::COMMIT_METADATA);
        let open: Vec<i64> =
            (1000..1304).filter(|offset| ledger.admit(*offset) == crate::ledger::Admitted::New).collect();
        let expected: Vec<i64> = (1000..1304).filter(|offset| ![1002, 1300].contains(offset)).collect();
        assert_eq!(open, expected);
    }

    #[test]
    fn a_move_says_what_it_repeats_and_what_it_passes_over() {
        let progress = progress(&[1002, 1003, 1500]);
        for (to, repeated, passed_over) in
            [(900, 103, 0), (1000, 3, 0), (1003, 2, 2), (1500, 1, 498), (1600, 0, 597), (0, 1003, 0)]
        {
            assert_eq!((progress.repeated_from(to), progress.passed_over_to(to)), (repeated, passed_over), "{to}");
        }
        let moved = progress.moved_to(900);
        assert_eq!((moved.prefix, moved.serial, moved.settled.is_empty()), (900, 8, true));
    }

    #[test]
    fn versions_that_nobody_needs_any_more_are_forgotten() {
        let mut versions = Boundaries::new([1; 32]);
        versions.begin(1001, [2; 32]);
        let progress = Progress { versions: Some(versions), ..progress(&[]) };
        let skipped = progress.with_settled(1000).expect("open");
        assert_eq!(skipped.versions.expect("known").versions().collect::<Vec<_>>(), [(None, [2; 32])]);
        assert_eq!(progress.moved_to(0).versions, None);
    }
}
