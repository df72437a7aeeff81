//! `millrace pipeline`: tells a running host over its admin server what to do with a pipeline, and waits until it is done.

use crate::admin::PipelineHealth;
use crate::partition::Until;
use crate::pipeline::Drain;
use anyhow::{Context as _, anyhow, bail};
use millrace_lookup::call_once;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How often a host is asked whether it has done what it was told.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What is asked of a host.
#[derive(Clone, Debug)]
pub enum Order {
    /// Its pipelines, and how they are.
    List,
    /// To drain one, and to wait for it at most so long.
    Drain {
        /// The pipeline.
        pipeline: String,
        /// Up to where it still takes events.
        until: Until,
        /// How long to wait; none: not at all.
        wait: Option<Duration>,
    },
    /// To let one go on.
    Resume {
        /// The pipeline.
        pipeline: String,
    },
}

#[derive(Deserialize)]
struct Readiness {
    pipelines: BTreeMap<String, serde_json::Value>,
}

/// Carries `order` out at the host whose admin server listens at `admin`. Returns what there is to tell, as JSON.
///
/// # Errors
/// No host there, no such pipeline, or a drain that was not done in time.
pub async fn carry_out(admin: SocketAddr, order: Order) -> anyhow::Result<serde_json::Value> {
    match order {
        Order::List => Ok(serde_json::to_value(pipelines(admin).await?)?),
        Order::Resume { pipeline } => {
            post(admin, &pipeline, "resume", "{}".to_owned()).await?;
            state(admin, &pipeline).await
        }
        Order::Drain { pipeline, until, wait } => {
            let order = serde_json::json!({ "until": until });
            post(admin, &pipeline, "drain", order.to_string()).await?;
            match wait {
                Some(wait) => drained(admin, &pipeline, wait).await,
                None => state(admin, &pipeline).await,
            }
        }
    }
}

/// Waits until the pipeline is drained.
async fn drained(admin: SocketAddr, pipeline: &str, wait: Duration) -> anyhow::Result<serde_json::Value> {
    let end = Instant::now() + wait;
    loop {
        let state = state(admin, pipeline).await?;
        // Other words of a newer host are not drained, whatever they are.
        if state.pointer("/drain/state").and_then(|state| state.as_str()) == Some("drained") {
            return Ok(state);
        }
        if Instant::now() >= end {
            bail!(
                "pipeline {pipeline} is not drained after {} s: {state}; the order stands, ask again with \
                 `millrace pipeline list`",
                wait.as_secs()
            );
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn state(admin: SocketAddr, pipeline: &str) -> anyhow::Result<serde_json::Value> {
    pipelines(admin).await?.remove(pipeline).with_context(|| format!("the host has no pipeline {pipeline}"))
}

async fn pipelines(admin: SocketAddr) -> anyhow::Result<BTreeMap<String, serde_json::Value>> {
    let (_ready_or_not, body) = call(admin, "/readyz".to_owned(), None).await?;
    let readiness: Readiness =
        serde_json::from_slice(&body).with_context(|| format!("what listens at {admin} is no host of this kind"))?;
    Ok(readiness.pipelines)
}

async fn post(admin: SocketAddr, pipeline: &str, order: &str, body: String) -> anyhow::Result<()> {
    if !pipeline.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        bail!("{pipeline:?} is no name of a pipeline");
    }
    match call(admin, format!("/pipelines/{pipeline}/{order}"), Some(body)).await? {
        (202, _) => Ok(()),
        (status, said) => Err(anyhow!("{} ({status})", String::from_utf8_lossy(&said).trim())),
    }
}

async fn call(admin: SocketAddr, path: String, body: Option<String>) -> anyhow::Result<(u16, bytes::Bytes)> {
    let answer = call_once(format!("http://{admin}{path}"), body).await;
    answer.with_context(|| format!("the host's admin server does not answer at {admin}; name it with --admin"))
}

/// Reads `now`, an offset, or a list like `eqiad.pages/0=5,codfw.pages/0=7`.
///
/// # Errors
/// Anything else.
pub fn parse_until(text: &str) -> Result<Until, String> {
    const EXPECTED: &str = "expected `now`, an offset, or TOPIC/PARTITION=OFFSET, several with commas in between";
    let offset = |text: &str| text.parse::<i64>().ok().filter(|offset| *offset >= 0);
    if text == "now" {
        return Ok(Until::Now);
    }
    if let Some(offset) = offset(text) {
        return Ok(Until::Offset(offset));
    }
    let one = |item: &str| {
        let (partition, limit) = item.split_once('=')?;
        let (topic, number) = partition.rsplit_once('/')?;
        let valid = !topic.is_empty() && number.parse::<u32>().is_ok();
        valid.then_some((partition.to_owned(), offset(limit)?))
    };
    let offsets: Option<BTreeMap<String, i64>> = text.split(',').map(one).collect();
    offsets.map(Until::Offsets).ok_or_else(|| EXPECTED.to_owned())
}

/// The answer for people, a line each.
pub fn as_text(order: &Order, answer: &serde_json::Value) -> String {
    match order {
        Order::List => {
            let pipelines = answer.as_object().into_iter().flatten();
            pipelines.map(|(name, state)| format!("{name}: {}\n", describe(state))).collect()
        }
        Order::Drain { pipeline, .. } | Order::Resume { pipeline } => format!("{pipeline}: {}\n", describe(answer)),
    }
}

fn describe(state: &serde_json::Value) -> String {
    let Ok(health) = serde_json::from_value::<PipelineHealth>(state.clone()) else { return state.to_string() };
    match health {
        PipelineHealth::Starting => "starting".to_owned(),
        PipelineHealth::Stopped { reason } => format!("stopped: {reason}"),
        PipelineHealth::Running { partitions, drain: None, .. } => format!("running, {partitions} partitions"),
        PipelineHealth::Running { drain: Some(Drain::Draining), .. } => "draining".to_owned(),
        PipelineHealth::Running { drain: Some(Drain::Drained { offsets }), .. } => {
            let committed: Vec<String> = offsets.iter().map(|(name, offset)| format!("{name}={offset}")).collect();
            format!("drained; committed up to {}", committed.join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Until>) {
        assert_eq!(parse_until(text).ok(), expected, "{text}");
    }

    #[test]
    fn now_an_offset_or_offsets_by_partition() {
        check("now", Some(Until::Now));
        check("17", Some(Until::Offset(17)));
        let both = BTreeMap::from([("eqiad.a.b/0".to_owned(), 5), ("codfw.a.b/12".to_owned(), 7)]);
        check("eqiad.a.b/0=5,codfw.a.b/12=7", Some(Until::Offsets(both)));
        for bad in ["", "soon", "-1", "a=5", "a/b=5", "/0=5", "a/0=", "a/0=5,", "a/0=-5"] {
            check(bad, None);
        }
    }

    #[test]
    fn states_are_told_in_words() {
        let drained = serde_json::json!({
            "state": "running", "partitions": 1, "plugin": "x", "drain": {"state": "drained", "offsets": {"a/0": 5}},
        });
        assert_eq!(describe(&drained), "drained; committed up to a/0=5");
        let running = serde_json::json!({"state": "running", "partitions": 2, "plugin": "x"});
        assert_eq!(describe(&running), "running, 2 partitions");
        assert_eq!(describe(&serde_json::json!({"state": "of a newer host"})), r#"{"state":"of a newer host"}"#);
    }
}
