//! Events that fail, as the breaker on failures counts them: each once, when it settles.

use super::{Ending, OpenJob, RecordPath};
use millrace_flow::failures::{Ended, Failing, FailureNews, Purpose};
use std::time::Instant;

impl RecordPath {
    /// An event settles. Canary events and tombstones never reach the plugin and say nothing.
    pub(super) fn count_ending(&mut self, job: &OpenJob, now: Instant) {
        let ended = match &job.ending {
            Some(Ending::Failed(error_type)) => Ended::Failed(error_type),
            Some(Ending::Emitted(_) | Ending::Skipped(_) | Ending::Kept(_)) => Ended::Well,
            Some(Ending::Tombstone | Ending::Canary) | None => Ended::Unknown,
        };
        self.failure_news.extend(self.failures.ended(ended, job.purpose, now));
    }

    /// An event is given up; if it was to find something out, another one is. A timer that is given up fires elsewhere, and
    /// was counted nowhere.
    pub(super) fn count_given_up(&mut self, job: &OpenJob) {
        if job.timer.is_none() {
            self.metrics.abandoned();
        }
        if job.purpose == Purpose::Trial {
            // It says nothing, whenever it was.
            self.failure_news.extend(self.failures.ended(Ended::Unknown, Purpose::Trial, job.admitted));
        }
    }

    /// What is to be told since the last call.
    pub fn failure_news(&mut self) -> Vec<FailureNews> {
        std::mem::take(&mut self.failure_news)
    }

    /// Why no events are admitted, while that is because so many fail.
    pub fn failing(&self) -> Option<&Failing> {
        self.failures.failing()
    }
}

#[cfg(test)]
mod tests {
    use crate::job::Finish;
    use crate::partition::sample::{finished, path, record};
    use crate::partition::{Destination, RecordPath};
    use millrace_flow::failures::{FailureLimits, FailureNews, TRIALS, WAIT_MIN};
    use millrace_flow::progress::Progress;
    use millrace_flow::record::OutputRecord;
    use millrace_kafka::transactional::Stay;
    use std::time::{Duration, Instant};

    fn fail(path: &mut RecordPath, id: u64, now: Instant) {
        let error_event = OutputRecord {
            topic: "e".into(),
            timestamp_ms: 0,
            key: None,
            value: Some("{}".into()),
            headers: Vec::new(),
        };
        let failed = Finish::Failed { error_type: "decode".to_owned(), error_event: Box::new(error_event) };
        path.finish(finished(id, failed, 0), now);
        let unit = path.deliver(Destination::Kafka).expect("the error event is delivered");
        path.delivered(&[unit.serial], now);
    }

    #[test]
    fn a_path_whose_events_fail_takes_single_ones_until_they_end_well() {
        let limits = FailureLimits { percent: 50, window: Duration::from_secs(60), events_min: 2 };
        let (mut path, mut now) = (path(limits), Instant::now());
        path.poll((0..3).map(record).collect(), now);
        path.admit(now);
        (0..2).for_each(|id| fail(&mut path, id, now));
        assert!(path.failing().is_some());
        assert!(matches!(path.failure_news().as_slice(), [FailureNews::Opened { .. }]));
        // What was in flight ends; what comes waits in the backlog, and the consumer is held back.
        path.poll((3..20).map(record).collect(), now);
        path.admit(now);
        assert_eq!((path.open(None), path.flow(now).hold), (1, true));
        path.finish(finished(2, Finish::Canary, 0), now);
        for wait in [WAIT_MIN, WAIT_MIN * 2] {
            now += wait;
            path.admit(now);
            path.admit(now);
            assert_eq!(path.open(None), 1, "a single one");
            let trial = if wait == WAIT_MIN { 3 } else { 4 };
            if trial == 3 {
                fail(&mut path, trial, now);
            } else {
                path.finish(finished(trial, Finish::Canary, 0), now);
            }
        }
        for id in 5..5 + u64::from(TRIALS) {
            path.admit(now);
            assert_eq!(path.open(None), 1, "a canary event says nothing, and the next one finds out");
            path.finish(finished(id, Finish::Skipped("x".to_owned()), 0), now);
        }
        path.admit(now);
        assert_eq!((path.open(None), path.failing()), (10, None));
        assert!(matches!(path.failure_news().as_slice(), [FailureNews::Prolonged { .. }, FailureNews::Closed { .. }]));
    }

    #[test]
    fn a_single_event_that_is_given_up_lets_another_one_go() {
        let limits = FailureLimits { events_min: 1, ..FailureLimits::default() };
        let (mut path, mut now) = (path(limits), Instant::now());
        path.poll(vec![record(0)], now);
        path.admit(now);
        fail(&mut path, 0, now);
        path.poll((1..9).map(record).collect(), now);
        now += WAIT_MIN;
        path.admit(now);
        let here = record(0).source;
        path.revoke(std::slice::from_ref(&here));
        path.assign(here, Progress::at(1), Stay::default(), None);
        path.poll((1..9).map(record).collect(), now);
        path.admit(now);
        assert_eq!(path.open(None), 1);
    }
}
