//! `millrace offsets` on the command line: its arguments, its help, and how it ends. What it does is in `offsets.rs`.

use super::{DONE, FAILED, Form, WRONG, complain, say};
use crate::audit::window::{Point, parse_partition, parse_point};
use crate::clock::SystemClock;
use crate::config::{HostConfig, LogConfig, PipelineConfig, parse_time, printable};
use crate::offsets::change::Change;
use crate::offsets::report;
use crate::offsets::session::{self, Target, Wish};
use crate::operator::operator;
use crate::pipelines::find_pipeline;
use crate::standing::{Place, truth};
use crate::telemetry;
use clap::{Args, Subcommand};
use millrace_flow::clock::Clock as _;
use millrace_flow::record::TopicPartition;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Behind the help of `offsets`.
pub(super) const HELP: &str = "Examples:
  millrace offsets show host.yaml --pipeline enrich
  millrace offsets set host.yaml --pipeline enrich --to-time 2026-01-01T00:00:00Z
  millrace offsets set host.yaml --pipeline enrich --to-offset 9 --partition eqiad.pages:0 --apply
  millrace offsets skip host.yaml --pipeline enrich --skip eqiad.pages:0:1234 --apply

Use it in place of `kafka-consumer-groups --reset-offsets`: what a pipeline keeps is more than an
offset, and in exactly-once the group's offsets are a copy of what counts.

`set` and `skip` show what they would do, and do it with --apply only. They are refused while the
pipeline runs: stop it on every host of its group first (a drained one still runs). Events that
run again have the `meta.id` that they had. Each change is told in one line on standard output,
and in the log with the target `audit`: who, when, what, before, after.

Exit codes: 0 done, 1 failed or refused, 2 wrong usage or configuration.";

/// The arguments of `offsets`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Show how far a pipeline is in each partition.
    #[command(after_help = "Examples:\n  millrace offsets show host.yaml --pipeline enrich\n  \
                            millrace offsets show host.yaml --pipeline enrich --json | jq '.partitions[].lag'")]
    Show(Named),
    /// Let a pipeline go on elsewhere: run events again, or pass over what it has not read.
    #[command(after_help = "Examples:\n  millrace offsets set host.yaml --pipeline enrich --to-earliest\n  \
                            millrace offsets set host.yaml --pipeline enrich --to-offset 1200 --partition eqiad.pages:0 --apply")]
    Set {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        target: ToWhere,
        /// Only this partition, as TOPIC:PARTITION; may be given several times. Without it, all of the pipeline's inputs;
        /// those of its reprocess topic only where they are named.
        #[arg(long = "partition", value_name = "PARTITION", value_parser = parse_partition)]
        partitions: Vec<TopicPartition>,
        /// Do it; without this it is only shown.
        #[arg(long)]
        apply: bool,
    },
    /// Count single offsets as settled, so that their events never run.
    #[command(
        after_help = "Example:\n  millrace offsets skip host.yaml --pipeline enrich --skip eqiad.pages:0:1234 --apply"
    )]
    Skip {
        #[command(flatten)]
        named: Named,
        /// The offset, as TOPIC:PARTITION:OFFSET; may be given several times.
        #[arg(long = "skip", value_name = "POINT", value_parser = parse_point, required = true)]
        points: Vec<Point>,
        /// Do it; without this it is only shown.
        #[arg(long)]
        apply: bool,
    },
}

#[derive(Debug, Args)]
struct Named {
    /// The YAML file that describes the host.
    file: PathBuf,
    /// The pipeline.
    #[arg(long, value_name = "NAME")]
    pipeline: String,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
struct ToWhere {
    /// To the first record of this time or later, like 2026-01-01T00:00:00Z; where there is none, to the end.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to_time: Option<i64>,
    /// To this offset.
    #[arg(long, value_name = "OFFSET")]
    to_offset: Option<i64>,
    /// To the oldest record.
    #[arg(long)]
    to_earliest: bool,
    /// Behind the newest record.
    #[arg(long)]
    to_latest: bool,
}

impl ToWhere {
    fn target(self) -> Target {
        match (self.to_time, self.to_offset) {
            (Some(time_ms), _) => Target::Time(time_ms),
            (None, Some(offset)) => Target::Offset(offset),
            (None, None) if self.to_earliest => Target::Earliest,
            (None, None) => Target::Latest,
        }
    }
}

/// What becomes of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Show,
    Apply,
}

