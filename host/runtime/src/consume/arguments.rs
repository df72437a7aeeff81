//! The command line of `consume`.

use super::filter::{Canaries, Filter};
use super::jq::Jq;
use super::printer::{Paint, Shape, Style};
use super::{Output, Wanted};
use crate::config::{parse_duration, parse_time};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Where Wikimedia's streams are public.
pub(super) const PUBLIC_STREAMS: &str = "https://stream.wikimedia.org/v2/stream/";

/// What is shown below the options.
pub const EXAMPLES: &str = "Examples:
  millrace consume mediawiki.recentchange --wiki enwiki --limit 10
  millrace consume mediawiki.page_change.v1 --since 2h --kind delete --pretty
  millrace consume mediawiki.page_change.v1 --jq .page.page_title --raw
  millrace consume mediawiki.page_change.v1 --brokers localhost:9092 --since 1d --until 12h
  millrace consume my.stream --config host.yaml --follow --validate
  millrace consume --file events.jsonl.gz --jq 'select(.page.namespace_id == 0)'
  zcat events.gz | millrace consume --file - | wc -l

Without --brokers, --config, --url or --file, events come from Wikimedia's public EventStreams.
Kafka is read without a consumer group: nobody else is affected, and nothing is committed.

A TIME is a date like 2026-01-01T00:00:00Z, or how long ago it was: 90s, 15min, 2h, 3d.
What is compared with it is the time of the Kafka record, elsewhere `meta.dt` or `dt`.

Exit codes: 0 done, 1 failed, or something was invalid, 2 wrong usage.";

/// What `consume` is asked for.
#[derive(Debug, Args)]
pub struct ConsumeArguments {
    /// The name of the stream; several are separated by commas.
    #[arg(required_unless_present = "file")]
    pub(super) stream: Option<String>,

    /// Read from Kafka: where to ask for the brokers, like localhost:9092.
    #[arg(long, value_name = "HOST:PORT,...", conflicts_with_all = ["url", "file"], help_heading = "Source")]
    pub(super) brokers: Option<String>,
    /// Read from a Kafka cluster of a host's YAML file, with its TLS and password, its streams and its schemas.
    #[arg(long, value_name = "FILE", help_heading = "Source")]
    pub(super) config: Option<PathBuf>,
    /// Which cluster of that file, where it has several.
    #[arg(long, value_name = "NAME", requires = "config", conflicts_with_all = ["brokers", "url", "file"], help_heading = "Source")]
    pub(super) cluster: Option<String>,
    /// Read from another EventStreams than Wikimedia's public one: what stands before a stream's name.
    #[arg(long, value_name = "URL", conflicts_with = "file", help_heading = "Source")]
    pub(super) url: Option<String>,
    /// Read from files with one JSON document a line, plain, gzip or Zstandard; `-` is standard input.
    #[arg(long, value_name = "PATH", num_args = 1.., help_heading = "Source")]
    pub(super) file: Vec<PathBuf>,
    /// Where streams are declared: a file in the shape of the streamconfigs API, or the address of that API.
    #[arg(long, value_name = "FILE|URL", help_heading = "Source")]
    pub(super) streams: Option<String>,
    /// Where schemas are, in the order in which they are asked: folders or addresses.
    #[arg(long, value_name = "URI", num_args = 1.., help_heading = "Source")]
    pub(super) schemas: Vec<String>,

    /// Show events from this time on. Without it, Kafka is read from the oldest record, or from now on with --follow.
    #[arg(long, value_name = "TIME", help_heading = "Which events")]
    since: Option<String>,
    /// Show events before this time, and end there.
    #[arg(long, value_name = "TIME", conflicts_with = "follow", help_heading = "Which events")]
    until: Option<String>,
    /// Show events of these wikis: enwiki, or en.wikipedia.org.
    #[arg(long, value_name = "WIKI", value_delimiter = ',', help_heading = "Which events")]
    wiki: Vec<String>,
    /// Show events of these kinds: a page_change_kind (edit, move, ...) or a changelog_kind (insert, update, delete).
    #[arg(long, value_name = "KIND", value_delimiter = ',', help_heading = "Which events")]
    kind: Vec<String>,
    /// Show what this jq expression makes of each event.
    #[arg(long, value_name = "EXPRESSION", help_heading = "Which events")]
    jq: Option<String>,
    /// Show canary events too: they prove that a stream flows, and nothing happened on any wiki.
    #[arg(long, help_heading = "Which events")]
    canary: bool,
    /// End after so many events.
    #[arg(long, short = 'n', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Which events")]
    limit: Option<u64>,
    /// Wait for what is written to Kafka from now on, in place of ending with what is there. EventStreams has no end.
    #[arg(long, short = 'f', conflicts_with = "file", help_heading = "Which events")]
    follow: bool,

