//! What a change of a partition's progress by hand comes to, as plain data: before, after, and what it means for events.
//! Nothing is written here.

use crate::standing::{Origin, Standing, Truth};
use millrace_flow::progress::{Progress, ProgressBudget, VERSIONS_CHARS_MAX};
use millrace_flow::record::TopicPartition;

/// A partition as it is found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The partition.
    pub partition: TopicPartition,
    /// How far the pipeline is.
    pub standing: Standing,
    /// The oldest offset of the log.
    pub start: i64,
    /// The offset after the newest one.
    pub end: i64,
}

impl Found {
    /// How many offsets are not settled.
    pub fn lag(&self) -> Option<u64> {
        let (_, progress) = self.standing.progress();
        Some(unsettled(progress?, self.start, self.end))
    }
}

/// A change that can be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The partition.
    pub partition: TopicPartition,
    /// What counted.
    pub origin: Origin,
    /// How far the pipeline was; none: it had not begun.
    pub before: Option<Progress>,
    /// How far it will be.
    pub after: Progress,
    /// How many offsets that were settled will run again.
    pub repeated: u64,
    /// How many offsets that were not settled will never run.
    pub passed_over: u64,
}

/// A change that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The log does not have that offset.
    #[error(
        "{partition} holds the offsets {start} to {end}, and {offset} is not among them; name one that is, or --to-earliest or --to-latest"
    )]
    NotInLog {
        /// The partition.
        partition: TopicPartition,
        /// The offset that was asked for.
        offset: i64,
        /// The oldest offset.
        start: i64,
        /// The offset after the newest one.
        end: i64,
    },
    /// There is nothing to skip in.
    #[error(
        "the pipeline has not begun with {partition}, so there is nothing to skip in; set its offset first, with `millrace offsets set`"
    )]
    NotBegun {
        /// The partition.
        partition: TopicPartition,
    },
    /// The event has its result.
    #[error(
        "the offset {offset} of {partition} is settled already; to run it again, set the offset to it, or give its error event back with `millrace reprocess`"
    )]
    Settled {
        /// The partition.
        partition: TopicPartition,
        /// The offset.
        offset: i64,
    },
    /// Progress could not say it any more.
    #[error(
        "the offset {offset} of {partition} lies too far above {prefix}, up to where everything is settled: progress would take more room than there is; let the pipeline work off what lies between, or set the offset"
    )]
    TooFar {
        /// The partition.
        partition: TopicPartition,
        /// The offset.
        offset: i64,
        /// The prefix.
        prefix: i64,
    },
}

/// The pipeline goes on at `to`, with nothing settled from there on. None: it does so anyway.
///
/// # Errors
/// The log does not have that offset.
pub fn set(found: &Found, to: i64) -> Result<Option<Change>, Refused> {
    let Found { partition, standing, start, end } = found;
    if to < *start || to > *end {
        return Err(Refused::NotInLog { partition: partition.clone(), offset: to, start: *start, end: *end });
    }
    let (origin, before) = standing.progress();
    if before.is_some_and(|before| before.prefix == to && before.settled.is_empty()) {
        return Ok(None);
    }
    let base = before.cloned().unwrap_or_else(|| Progress::at(*start));
    Ok(Some(Change {
        partition: partition.clone(),
        origin,
        after: base.moved_to(to),
        repeated: if before.is_some() { base.repeated_from(to) } else { 0 },
        passed_over: unsettled(&base, *start, to),
        before: before.cloned(),
    }))
}

/// These offsets count as settled from now on.
///
/// # Errors
/// One of them is not in the log, is settled, or cannot be said; or the pipeline has not begun.
pub fn skip(found: &Found, truth: &Truth, offsets: &[i64]) -> Result<Change, Refused> {
    let Found { partition, standing, start, end } = found;
    let (origin, before) = standing.progress();
    let before = before.ok_or_else(|| Refused::NotBegun { partition: partition.clone() })?;
    let mut after = before.clone();
    for offset in offsets.iter().copied() {
        if offset < *start || offset >= *end {
            return Err(Refused::NotInLog { partition: partition.clone(), offset, start: *start, end: *end });
        }
        if after.covers(offset) {
            return Err(Refused::Settled { partition: partition.clone(), offset });
        }
        let prefix = after.prefix;
        let with = after.with_settled(offset).filter(|with| with.encode().len() <= chars_max(truth));
        after = with.ok_or_else(|| Refused::TooFar { partition: partition.clone(), offset, prefix })?;
    }
    // However many are skipped, it is one write.
    after.serial = before.serial.saturating_add(1);
    Ok(Change {
        partition: partition.clone(),
        origin,
        before: Some(before.clone()),
        after,
        repeated: 0,
        passed_over: offsets.len() as u64,
    })
}

/// The longest progress text that there is room for.
fn chars_max(truth: &Truth) -> usize {
    let budget = match truth {
        Truth::Group => ProgressBudget::COMMIT_METADATA,
        Truth::Records { .. } => ProgressBudget::RECORD,
    };
    budget.chars() + VERSIONS_CHARS_MAX
}

