//! What is said of a pipeline that takes no more events because so many fail. When that is, `flow::failures` knows.

use super::{Pipeline, State};
use crate::metrics::Failing;
use millrace_flow::failures::FailureNews;

impl Pipeline {
    /// Tells what has changed since the last call.
    pub(super) fn tell_failures(&mut self, state: &State) {
        let all = self.path.failure_news();
        for news in &all {
            self.tell_failure(news);
        }
        if !all.is_empty() {
            self.observe_failures();
            self.publish_status(state);
        }
    }

    /// Writes down whether the pipeline fails.
    pub(super) fn observe_failures(&self) {
        self.spec.metrics.failing(if self.path.failing().is_some() { Failing::Yes } else { Failing::No });
    }

    fn tell_failure(&self, news: &FailureNews) {
        let pipeline = &self.spec.name;
        match news {
            FailureNews::Opened { failing, wait } => {
                let (error_type, times) =
                    failing.most.as_ref().map_or(("", 0), |(word, count)| (word.as_str(), *count));
                tracing::error!(
                    pipeline,
                    failed = failing.failed,
                    events = failing.events,
                    within_s = failing.window.as_secs(),
                    error_type,
                    times,
                    error_topic = %self.spec.errors.topic,
                    again_in_s = wait.as_secs(),
                    "So many events fail that no more are taken. Read the error events, and correct the plugin, its \
                     settings or what it asks; single events find out whether that has helped."
                );
            }
            FailureNews::Prolonged { error_type, wait } => {
                let again_in_s = wait.as_secs();
                tracing::info!(pipeline, error_type, again_in_s, "A single event failed too; no others are taken yet.");
            }
            FailureNews::Closed { after } => {
                tracing::info!(pipeline, after_s = after.as_secs(), "Events no longer fail; they are taken as before.");
            }
        }
    }
}
