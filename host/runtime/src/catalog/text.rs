//! The catalog for a terminal: one stream after the other, a few lines each.

use super::{Catalog, StreamEntry, Use};
use crate::config::printable;

/// The catalog as text.
pub fn as_text(catalog: &Catalog) -> String {
    let mut text: String = catalog.streams.iter().map(stream).collect();
    for pipeline in &catalog.pipelines {
        if let Some(problem) = &pipeline.problem {
            text.push_str(&format!("pipeline {}: {}\n", printable(&pipeline.name), printable(problem)));
        }
    }
    text
}

fn stream(stream: &StreamEntry) -> String {
    let mut text = printable(&stream.name);
    text.push_str(if stream.declared { "\n" } else { " (not declared)\n" });
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!("  {name:<8}{}\n", printable(&value)));
        }
    };
    let title = stream.schema_title.clone().unwrap_or_default();
    line("schema", format!("{title} {}", stream.versions.join(", ")).trim().to_owned());
    line("", stream.schema_problem.clone().unwrap_or_default());
    line("topics", stream.topics.join(", "));
    let key: Vec<String> = stream.key.iter().map(|field| format!("{}={}", field.name, field.pointer)).collect();
    line("key", key.join(", "));
    line("canary", if stream.canary_events_enabled { "yes".to_owned() } else { String::new() });
    line("from", uses(&stream.writers));
    line("to", uses(&stream.readers));
    text
}

fn uses(uses: &[Use]) -> String {
    let one = |used: &Use| match &used.plugin {
        Some(plugin) => format!("{} ({plugin}, {})", used.pipeline, used.port),
        None => format!("{} ({})", used.pipeline, used.port),
    };
    uses.iter().map(one).collect::<Vec<_>>().join(", ")
}