/// Runs it, and returns the exit code.
pub(super) fn run(arguments: Arguments) -> u8 {
    let (named, what, wish, apply) = match arguments.command {
        Order::Show(named) => (named, "show", None, false),
        Order::Set { named, target, partitions, apply } => {
            (named, "set", Some(Wish::Set { target: target.target(), partitions }), apply)
        }
        Order::Skip { named, points, apply } => (named, "skip", Some(Wish::Skip(points)), apply),
    };
    let form = if named.json { Form::Json } else { Form::Text };
    let mode = if apply { Mode::Apply } else { Mode::Show };
    let (pipeline, log) = match find(&named) {
        Ok(found) => found,
        Err(error) => return complain(&error.to_string(), WRONG),
    };
    let ended = match wish {
        None => show(&pipeline, form),
        Some(wish) => change(&pipeline, log, (what, &wish), mode, form),
    };
    ended.unwrap_or_else(|error| complain(&printable(&format!("{error:#}")), FAILED))
}

fn find(named: &Named) -> anyhow::Result<(PipelineConfig, LogConfig)> {
    let config = HostConfig::load(&named.file)?;
    let log = config.log;
    Ok((find_pipeline(config, &named.file, &named.pipeline)?, log))
}

fn show(pipeline: &PipelineConfig, form: Form) -> anyhow::Result<u8> {
    let place = Place::find(pipeline, truth(pipeline))?;
    let found = session::look(&place)?;
    Ok(match form {
        Form::Text => say(&report::table(&place, &found), DONE),
        Form::Json => say(&format!("{:#}\n", report::table_json(&place, &found)), DONE),
    })
}

fn change(
    pipeline: &PipelineConfig,
    log: LogConfig,
    (what, wish): (&str, &Wish),
    mode: Mode,
    form: Form,
) -> anyhow::Result<u8> {
    let place = Place::find(pipeline, truth(pipeline))?;
    let changes = session::plan(&place, &session::look(&place)?, wish)?;
    if mode == Mode::Show || changes.is_empty() {
        return Ok(match form {
            Form::Text => say(&plan_text(&changes), DONE),
            Form::Json => say(&format!("{:#}\n", as_json(what, mode, &changes, &[], None)), DONE),
        });
    }
    telemetry::begin(log)?;
    let who = operator();
    let mut lines = Vec::new();
    let note = |change: &Change| {
        let line = report::audit_line(&pipeline.name, what, change, &who, SystemClock.now_ms());
        tracing::info!(target: "audit", operator = who, pipeline = pipeline.name, what, change = report::line(change),
            "Offsets were changed by hand.");
        if form == Form::Text {
            say(&format!("{line}\n"), DONE);
        }
        lines.push(line);
    };
    let applied = session::apply(&place, &changes, &SystemClock, note);
    let error = applied.err().map(|error| printable(&format!("{error:#}")));
    let code = if error.is_none() { DONE } else { FAILED };
    if form == Form::Json {
        say(&format!("{:#}\n", as_json(what, mode, &changes, &lines, error.as_deref())), code);
    }
    Ok(error.map_or(code, |error| complain(&error, FAILED)))
}

fn plan_text(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "Nothing would change.\n".to_owned();
    }
    let mut text = String::from("This would be changed:\n");
    for change in changes {
        text.push_str(&format!("  {}\n", report::line(change)));
    }
    text + "Nothing was changed; do it with --apply, while the pipeline does not run.\n"
}

fn as_json(what: &str, mode: Mode, changes: &[Change], lines: &[String], error: Option<&str>) -> Value {
    json!({ "what": what, "dry_run": mode == Mode::Show, "error": error, "applied": lines.len(), "audit": lines,
            "changes": changes.iter().map(report::change_json).collect::<Vec<_>>() })
}
