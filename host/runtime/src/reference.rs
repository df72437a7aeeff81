//! `millrace reference`: every key, every metric and every cause of an error event as Markdown, made from the declarations that the program itself
//! uses. The copy in `docs/reference.md` is compared with it by a test.

use crate::config::{Declaration, Presence, declarations};
use crate::metrics::{FAMILIES, LOOKUP_FAMILIES};
use millrace_flow::cause::{Cause, Remedy};
use millrace_lookup::stats::Counter;

/// The whole reference.
pub fn markdown() -> String {
    let mut out = String::new();
    out.push_str("# Reference\n\nMade by `millrace reference`; do not edit.\n\n");
    out.push_str("## The configuration file\n\n");
    out.push_str(
        "One YAML file describes a host. Sizes and durations carry their unit (`64 MiB`, `500 ms`), relative\n",
    );
    out.push_str("paths start from the folder of the file, and secrets are named by file, never written down here.\n");
    out.push_str("`[]` is each item of a list, `<name>` a name of your choice.\n\n");
    out.push_str("| key | value | without it | what it is |\n|---|---|---|---|\n");
    declarations().iter().for_each(|declaration| row(declaration, &mut out));
    out.push_str("\n## Metrics\n\nServed at `/metrics` in the text format of Prometheus. A plugin's own metrics are\n");
    out.push_str("`millrace_plugin_<name>`, with the label `pipeline` and the plugin's own, at most 200 series per pipeline.\n\n");
    out.push_str("| name | kind | labels | what it is |\n|---|---|---|---|\n");
    for family in FAMILIES.iter().chain(LOOKUP_FAMILIES) {
        let labels = family.labels.join(", ");
        line(&mut out, [&format!("`{}`", family.name), family.kind.word(), &labels, family.help]);
    }
    for counter in Counter::ALL {
        line(&mut out, [&format!("`millrace_{}`", counter.name()), "counter", "", counter.help()]);
    }
    causes(&mut out);
    out
}

/// What can go wrong with an event, from the table that decides what is done about it.
fn causes(out: &mut String) {
    out.push_str("\n## What can go wrong with an event\n\n");
    out.push_str("What ends as an error event has this `error_type`. A plugin's own words are counted as they are, 64 at most.\n\n");
    out.push_str(
        "| error_type | what is done | how often it is tried again | where it is counted |\n|---|---|---|---|\n",
    );
    for cause in Cause::all() {
        let rule = cause.rule();
        let remedy = match (rule.remedy, &cause) {
            (Remedy::Wait, _) => "it waits; never an error event",
            (Remedy::Retry, _) => "it runs again (the outcome `retry`)",
            (Remedy::ErrorEvent, Cause::RetriesExhausted(_)) => "an error event, after the last `retry`",
            (Remedy::ErrorEvent, Cause::PluginFail(_)) => "an error event (the outcome `fail`)",
            (Remedy::ErrorEvent, _) => "an error event",
        };
        line(out, [&format!("`{}`", rule.error_type), remedy, rule.tried, rule.counted]);
    }
}

fn row(declaration: &Declaration, out: &mut String) {
    let absent = match &declaration.presence {
        Presence::Required => "required".to_owned(),
        Presence::Default(value) => format!("`{value}`"),
        Presence::Optional(meaning) => (*meaning).to_owned(),
        Presence::Section => String::new(),
    };
    line(out, [&format!("`{}`", declaration.key), &declaration.kind, &absent, declaration.doc]);
}

fn line(out: &mut String, cells: [&str; 4]) {
    let [name, kind, absent, doc] = cells.map(|cell| cell.replace('|', "\\|"));
    out.push_str(&format!("| {name} | {kind} | {absent} | {doc} |\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_in_the_repository_is_what_the_program_says() {
        let copy = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference.md");
        let written = std::fs::read_to_string(&copy).unwrap_or_default();
        assert!(written == markdown(), "docs/reference.md is old: run `millrace reference > docs/reference.md`");
    }

    #[test]
    fn every_key_is_explained_once_by_a_sentence() {
        let mut seen = std::collections::BTreeSet::new();
        for declaration in declarations() {
            assert!(declaration.doc.ends_with('.'), "{}", declaration.key);
            assert!(seen.insert(declaration.key.clone()), "{} is declared twice", declaration.key);
        }
    }
}
