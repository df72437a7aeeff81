//! `millrace reprocess` on the command line: its arguments, its help, its signals and how it ends. What it does is in
//! `reprocess.rs`.

use super::until_interrupted::until_interrupted;
use super::{DONE, FAILED, Form, WRONG, complain, say};
use crate::clock::SystemClock;
use crate::config::{parse_time, printable};
use crate::reprocess::find;
use crate::reprocess::selection::{KeyFilter, Selection};
use crate::reprocess::session::{self, Mode, Plan};
use crate::reprocess::summary::Summary;
use clap::Args;
use std::path::PathBuf;

/// Behind the help of `reprocess`.
pub(super) const HELP: &str = "Examples:
  millrace reprocess host.yaml --pipeline enrich --dry-run
  millrace reprocess host.yaml --pipeline enrich --error-type not_found --since 2026-01-01T00:00:00Z
  millrace reprocess host.yaml --pipeline enrich --key '{\"wiki_id\":\"enwiki\",\"page_id\":7}' --json

The pipeline needs `reprocess: { topic: NAME }` in its configuration. Events are written to that
topic, and the pipeline reads it beside its inputs, now or whenever it runs. There each event has
the coordinates, timestamp, key and headers that it had, so that its outputs have the `meta.id`
that they would have had the first time.

What it promises:
- Nothing is lost: error events stay in their topic. What one run does not select, another can.
- Nothing is given back twice: what was given back is looked up in the reprocess topic, and it is
  written in transactions. Interrupt a run (Ctrl-C, a crash, an outage), begin another: it goes on.
- One run at a time: a run that begins takes over, and one that is under way for the same pipeline
  ends with 1.
- An error event is given back a second time only when the reprocess topic no longer has the first
  time: its retention is shorter than that of the error topic, or another topic was configured.
- An event that fails again has a new error event, and comes back up to --attempts times in all.
- The pipeline runs what is given back as it runs everything: at least once, with equal ids.
- Events of one key are given back in the order in which their error events are read, which is
  that of their failures where the error topic has one partition. Newer events of the key do not
  wait for them.

Exit codes: 0 done, 1 failed or interrupted, 2 wrong usage or configuration.";

/// The arguments of `reprocess`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The YAML file that describes the host.
    file: PathBuf,
    /// The pipeline whose events failed.
    #[arg(long, value_name = "NAME")]
    pipeline: String,
    /// Only error events from this time on, like 2026-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<i64>,
    /// Only error events before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<i64>,
    /// Only error events with this `error_type`; may be given several times.
    #[arg(long = "error-type", value_name = "WORD")]
    error_types: Vec<String>,
    /// Only events of this stream (`errored_stream_name`); may be given several times.
    #[arg(long = "stream", value_name = "STREAM")]
    streams: Vec<String>,
    /// Only events with this key, as text or as equal JSON; may be given several times.
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// How often an event may be given back in all.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    attempts: u32,
    /// Show what would be given back, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it, and returns the exit code.
pub(super) fn run(arguments: Arguments) -> u8 {
    let form = if arguments.json { Form::Json } else { Form::Text };
    let (pipeline, reprocess) = match find(&arguments.file, &arguments.pipeline) {
        Ok(found) => found,
        Err(error) => return complain(&error.to_string(), WRONG),
    };
    let plan = Plan {
        pipeline,
        reprocess,
        selection: Selection {
            since_ms: arguments.since,
            until_ms: arguments.until,
            error_types: arguments.error_types,
            streams: arguments.streams,
            keys: arguments.keys.iter().map(|key| KeyFilter::new(key)).collect(),
        },
        attempts_max: arguments.attempts,
        mode: if arguments.dry_run { Mode::DryRun } else { Mode::GiveBack },
    };
    let mode = plan.mode;
    match until_interrupted(move |stop| session::run(&plan, &SystemClock, stop)) {
        Ok((summary, ran)) => end(&summary, mode, ran, form),
        Err(error) => complain(&printable(&format!("{error:#}")), FAILED),
    }
}

fn end(summary: &Summary, mode: Mode, ran: anyhow::Result<()>, form: Form) -> u8 {
    let error = ran.err().map(|error| printable(&format!("{error:#}")));
    let code = if error.is_none() && !summary.interrupted { DONE } else { FAILED };
    match form {
        Form::Json => say(&format!("{:#}\n", summary.json(mode, error.as_deref())), code),
        Form::Text => {
            let said = say(&summary.text(mode), code);
            error.map_or(said, |error| complain(&error, FAILED))
        }
    }
}
