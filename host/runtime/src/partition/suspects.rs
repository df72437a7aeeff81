//! Events that were in a worker's hands when the host died, twice or more often: they run alone, or not at all.

use super::{OpenJob, RecordPath};
use crate::breadcrumb::{EventPlace, suspicion};
use crate::job::{JobId, Suspicion};
use millrace_flow::record::Record;
use millrace_flow::state::DueTimer;
use std::collections::BTreeMap;

/// The suspects of a path.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Those that are not settled, with the deaths at which each was there.
    deaths: BTreeMap<EventPlace, u32>,
    /// Those that run alone and are open.
    open: Vec<JobId>,
    /// Those that have settled since somebody asked.
    cleared: Vec<EventPlace>,
}

impl Suspects {
    /// Notes an event that is admitted, by the place that its record names, or a timer. What is known of it.
    pub(super) fn note(&mut self, id: JobId, record: &Record, timer: Option<&DueTimer>) -> Suspicion {
        // There are none, but for the host that has just died.
        if self.deaths.is_empty() {
            return Suspicion::None;
        }
        let suspicion = suspicion(self.deaths.get(&EventPlace::of(record, timer)).copied().unwrap_or(0));
        if suspicion == Suspicion::RunsAlone {
            self.open.push(id);
        }
        suspicion
    }
}

impl RecordPath {
    /// The same, with events that were there when the host died.
    #[must_use]
    pub fn with_suspects(mut self, deaths: BTreeMap<EventPlace, u32>) -> Self {
        self.suspects.deaths = deaths;
        self
    }

    /// What may be handed out of what is ready: a suspect alone, and nothing while one is being run. What waits in a lane
    /// behind others waits for them.
    pub(super) fn ready_now(&mut self) -> Vec<JobId> {
        let Self { suspects, jobs, ready, .. } = self;
        suspects.open.retain(|id| jobs.contains_key(id));
        if suspects.open.iter().any(|id| jobs.get(id).is_some_and(|job| job.worker.is_some())) {
            return Vec::new();
        }
        match ready.iter().position(|id| suspects.open.contains(id)) {
            // Nothing else may be in a worker's hands.
            Some(_) if jobs.values().any(|job| job.worker.is_some()) => Vec::new(),
            Some(at) => vec![ready.remove(at)],
            None => std::mem::take(ready),
        }
    }

    /// Whether no suspect is open.
    pub(super) fn has_no_suspects(&self) -> bool {
        self.suspects.open.is_empty()
    }

    /// An event settled.
    pub(super) fn clear_suspect(&mut self, job: &OpenJob) {
        if self.suspects.deaths.is_empty() {
            return;
        }
        let place = EventPlace::of(&job.record, job.timer.as_deref());
        if self.suspects.deaths.remove(&place).is_some() {
            self.suspects.cleared.push(place);
        }
    }

    /// The suspects that have settled since the last call.
    pub fn cleared_suspects(&mut self) -> Vec<EventPlace> {
        std::mem::take(&mut self.suspects.cleared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Finish;
    use crate::partition::sample::{finished, path, record};
    use millrace_flow::failures::FailureLimits;
    use std::time::Instant;

    fn place(offset: i64) -> EventPlace {
        EventPlace::of(&record(offset), None)
    }

    /// A path with five events at hand, of which some were there at so many deaths.
    fn suspicious(deaths: &[(i64, u32)]) -> RecordPath {
        let deaths = deaths.iter().map(|(offset, deaths)| (place(*offset), *deaths)).collect();
        let mut path = path(FailureLimits::default()).with_suspects(deaths);
        path.poll((0..5).map(record).collect(), Instant::now());
        path.admit(Instant::now());
        path
    }

    fn handed_out(path: &mut RecordPath) -> Vec<u64> {
        let mut ids: Vec<u64> = path.dispatch().into_iter().flat_map(|batch| batch.jobs).map(|job| job.id.0).collect();
        ids.sort_unstable();
        ids
    }

    fn skip(path: &mut RecordPath, id: u64) {
        path.finish(finished(id, Finish::Skipped("x".to_owned()), 0), Instant::now());
    }

    #[test]
    fn one_death_changes_nothing() {
        assert_eq!(handed_out(&mut suspicious(&[(1, 1), (3, 1)])), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_suspect_runs_alone_and_the_others_after_it() {
        let mut path = suspicious(&[(1, 2), (3, 2)]);
        assert_eq!(handed_out(&mut path), [1]);
        assert!(handed_out(&mut path).is_empty());
        skip(&mut path, 1);
        assert_eq!(path.cleared_suspects(), [place(1)]);
        assert_eq!(handed_out(&mut path), [3]);
        skip(&mut path, 3);
        assert_eq!(handed_out(&mut path), [0, 2, 4]);
        assert_eq!(path.cleared_suspects(), [place(3)]);
    }

    #[test]
    fn an_event_that_was_there_at_three_deaths_is_condemned() {
        let mut path = suspicious(&[(2, 3)]);
        let condemned: Vec<_> =
            path.dispatch().into_iter().flat_map(|batch| batch.jobs).map(|job| (job.id.0, job.suspicion)).collect();
        assert_eq!(
            condemned.iter().filter(|(_, suspicion)| *suspicion != Suspicion::None).collect::<Vec<_>>(),
            [&(2, Suspicion::Condemned)]
        );
    }

    #[test]
    fn a_suspect_that_is_given_up_holds_nobody_back() {
        let mut path = suspicious(&[(1, 2)]);
        assert_eq!(handed_out(&mut path), [1]);
        path.abandon(JobId(1));
        assert_eq!(handed_out(&mut path), [0, 2, 3, 4]);
    }
}
