//! Who owned which partition, and when, as the hosts' logs tell it. A process that was killed says nothing more; when it
//! ended is in the journal.

use crate::evidence::Tenure;
use anyhow::Context as _;
use serde_json::Value;
use std::collections::BTreeMap;

/// The message with which a host takes a partition.
pub(crate) const ASSIGNED: &str = "Partition assigned.";
/// The message with which a host lets a partition go.
const LET_GO: &str = "Partition let go.";

/// What can happen to the partitions of a host.
#[derive(Clone, Copy, Debug)]
enum Change {
    Assigned(i32),
    LetGo(i32),
    Ended,
}

/// The tenures of one host: `log` is that of all its processes one after the other, `ends` are the times at which they
/// ended. What is still owned is left at `until_ms`.
///
/// # Errors
/// A line about a partition that is not as the host writes it.
pub(crate) fn tenures(host: usize, log: &str, ends: &[i64], until_ms: i64) -> anyhow::Result<Vec<Tenure>> {
    let mut changes: Vec<(i64, Change)> = ends.iter().map(|end_ms| (*end_ms, Change::Ended)).collect();
    for line in log.lines().filter(|line| line.contains(ASSIGNED) || line.contains(LET_GO)) {
        changes.push(read(line).with_context(|| format!("host {host} logged: {line}"))?);
    }
    // A process that ended in order let go of everything first, in the same millisecond perhaps.
    changes.sort_by_key(|(at_ms, change)| (*at_ms, matches!(change, Change::Ended)));
    let mut owned: BTreeMap<i32, i64> = BTreeMap::new();
    let mut tenures = Vec::new();
    for (left_ms, change) in changes.into_iter().chain([(until_ms, Change::Ended)]) {
        let over: BTreeMap<i32, i64> = match change {
            // One that is assigned again without having been let go was lost in between.
            Change::Assigned(partition) => {
                owned.insert(partition, left_ms).map(|from_ms| (partition, from_ms)).into_iter().collect()
            }
            Change::LetGo(partition) => owned.remove_entry(&partition).into_iter().collect(),
            Change::Ended => std::mem::take(&mut owned),
        };
        tenures.extend(over.into_iter().map(|(partition, from_ms)| Tenure { host, partition, from_ms, left_ms }));
    }
    Ok(tenures)
}

fn read(line: &str) -> anyhow::Result<(i64, Change)> {
    let line: Value = serde_json::from_str(line)?;
    let text = |field: &str| line.get(field).and_then(Value::as_str).with_context(|| format!("no {field}"));
    let at: jiff::Timestamp = text("timestamp")?.parse()?;
    let (_, partition) = text("partition")?.rsplit_once('/').context("no partition")?;
    let partition = partition.parse()?;
    let change = if text("message")? == ASSIGNED { Change::Assigned(partition) } else { Change::LetGo(partition) };
    Ok((at.as_millisecond(), change))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: u32, message: &str, partition: i32) -> String {
        format!(
            "{{\"timestamp\":\"1970-01-01T00:00:{second:02}.000001Z\",\"level\":\"INFO\",\"message\":\"{message}\",\
             \"partition\":\"some.topic/{partition}\"}}"
        )
    }

    #[test]
    fn a_tenure_ends_when_the_host_lets_go_or_its_process_ends() {
        let lines = [
            line(1, ASSIGNED, 0),
            line(1, ASSIGNED, 1),
            "{\"message\":\"Stopping: something else.\"}".to_owned(),
            line(3, LET_GO, 1),
            line(5, ASSIGNED, 1),
        ];
        let found = tenures(7, &lines.join("\n"), &[4_000], 9_000).unwrap();
        let tenure = |partition, from_ms, left_ms| Tenure { host: 7, partition, from_ms, left_ms };
        assert_eq!(found, [tenure(1, 1_000, 3_000), tenure(0, 1_000, 4_000), tenure(1, 5_000, 9_000)]);
    }
}
