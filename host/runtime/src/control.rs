//! What an operator may order a running host to do over the admin server: drain a pipeline, let it go on. An order stands
//! until it is taken back or the host ends, also when the pipeline starts again meanwhile.

use crate::partition::Until;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// The orders that stand, by pipeline.
#[derive(Debug)]
pub struct Controls {
    drains: BTreeMap<String, watch::Sender<Option<Until>>>,
}

impl Controls {
    /// No order for any of `pipelines`.
    pub fn new(pipelines: impl Iterator<Item = String>) -> Self {
        Self { drains: pipelines.map(|name| (name, watch::Sender::new(None))).collect() }
    }

    /// Orders the pipeline to drain, or with none to go on. False: there is no such pipeline.
    pub fn order_drain(&self, pipeline: &str, until: Option<Until>) -> bool {
        let Some(drain) = self.drains.get(pipeline) else { return false };
        drain.send_replace(until);
        true
    }

    /// Whether the pipeline is ordered to drain, now and later. A pipeline that is not known never is.
    pub fn drain(&self, pipeline: &str) -> watch::Receiver<Option<Until>> {
        self.drains.get(pipeline).map_or_else(|| watch::Sender::new(None).subscribe(), watch::Sender::subscribe)
    }

    /// The names of the pipelines.
    pub fn pipelines(&self) -> impl Iterator<Item = &str> {
        self.drains.keys().map(String::as_str)
    }
}
