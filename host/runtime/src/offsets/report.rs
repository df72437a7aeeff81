//! What is shown of partitions and changes, to people and to machines, and the line that is kept of each change.

use super::change::{Change, Found};
use crate::standing::{Place, Truth};
use jiff::Timestamp;
use millrace_flow::progress::Progress;
use millrace_plugin::Digest;
use serde_json::{Value, json};

/// Partitions for people: a table.
pub fn table(place: &Place<'_>, found: &[Found]) -> String {
    let truth = match &place.truth {
        Truth::Group => format!("at least once: what the group `{}` has committed counts", place.pipeline.group),
        Truth::Records { topic } => format!("exactly once: the records of topic {topic} count"),
    };
    let head = ["PARTITION", "SETTLED TO", "ABOVE", "SERIAL", "LOG START", "LOG END", "LAG", "FROM", "VERSIONS"];
    let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    rows.extend(found.iter().map(row));
    format!("Pipeline {}, {truth}.\n{}", place.pipeline.name, aligned(&rows))
}

fn row(found: &Found) -> Vec<String> {
    let (origin, progress) = found.standing.progress();
    let known = |show: &dyn Fn(&Progress) -> String| progress.map_or_else(|| "-".to_owned(), show);
    vec![
        found.partition.to_string(),
        known(&|progress| progress.prefix.to_string()),
        known(&|progress| progress.settled_above().to_string()),
        known(&|progress| progress.serial.to_string()),
        found.start.to_string(),
        found.end.to_string(),
        found.lag().map_or_else(|| "-".to_owned(), |lag| lag.to_string()),
        origin.word().to_owned(),
        known(&|progress| versions(progress).join(" ")),
    ]
}

/// The plugin's versions, each with the offset that it begins at.
fn versions(progress: &Progress) -> Vec<String> {
    /// Enough of a digest to tell one version from another.
    const DIGEST_CHARS: usize = 12;
    let versions = progress.versions.iter().flat_map(|versions| versions.versions());
    let shown = versions.map(|(from, digest)| {
        let digest = hex(&digest);
        let short = digest.get(..DIGEST_CHARS).unwrap_or(&digest);
        from.map_or_else(|| short.to_owned(), |from| format!("{short}@{from}"))
    });
    shown.collect()
}

fn hex(digest: &[u8; 32]) -> String {
    Digest::from(*digest).to_string()
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Partitions for machines.
pub fn table_json(place: &Place<'_>, found: &[Found]) -> Value {
    let of_partition = |found: &Found| {
        let (origin, progress) = found.standing.progress();
        json!({ "topic": &*found.partition.topic, "partition": found.partition.partition,
                "progress": progress.map(progress_json), "from": origin.word(),
                "group": found.standing.group.as_ref().map(progress_json),
                "record": found.standing.record.as_ref().map(progress_json),
                "log_start": found.start, "log_end": found.end, "lag": found.lag() })
    };
    let delivery = if place.truth == Truth::Group { "at_least_once" } else { "exactly_once" };
    json!({ "pipeline": place.pipeline.name, "delivery": delivery,
            "partitions": found.iter().map(of_partition).collect::<Vec<_>>() })
}

fn progress_json(progress: &Progress) -> Value {
    let versions = progress.versions.iter().flat_map(|versions| versions.versions());
    json!({ "settled_to": progress.prefix, "settled_above": progress.settled_above(), "serial": progress.serial,
            "versions": versions.map(|(from, digest)| json!({ "from": from, "plugin": hex(&digest) })).collect::<Vec<_>>() })
}

/// A change in a line.
pub fn line(change: &Change) -> String {
    let Change { partition, before, after, repeated, passed_over, .. } = change;
    let before = before.as_ref().map_or_else(|| "not begun".to_owned(), short);
    format!("{partition}: {before} -> {}; {repeated} events run again, {passed_over} are passed over", short(after))
}

fn short(progress: &Progress) -> String {
    format!("{} (serial {}, {} settled above)", progress.prefix, progress.serial, progress.settled_above())
}

/// A change for machines.
pub fn change_json(change: &Change) -> Value {
    json!({ "topic": &*change.partition.topic, "partition": change.partition.partition,
            "before": change.before.as_ref().map(progress_json), "after": progress_json(&change.after),
            "repeated": change.repeated, "passed_over": change.passed_over })
}

/// Who changed what when: the line that is kept of a change that was made.
pub fn audit_line(pipeline: &str, what: &str, change: &Change, who: &str, now_ms: u64) -> String {
    let now = i64::try_from(now_ms).ok().and_then(|now_ms| Timestamp::from_millisecond(now_ms).ok());
    let now = now.map_or_else(|| now_ms.to_string(), |now| now.to_string());
    format!("{now} {who} offsets {what} of {pipeline}: {}", line(change))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standing::{Origin, Standing};
    use millrace_flow::boundaries::Boundaries;
    use millrace_flow::record::TopicPartition;

    fn progress() -> Progress {
        let mut versions = Boundaries::new([0xab; 32]);
        versions.begin(15, [0xcd; 32]);
        let progress = Progress { serial: 3, versions: Some(versions), ..Progress::at(10) };
        progress.with_settled(12).unwrap()
    }

    #[test]
    fn a_row_says_how_far_a_partition_is() {
        let partition = TopicPartition::new("in", 0);
        let standing = Standing { group: Some(progress()), record: None };
        let begun = Found { partition, standing, start: 2, end: 20 };
        assert_eq!(row(&begun).join(" "), "in/0 10 1 4 2 20 9 group abababababab cdcdcdcdcdcd@15");
        let fresh = Found { standing: Standing::default(), ..begun };
        assert_eq!(row(&fresh).join(" "), "in/0 - - - 2 20 - nowhere -");
    }

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned(), "d".to_owned()]];
        assert_eq!(aligned(&rows), "a    bb\nccc  d\n");
    }

    #[test]
    fn the_line_that_is_kept_says_who_did_what_when() {
        let change = Change {
            partition: TopicPartition::new("in", 0),
            origin: Origin::Group,
            before: Some(progress()),
            after: progress().moved_to(4),
            repeated: 7,
            passed_over: 0,
        };
        assert_eq!(
            audit_line("enrich", "set", &change, "ann", 1_000),
            "1970-01-01T00:00:01Z ann offsets set of enrich: in/0: 10 (serial 4, 1 settled above) -> 4 (serial 5, 0 \
             settled above); 7 events run again, 0 are passed over"
        );
    }
}
