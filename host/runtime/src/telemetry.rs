//! Logging: text where a person looks at a terminal, one JSON object per line otherwise. Messages are sentences of ours;
//! whatever a plugin, a file or another machine said stands in fields only, with its control characters escaped, so that
//! it can neither forge a line nor drive the terminal.

use crate::config::{LogConfig, LogFormat, printable};
use millrace_plugin::{LogLevel, LogLine};
use std::fmt;
use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Log lines of one pipeline's plugin that are written within [`PLUGIN_WINDOW`]; the others are counted only.
const PLUGIN_LINES_MAX: u32 = 1_000;

/// Bytes of these lines: 1,000 ordinary lines fit, and 100 stack traces. A disk for logs takes as much from fifty pipelines.
const PLUGIN_BYTES_MAX: usize = 1 << 20;

/// See [`PLUGIN_LINES_MAX`].
const PLUGIN_WINDOW: Duration = Duration::from_secs(1);

/// Begins to log to standard error, as the configuration says. The libraries below tell what they warn of, and what a person
/// changes is always told (target `audit`).
///
/// # Errors
/// Logging has begun already.
pub fn begin(config: LogConfig) -> anyhow::Result<()> {
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let level = config.level.as_str().to_lowercase();
    let filter = tracing_subscriber::EnvFilter::try_new(format!("warn,millrace={level},plugin={level},audit=info"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = if json {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        builder.fmt_fields(Escaped).with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    begun.map_err(|error| anyhow::anyhow!("logging cannot begin: {error}"))
}

/// Writes fields as `name=value`, values with their control characters escaped. The JSON form escapes by itself.
#[derive(Clone, Copy, Debug)]
struct Escaped;

impl<'writer> FormatFields<'writer> for Escaped {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = FieldWriter { writer, written: 0, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct FieldWriter<'writer> {
    writer: Writer<'writer>,
    written: usize,
    result: fmt::Result,
}

impl FieldWriter<'_> {
    fn write(&mut self, field: &Field, text: &str) {
        if self.result.is_err() {
            return;
        }
        let space = if self.written == 0 { "" } else { " " };
        self.written += 1;
        self.result = if field.name() == "message" {
            write!(self.writer, "{space}{}", printable(text))
        } else {
            write!(self.writer, "{space}{}={}", field.name(), printable(text))
        };
    }
}

impl Visit for FieldWriter<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, &if field.name() == "message" { value.to_owned() } else { format!("{value:?}") });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, &format!("{value:?}"));
    }
}

/// How fast one pipeline's plugin logs: what it writes too much is not written, and takes nothing from the others.
#[derive(Debug, Default)]
pub struct PluginLogRate(Mutex<Rate>);

/// Writes what a plugin logged, as far as its rate allows, and returns how many lines were not written.
pub fn plugin_lines(pipeline: &str, lines: &[LogLine], rate: &PluginLogRate) -> u64 {
    let mut dropped = 0;
    for line in lines {
        // A panic while counting cannot leave the rate half-changed.
        let allowed =
            rate.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).allow(line.message.len(), Instant::now());
        if allowed == Allowed::Yes {
            write_plugin_line(pipeline, line);
        } else {
            dropped += 1;
        }
    }
    dropped
}

fn write_plugin_line(pipeline: &str, line: &LogLine) {
    const SAYS: &str = "The plugin says something.";
    let said = line.message.as_str();
    match line.level {
        LogLevel::Debug => tracing::debug!(target: "plugin", pipeline, said, "{SAYS}"),
        LogLevel::Info => tracing::info!(target: "plugin", pipeline, said, "{SAYS}"),
        LogLevel::Warn => tracing::warn!(target: "plugin", pipeline, said, "{SAYS}"),
        LogLevel::Error => tracing::error!(target: "plugin", pipeline, said, "{SAYS}"),
    }
}

/// Whether a line may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Allowed {
    Yes,
    No,
}

/// How many lines were written in the present window.
#[derive(Debug, Default)]
struct Rate {
    since: Option<Instant>,
    written: u32,
    bytes: usize,
}

impl Rate {
    fn allow(&mut self, bytes: usize, now: Instant) -> Allowed {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= PLUGIN_WINDOW) {
            *self = Self { since: Some(now), written: 0, bytes: 0 };
        }
        if self.written >= PLUGIN_LINES_MAX || self.bytes.saturating_add(bytes) > PLUGIN_BYTES_MAX {
            return Allowed::No;
        }
        self.written += 1;
        self.bytes += bytes;
        Allowed::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_plugin_says_cannot_forge_a_line() {
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .fmt_fields(Escaped)
            .with_writer(move || writer.clone())
            .finish();
        let line = LogLine { level: LogLevel::Warn, message: "a\n\u{1b}[31mred\u{202e}".to_owned() };
        tracing::subscriber::with_default(subscriber, || write_plugin_line("p", &line));
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        insta::assert_snapshot!(text.trim_end(), @r#" WARN plugin: The plugin says something. pipeline="p" said="a\n\u{1b}[31mred\u{202e}""#);
    }

    #[test]
    fn lines_beyond_the_rate_are_dropped_until_the_next_window() {
        for (bytes, expected) in [(100, 1_000), (8 << 10, 128)] {
            let mut rate = Rate::default();
            let now = Instant::now();
            let written = (0..1_005).filter(|_| rate.allow(bytes, now) == Allowed::Yes).count();
            assert_eq!(written, expected);
            assert_eq!(rate.allow(bytes, now + PLUGIN_WINDOW), Allowed::Yes);
        }
    }
}
