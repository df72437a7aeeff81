//! `millrace audit` on the command line: its arguments, its help, and how it ends. What it does is in `audit.rs`.

use super::until_interrupted::until_interrupted;
use super::{DONE, FAILED, Form, WRONG, complain, say};
use crate::audit::judge::{Repeats, Silence};
use crate::audit::session::{self, Plan};
use crate::audit::window::{Point, Window, parse_point};
use crate::config::{HostConfig, parse_time, printable};
use crate::pipelines::find_pipeline;
use crate::standing::truth;
use clap::Args;
use std::path::PathBuf;

/// Behind the help of `audit`.
pub(super) const HELP: &str = "Examples:
  millrace audit host.yaml --pipeline enrich
  millrace audit host.yaml --pipeline enrich --since 2026-01-01T00:00:00Z --every-event
  millrace audit host.yaml --pipeline enrich --from eqiad.pages:0:12000 --json | jq .counts

It reads the pipeline's inputs and everything that the pipeline wrote, with `read_committed`, and
changes nothing. The pipeline may run meanwhile. What it finds:
- missing: a settled event lacks an output, because one with a later index is there. A skipped event
  leaves no trace, so events without any result are only counted, but for --every-event.
- doubled: an event has the same result twice, or outputs and an error event.
- out of order: a result lies behind one of a later event with the same key, in its partition.
  What came back through `millrace reprocess` waits for nobody, and is not judged by its place.
- invalid: a result is not valid against its schema, or its `meta.id` is not what its source gives.
- not in progress: in exactly-once, a result is there whose event progress does not contain.
Canary events and tombstones need no result, and are counted apart.

Topics that are written are read from their beginning: an output's timestamp is that of its event,
which may be old. Where it cannot be, --outputs-since saves the time.
It takes about 100 MB of memory for a million events with one result each.

Exit codes: 0 clean, 1 something was found, or the audit could not be finished (standard error says
why), 2 wrong usage or configuration.";

/// The arguments of `audit`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The YAML file that describes the host.
    file: PathBuf,
    /// The pipeline.
    #[arg(long, value_name = "NAME")]
    pipeline: String,
    /// Only events from this time on, like 2026-01-01T00:00:00Z, by their records' timestamps.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<i64>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<i64>,
    /// Only events from this offset on, as TOPIC:PARTITION:OFFSET; for several partitions several times.
    #[arg(long, value_name = "POINT", value_parser = parse_point)]
    from: Vec<Point>,
    /// Only events below this offset.
    #[arg(long, value_name = "POINT", value_parser = parse_point)]
    to: Vec<Point>,
    /// Read the topics that are written from their records of this time on.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    outputs_since: Option<i64>,
    /// The plugin skips nothing: each settled event without a result is missing.
    #[arg(long)]
    every_event: bool,
    /// Only count results that are there again, as a crash leaves them in at-least-once.
    #[arg(long)]
    allow_repeats: bool,
    /// How many findings of each kind are shown.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=1000))]
    findings: u16,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it, and returns the exit code.
pub(super) fn run(arguments: Arguments) -> u8 {
    let form = if arguments.json { Form::Json } else { Form::Text };
    let found = HostConfig::load(&arguments.file).map_err(anyhow::Error::from).and_then(|config| {
        let schemas = config.schemas.clone();
        Ok((find_pipeline(config, &arguments.file, &arguments.pipeline)?, schemas))
    });
    let (pipeline, schemas) = match found {
        Ok(found) => found,
        Err(error) => return complain(&error.to_string(), WRONG),
    };
    let plan = Plan {
        truth: truth(&pipeline),
        pipeline,
        schemas,
        window: Window { since_ms: arguments.since, until_ms: arguments.until, from: arguments.from, to: arguments.to },
        outputs_since_ms: arguments.outputs_since,
        silence: if arguments.every_event { Silence::Found } else { Silence::Counted },
        repeats: if arguments.allow_repeats { Repeats::Counted } else { Repeats::Found },
        findings_max: usize::from(arguments.findings),
    };
    match until_interrupted(move |stop| session::run(&plan, stop)).and_then(|audited| audited) {
        Ok(report) => {
            let code = if report.is_clean() { DONE } else { FAILED };
            match form {
                Form::Json => say(&format!("{:#}\n", report.json()), code),
                Form::Text => say(&report.text(), code),
            }
        }
        Err(error) => complain(&printable(&format!("{error:#}")), FAILED),
    }
}
