//! How fast the consumer may go: held back for moments, partitions paused where room is missing for longer.

use super::{BOOKKEEPING_BYTES, RecordPath};
use crate::job::JobId;
use millrace_flow::record::TopicPartition;
use std::time::{Duration, Instant};

/// What the consumer shall do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Whether it shall hand out nothing for a moment: there is no room just now.
    pub hold: bool,
    /// To pause: full.
    pub pause: Vec<TopicPartition>,
    /// To resume: half empty again.
    pub resume: Vec<TopicPartition>,
}

impl RecordPath {
    /// The answers of a job that is still open hold more than is usual: admission knows at once, and not when it ends.
    pub(super) fn grow(&mut self, id: JobId, answer_bytes: u64) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let weight = job.record.bytes() as u64 + BOOKKEEPING_BYTES + answer_bytes;
        if weight > job.reserved {
            self.admission.adjust(job.reserved, weight);
            job.reserved = weight;
        }
    }

    /// How the consumer shall go on. A backlog holds all of it back for a moment, which costs nothing. A partition whose
    /// backlog stays is paused, and with it all that have one, so that the others go on; they are resumed when there is
    /// room again. Each is told at most once a second, because every pause throws away what is being fetched.
    pub fn flow(&mut self, now: Instant) -> Flow {
        /// Half of what the consumer bears to be held back.
        const PAUSE_AFTER: Duration = Duration::from_millis(500);
        const FLIP_REST: Duration = Duration::from_secs(1);
        /// With any room at all, a partition does not wait longer than this for the others to leave half of it.
        const RESUME_AFTER: Duration = Duration::from_secs(5);
        let mut flow = Flow::default();
        let since = |at: Option<Instant>| at.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        let mut due = false;
        for partition in self.partitions.values_mut() {
            partition.full_since = (!partition.backlog.is_empty()).then(|| partition.full_since.unwrap_or(now));
            due |= !partition.paused && partition.full_since.is_some_and(|full| since(Some(full)) >= PAUSE_AFTER);
        }
        for (name, partition) in &mut self.partitions {
            let (full, rested) = (partition.full_since.is_some(), since(partition.flipped) >= FLIP_REST);
            if partition.paused {
                let has_room = self.admission.may_resume()
                    || (!self.admission.is_full() && since(partition.flipped) >= RESUME_AFTER);
                if rested && !full && has_room {
                    partition.paused = false;
                    partition.flipped = Some(now);
                    flow.resume.push(name.clone());
                }
            } else if full && rested && due {
                partition.paused = true;
                partition.flipped = Some(now);
                flow.pause.push(name.clone());
            } else {
                flow.hold |= full;
            }
        }
        flow
    }
}

#[cfg(test)]
mod tests {
    use crate::job::Finish;
    use crate::partition::sample::{finished, path, record};
    use millrace_flow::failures::FailureLimits;
    use std::time::Instant;

    #[test]
    fn a_large_answer_stops_admission_while_its_event_is_open() {
        let (mut path, now) = (path(FailureLimits::default()), Instant::now());
        path.poll(vec![record(0), record(1)], now);
        path.admit(now);
        assert_eq!((path.dispatch().len(), path.open(None)), (1, 2));
        path.finish(finished(1, Finish::Grown, 2 << 20), now);
        path.poll(vec![record(2)], now);
        path.admit(now);
        assert_eq!((path.open(None), path.flow(now).hold), (2, true), "no room beside it");
        // What it is told of twice counts once, and what it holds in the end replaces it.
        path.finish(finished(1, Finish::Grown, 2 << 20), now);
        path.finish(finished(1, Finish::Skipped("reason".to_owned()), 2 << 20), now);
        path.finish(finished(0, Finish::Skipped("reason".to_owned()), 0), now);
        assert_eq!((path.open(None), path.admission.held()), (0, 0));
        path.admit(now);
        assert_eq!((path.open(None), path.flow(now).hold), (1, false));
    }
}
