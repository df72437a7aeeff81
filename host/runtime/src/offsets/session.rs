//! Looks at the partitions of a pipeline, and carries changes out. A change is carried out only while nobody is in the
//! pipeline's group, and only from the progress that was looked at; in exactly-once whoever still holds the partition's
//! `transactional.id` is fenced, and record and all are one transaction.

use super::change::{self, Change, Found};
use crate::audit::window::Point;
use crate::standing::{Place, Standing, Truth};
use anyhow::{Context as _, bail, ensure};
use millrace_flow::clock::Clock;
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::record::{OutputRecord, TopicPartition};
use millrace_kafka::commit::PartitionProgress;
use millrace_kafka::config::ProducerConfig;
use millrace_kafka::exclusive::{ExclusiveError, ExclusiveWriter};
use millrace_kafka::group::GroupCommitError;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a cluster may take for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where partitions are set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The first record of this time or later; the end where there is none.
    Time(i64),
    /// This offset.
    Offset(i64),
    /// The oldest record.
    Earliest,
    /// Behind the newest record.
    Latest,
}

/// What is to be changed.
#[derive(Clone, Debug)]
pub enum Wish {
    /// These partitions go on elsewhere; all of the inputs' where none is named. What was given back is run again only
    /// where its partition is named: it would run beside the original otherwise.
    Set {
        /// Where.
        target: Target,
        /// Which.
        partitions: Vec<TopicPartition>,
    },
    /// These offsets count as settled.
    Skip(Vec<Point>),
}

/// All partitions as they are found.
///
/// # Errors
/// A cluster does not answer, or what is kept cannot be read.
pub fn look(place: &Place<'_>) -> anyhow::Result<Vec<Found>> {
    let mut found = Vec::new();
    for (partition, standing) in place.standings()? {
        let (start, end) = place.log(&partition)?;
        found.push(Found { partition, standing, start, end });
    }
    Ok(found)
}

/// What the wish comes to: a change for each partition in which something changes.
///
/// # Errors
/// The pipeline does not read such a partition, or the change cannot be.
pub fn plan(place: &Place<'_>, found: &[Found], wish: &Wish) -> anyhow::Result<Vec<Change>> {
    let find = |partition: &TopicPartition| {
        let of_partition = found.iter().find(|found| found.partition == *partition);
        of_partition.with_context(|| format!("the pipeline `{}` reads no partition {partition}", place.pipeline.name))
    };
    let mut changes = Vec::new();
    match wish {
        Wish::Set { target, partitions } => {
            let named: Vec<&Found> = partitions.iter().map(find).collect::<anyhow::Result<_>>()?;
            let chosen = if named.is_empty() { of_inputs(place, found) } else { named };
            for found in chosen {
                changes.extend(change::set(found, offset_of(place, found, *target)?)?);
            }
        }
        Wish::Skip(points) => {
            let mut offsets: BTreeMap<&TopicPartition, Vec<i64>> = BTreeMap::new();
            points.iter().for_each(|point| offsets.entry(&point.partition).or_default().push(point.offset));
            for (partition, offsets) in offsets {
                changes.push(change::skip(find(partition)?, &place.truth, &offsets)?);
            }
        }
    }
    Ok(changes)
}

fn of_inputs<'f>(place: &Place<'_>, found: &'f [Found]) -> Vec<&'f Found> {
    let is_reprocess = |found: &&Found| {
        place.pipeline.reprocess.as_ref().is_some_and(|reprocess| *reprocess.topic == *found.partition.topic)
    };
    found.iter().filter(|found| !is_reprocess(found)).collect()
}

fn offset_of(place: &Place<'_>, found: &Found, target: Target) -> anyhow::Result<i64> {
    match target {
        Target::Time(time_ms) => Ok(place.at_time(&found.partition, time_ms)?.max(found.start)),
        Target::Offset(offset) => Ok(offset),
        Target::Earliest => Ok(found.start),
        Target::Latest => Ok(found.end),
    }
}

/// Carries changes out, one partition after the other, and calls `done` after each.
///
/// # Errors
/// The pipeline runs, or has moved meanwhile, or a cluster refuses. The changes for which `done` was called are made, the
/// others are not; the message says of anything else.
pub fn apply(
    place: &Place<'_>,
    changes: &[Change],
    clock: &dyn Clock,
    mut done: impl FnMut(&Change),
) -> anyhow::Result<()> {
    let group = place.group()?;
    let members = group.members()?;
    if !members.is_empty() {
        bail!(
            "the pipeline `{}` is running: its group `{}` has members ({}); stop it on every host, then run this again",
            place.pipeline.name,
            place.pipeline.group,
            members.join(", "),
        );
    }
    for change in changes {
        if let Truth::Records { topic } = &place.truth {
            write_record(place, topic, change, clock)?;
        } else {
            unmoved(place, change)?;
        }
        let progress = PartitionProgress {
            partition: change.partition.clone(),
            offset: change.after.prefix,
            leader_epoch: None,
            metadata: ProgressRecord::of(&change.after, None).copied_text(),
        };
        group.commit(&[progress]).map_err(|error| refused(place, change, error))?;
        done(change);
    }
    Ok(())
}

/// Fences whoever has the partition, and writes its progress record.
fn write_record(place: &Place<'_>, topic: &str, change: &Change, clock: &dyn Clock) -> anyhow::Result<()> {
    let key = place.key(&change.partition);
    let config = ProducerConfig::new(place.pipeline.output_cluster.clone());
    let writer = ExclusiveWriter::open(&config, &place.transactional_id(&change.partition), PATIENCE)?;
    // From here on nobody else can move it.
    unmoved(place, change)?;
    let record = OutputRecord {
        topic: topic.into(),
        timestamp_ms: i64::try_from(clock.now_ms()).unwrap_or(i64::MAX),
        key: Some(key.encode().into()),
        value: Some(ProgressRecord::of(&change.after, None).encode().into()),
        headers: Vec::new(),
    };
    writer.write(&[record]).map_err(|error| match error {
        ExclusiveError::Overtaken { .. } => {
            anyhow::anyhow!("a host has taken {} over meanwhile; stop it, then run this again", change.partition)
        }
        ExclusiveError::Kafka(error) => anyhow::Error::from(error)
            .context(format!("{} may be changed or not; look with `millrace offsets show`", change.partition)),
    })
}

/// Makes sure that the pipeline is where it was when the change was planned.
fn unmoved(place: &Place<'_>, change: &Change) -> anyhow::Result<()> {
    let standings = place.standings()?;
    let standing = standings.get(&change.partition).cloned().unwrap_or_default();
    let (_, now) = Standing::progress(&standing);
    ensure!(
        now == change.before.as_ref(),
        "the pipeline has moved on in {} meanwhile; look again, then run this again",
        change.partition
    );
    Ok(())
}

fn refused(place: &Place<'_>, change: &Change, error: GroupCommitError) -> anyhow::Error {
    let group = &place.pipeline.group;
    let what = match (&place.truth, &error) {
        (Truth::Group, GroupCommitError::InUse { .. }) => {
            format!("the pipeline has been started meanwhile; stop it, then run this again ({})", change.partition)
        }
        (Truth::Group, GroupCommitError::Kafka(_)) => format!("{} was not changed", change.partition),
        (Truth::Records { .. }, _) => format!(
            "the progress record of {} is changed and counts; only the copy in the group `{group}` is not",
            change.partition
        ),
    };
    anyhow::Error::from(error).context(what)
}
