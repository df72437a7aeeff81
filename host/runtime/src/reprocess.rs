//! `millrace reprocess`: gives the events of a pipeline that failed back to it. It reads the pipeline's error topic, makes
//! the original records again and writes them to the pipeline's reprocess topic, which the pipeline reads beside its inputs.
//!
//! What was given back is not written down anywhere else: it is what lies in the reprocess topic, which is read before
//! anything is written. Only one process can be the writer for a pipeline at a time, and it writes in transactions, so
//! that no error event is given back twice, whoever is interrupted when. In reading order: [`selection`], [`session`],
//! [`summary`], [`screen`].

pub mod screen;
pub mod selection;
pub mod session;
pub mod summary;

use crate::config::{HostConfig, Mistakes, PipelineConfig, ReprocessConfig, show_duration};
use crate::pipelines::{NoPipeline, find_pipeline};
use millrace_kafka::cluster::Cluster;
use millrace_kafka::error::KafkaError;
use std::path::Path;
use std::time::Duration;

/// Why a command cannot begin: it asks for what is not configured.
#[derive(Debug, thiserror::Error)]
pub enum NotConfigured {
    /// The file has mistakes.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
    /// There is no such pipeline.
    #[error(transparent)]
    Pipeline(#[from] NoPipeline),
    /// The pipeline has no way back.
    #[error(
        "the pipeline `{name}` has no reprocess topic; add `reprocess: {{ topic: NAME }}` to it in {file}, create the topic, \
         and start the host again"
    )]
    NoTopic {
        /// The pipeline.
        name: String,
        /// The file.
        file: String,
    },
}

/// The pipeline of this name and its reprocess topic.
///
/// # Errors
/// See [`NotConfigured`].
pub fn find(file: &Path, name: &str) -> Result<(PipelineConfig, ReprocessConfig), NotConfigured> {
    let config = HostConfig::load(file)?;
    let pipeline = find_pipeline(config, file, name)?;
    let reprocess = pipeline.reprocess.clone();
    let reprocess =
        reprocess.ok_or_else(|| NotConfigured::NoTopic { name: name.to_owned(), file: file.display().to_string() })?;
    Ok((pipeline, reprocess))
}

/// Why a topic cannot serve as a reprocess topic, as far as its settings tell; none: it can, or the cluster does not tell.
///
/// # Errors
/// The cluster does not answer in time.
pub fn unfit(cluster: &Cluster, topic: &str, deadline_ms: u64) -> Result<Option<String>, KafkaError> {
    let settings = cluster.topic_settings(topic, deadline_ms)?.unwrap_or_default();
    let is_compacted = settings.get("cleanup.policy").is_some_and(|policy| policy.contains("compact"));
    Ok(is_compacted.then(|| {
        format!(
            "the topic `{topic}` is compacted (`cleanup.policy`): of events with equal keys it keeps the last one only"
        )
    }))
}

/// Why error events could be given back twice: the reprocess topic forgets them earlier than the error topic does.
///
/// # Errors
/// A cluster does not answer in time.
pub fn forgets_early(
    (cluster, topic): (&Cluster, &str),
    (error_cluster, error_topic): (&Cluster, &str),
    deadline_ms: u64,
) -> Result<Option<String>, KafkaError> {
    let kept = |cluster: &Cluster, topic: &str| {
        let settings = cluster.topic_settings(topic, deadline_ms)?.unwrap_or_default();
        Ok(settings.get("retention.ms").and_then(|text| text.parse::<i64>().ok()))
    };
    let (kept, error_kept) = (kept(cluster, topic)?, kept(error_cluster, error_topic)?);
    // Below zero: for ever.
    let last = |ms: i64| u64::try_from(ms).unwrap_or(u64::MAX);
    Ok(match (kept.map(last), error_kept.map(last)) {
        (Some(kept), Some(error_kept)) if kept < error_kept => Some(format!(
            "the topic `{topic}` keeps records for {} (`retention.ms`), the error topic `{error_topic}` {}; what was given \
             back longer ago than that can be given back a second time",
            show_duration(Duration::from_millis(kept)),
            if error_kept == u64::MAX {
                "for ever".to_owned()
            } else {
                format!("for {}", show_duration(Duration::from_millis(error_kept)))
            },
        )),
        _ => None,
    })
}