/// The offsets from `start` up to `end` that are not settled.
fn unsettled(progress: &Progress, start: i64, end: i64) -> u64 {
    progress.passed_over_to(end) - progress.passed_over_to(start.min(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of the offsets 50 to 200, of which everything below 100, 102 and 150 are settled by write 7.
    fn found() -> Found {
        let start = Progress { serial: 5, ..Progress::at(100) };
        let progress = start.with_settled(102).and_then(|progress| progress.with_settled(150));
        let standing = Standing { group: progress, record: None };
        Found { partition: TopicPartition::new("in", 0), standing, start: 50, end: 200 }
    }

    fn fresh() -> Found {
        Found { standing: Standing::default(), ..found() }
    }

    /// Prefix, settled above it, serial, repeated, passed over.
    type Told = (i64, Vec<i64>, u64, u64, u64);

    fn told(change: &Change) -> Told {
        let settled = (change.after.prefix..300).filter(|offset| change.after.settled.contains(*offset));
        (change.after.prefix, settled.collect(), change.after.serial, change.repeated, change.passed_over)
    }

    #[track_caller]
    fn check_set(found: &Found, to: i64, expected: Option<Told>) {
        assert_eq!(set(found, to).unwrap().as_ref().map(told), expected, "{to}");
    }

    #[track_caller]
    fn check_skip(offsets: &[i64], expected: Told) {
        assert_eq!(told(&skip(&found(), &Truth::Group, offsets).unwrap()), expected, "{offsets:?}");
    }

    #[test]
    fn an_offset_is_set_back_or_forward_with_an_empty_set() {
        check_set(&found(), 60, Some((60, vec![], 8, 42, 0)));
        check_set(&found(), 50, Some((50, vec![], 8, 52, 0)));
        check_set(&found(), 100, Some((100, vec![], 8, 2, 0)));
        check_set(&found(), 103, Some((103, vec![], 8, 1, 2)));
        check_set(&found(), 200, Some((200, vec![], 8, 0, 98)));
    }

    #[test]
    fn a_pipeline_that_goes_on_there_anyway_is_left_alone() {
        let standing = Standing { group: Some(Progress { serial: 3, ..Progress::at(100) }), record: None };
        check_set(&Found { standing, ..found() }, 100, None);
    }

    #[test]
    fn a_pipeline_that_has_not_begun_can_be_told_where_to_begin() {
        check_set(&fresh(), 60, Some((60, vec![], 1, 0, 10)));
        let refused = Refused::NotBegun { partition: TopicPartition::new("in", 0) };
        assert_eq!(skip(&fresh(), &Truth::Group, &[60]), Err(refused));
    }

    #[test]
    fn what_the_log_has_lost_is_not_counted_as_passed_over() {
        let found = Found { start: 110, ..found() };
        check_set(&found, 120, Some((120, vec![], 8, 1, 10)));
        assert_eq!(found.lag(), Some(89));
    }

    #[test]
    fn the_log_must_have_the_offset() {
        for to in [49, 201, -1] {
            let error = set(&found(), to).unwrap_err().to_string();
            assert!(error.contains("in/0 holds the offsets 50 to 200"), "{error}");
        }
        for offset in [49, 200] {
            assert!(matches!(skip(&found(), &Truth::Group, &[offset]), Err(Refused::NotInLog { .. })), "{offset}");
        }
    }

    #[test]
    fn a_skipped_offset_joins_the_set_or_moves_the_prefix() {
        check_skip(&[120], (100, vec![102, 120, 150], 8, 0, 1));
        check_skip(&[100], (101, vec![102, 150], 8, 0, 1));
        check_skip(&[101], (100, vec![101, 102, 150], 8, 0, 1));
        check_skip(&[101, 100], (103, vec![150], 8, 0, 2));
        check_skip(&[100, 101], (103, vec![150], 8, 0, 2));
    }

    #[test]
    fn what_is_settled_cannot_be_skipped() {
        for offset in [60, 99, 102, 150] {
            let refused = Refused::Settled { partition: TopicPartition::new("in", 0), offset };
            assert_eq!(skip(&found(), &Truth::Group, &[offset]), Err(refused));
        }
        assert!(skip(&found(), &Truth::Group, &[120, 120]).is_err());
    }

    #[test]
    fn progress_must_be_able_to_say_it() {
        let far = Found { end: 10_000_000, ..found() };
        // One byte for each 256 offsets in which nothing is settled, and a third more in base64.
        for (offset, in_group, in_record) in [(500_000, true, true), (1_000_000, false, true), (9_999_999, false, true)]
        {
            let records = Truth::Records { topic: "progress".to_owned() };
            assert_eq!(skip(&far, &Truth::Group, &[offset]).is_ok(), in_group, "{offset}");
            assert_eq!(skip(&far, &records, &[offset]).is_ok(), in_record, "{offset}");
        }
        let farther = Found { end: i64::MAX, ..found() };
        let refused = skip(&farther, &Truth::Group, &[i64::MAX - 1]);
        assert!(matches!(refused, Err(Refused::TooFar { prefix: 100, .. })), "{refused:?}");
    }
}
