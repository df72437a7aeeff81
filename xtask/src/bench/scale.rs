//! What a second host of the group adds where the calls of one host are the limit: one slot for the wiki, which takes 100 ms
//! for 50 events. The two share the two cores of this machine with broker and stand-in, which is little at that rate.

use super::scenario::{Ends, Output, Stage};
use super::{edges, run};
use crate::progress;
use anyhow::ensure;
use millrace_bed::host::Host;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// So many take one host 12 s.
const EVENTS: u64 = 6_000;
/// How long two hosts may take to share the partitions.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures one host and two, on four partitions.
pub(super) fn measure(figures: &mut Map<String, Value>) -> anyhow::Result<()> {
    let stage = Stage::set(super::scenario::API_LATENCY)?;
    let mut rates = Vec::new();
    for hosts in 1..=2 {
        progress::say(&format!("Measuring {hosts} of a group."));
        let pipeline = edges::ready(&stage, &format!("scale-{hosts}"), 1)?;
        let running =
            (0..hosts).map(|number| stage.start_member(&pipeline, number)).collect::<anyhow::Result<Vec<Host>>>()?;
        let share = 4 / hosts;
        let until = Instant::now() + PATIENCE;
        while running.iter().any(|host| !owns(host, share)) {
            ensure!(Instant::now() < until, "the hosts do not own {share} partitions each");
            std::thread::sleep(Duration::from_millis(100));
        }
        // Pages enough for lanes not to be the limit.
        edges::feed(&stage, &pipeline, (0..EVENTS).map(super::scenario::page))?;
        let ends = Ends::Topic(Box::new(Output::open(&stage.cluster(), &pipeline.output)?));
        let first = running.first().map_or(0, Host::id);
        rates.push(run::watch(&format!("{hosts} of a group"), first, &ends, EVENTS)?.events_per_second);
        for host in running {
            host.terminate()?;
        }
    }
    if let [one, two] = rates.as_slice() {
        figures.insert("scale_one_events_per_second".to_owned(), json!(one));
        figures.insert("scale_two_events_per_second".to_owned(), json!(two));
        figures.insert("scale_two_hosts_ratio".to_owned(), json!(two / one.max(1.0)));
    }
    Ok(())
}

fn owns(host: &Host, partitions: u64) -> bool {
    host.metrics().is_ok_and(|metrics| metrics.sum("millrace_partitions_assigned", &[]) as u64 == partitions)
}