    /// Validate each event against its schema: what is invalid is told on standard error, and makes the exit code 1.
    #[arg(long, help_heading = "How")]
    pub(super) validate: bool,
    /// Show each event on many lines.
    #[arg(long, short = 'p', help_heading = "How")]
    pretty: bool,
    /// Show texts without quotes: for `--jq`.
    #[arg(long, short = 'r', help_heading = "How")]
    raw: bool,
    /// Whether to use colours.
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "How")]
    color: Colour,
}

/// When there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ConsumeArguments {
    /// What is wanted, read; `terminal` says whether a person looks at the output.
    ///
    /// # Errors
    /// What is wrong with an argument.
    pub(super) fn wanted(&self, now_ms: i64, terminal: bool) -> Result<Wanted, String> {
        let time = |name: &str, text: &Option<String>| {
            let read = |text: &String| time(text, now_ms).map_err(|problem| format!("--{name} {text}: {problem}"));
            text.as_ref().map(read).transpose()
        };
        let (since_ms, until_ms) = (time("since", &self.since)?, time("until", &self.until)?);
        if let (Some(since), Some(until)) = (since_ms, until_ms)
            && since >= until
        {
            return Err("--since is not before --until: there is nothing in between".to_owned());
        }
        let compile = |text: &String| Jq::compile(text).map_err(|problem| format!("--jq {text}: {problem}"));
        let paint = match (self.color, terminal) {
            (Colour::Always, _) | (Colour::Auto, true) => Paint::Coloured,
            (Colour::Never, true) => Paint::Terminal,
            (Colour::Auto | Colour::Never, false) => Paint::Plain,
        };
        Ok(Wanted {
            filter: Filter {
                wikis: self.wiki.clone(),
                kinds: self.kind.clone(),
                since_ms,
                until_ms,
                canaries: if self.canary { Canaries::Shown } else { Canaries::LeftOut },
            },
            jq: self.jq.as_ref().map(compile).transpose()?,
            limit: self.limit.unwrap_or(u64::MAX),
            follow: self.follow,
            output: if self.raw { Output::Text } else { Output::Json },
            style: Style { shape: if self.pretty { Shape::Indented } else { Shape::Line }, paint },
        })
    }
}

/// Reads a time, or how long ago it was.
fn time(text: &str, now_ms: i64) -> Result<i64, String> {
    // Whoever types a command writes `90m`; a file must say `90 min`, because `m` could be many things.
    let minutes = text.strip_suffix('m').filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    let duration = minutes.map(|number| format!("{number}min"));
    match parse_duration(duration.as_deref().unwrap_or(text)) {
        Ok(ago) => Ok(now_ms.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX))),
        Err(_no_duration) => parse_time(text)
            .map_err(|_no_time| "expected a time like 2026-01-01T00:00:00Z, or how long ago, like 2h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(time(text, 1_000_000_000).ok(), expected, "{text}");
    }

    #[test]
    fn a_time_is_a_date_or_how_long_ago_it_was() {
        check("2h", Some(1_000_000_000 - 7_200_000));
        check("15min", Some(1_000_000_000 - 900_000));
        check("15m", Some(1_000_000_000 - 900_000));
        check("0s", Some(1_000_000_000));
        check("1970-01-01T00:00:10Z", Some(10_000));
        check("1970-01-01T00:00:10+00:00", Some(10_000));
        for wrong in ["", "m", "2", "yesterday", "-2h", "2026-01-01", "2026-01-01T00:00:00"] {
            check(wrong, None);
        }
    }
}
