//! `millrace consume`: shows the events of a stream, from Kafka, from EventStreams or from files.

mod arguments;
mod filter;
mod jq;
mod printer;
mod reader;
mod resolve;
mod source;
mod validator;

pub use arguments::{ConsumeArguments, EXAMPLES};

use crate::clock::SystemClock;
use crate::config::printable;
use filter::{Filter, Verdict};
use jq::Jq;
use millrace_flow::clock::Clock as _;
use millrace_platform::{DecodeLimits, Document};
use printer::{Style, write_json, write_text};
use reader::Reader;
use source::{Found, Source, Step};
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Write as _};
use validator::Validator;

/// The most messages about single events; the rest is only counted, so that a broken stream does not bury everything.
const COMPLAINTS_MAX: u64 = 1_000;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Well.
    Done,
    /// Something failed, or was invalid.
    Failed,
    /// What was asked for makes no sense.
    Wrong,
}

/// What is wanted of the events.
struct Wanted {
    filter: Filter,
    jq: Option<Jq>,
    /// After so many events it is enough.
    limit: u64,
    /// Whether it goes on with what is written from now on.
    follow: bool,
    output: Output,
    style: Style,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// As JSON.
    Json,
    /// Texts without quotes, anything else as JSON.
    Text,
}

/// What became of the events that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    read: u64,
    shown: u64,
    canaries: u64,
    others: u64,
    tombstones: u64,
    /// No JSON, invalid, or nothing that the expression could work on.
    wrong: u64,
}

/// Shows events until there are no more, or enough, or nobody reads them.
pub fn run(arguments: &ConsumeArguments) -> Ended {
    let now_ms = i64::try_from(SystemClock.now_ms()).unwrap_or(i64::MAX);
    let wanted = match arguments.wanted(now_ms, io::stdout().is_terminal()) {
        Ok(wanted) => wanted,
        Err(problem) => {
            tell(&problem);
            return Ended::Wrong;
        }
    };
    match consume(arguments, &wanted) {
        Ok(tally) => {
            if io::stderr().is_terminal() {
                tell(&tally.to_string());
            }
            if tally.wrong > 0 { Ended::Failed } else { Ended::Done }
        }
        // Whoever read has enough.
        Err(error) if is_broken_pipe(&error) => Ended::Done,
        Err(error) => {
            tell(&format!("{error:#}"));
            Ended::Failed
        }
    }
}

fn consume(arguments: &ConsumeArguments, wanted: &Wanted) -> anyhow::Result<Tally> {
    let resolved = resolve::resolve(arguments)?;
    resolved.notices.iter().for_each(|notice| tell(notice));
    let validator = arguments.validate.then(|| Validator::new(resolved.schemas, resolved.settings)).transpose()?;
    let mut source = Source::open(resolved.place, wanted)?;
    let reader = Reader::of_stdout()?;
    let mut viewer = Viewer {
        wanted,
        validator,
        of_stream: arguments.stream.as_deref().filter(|_| !arguments.file.is_empty()),
        out: BufWriter::new(io::stdout()),
        tally: Tally::default(),
    };
    while viewer.tally.shown < wanted.limit {
        match source.next()? {
            Step::Event(found) => {
                let at_ms = viewer.look(found)?;
                if source.is_past(at_ms) {
                    break;
                }
                if matches!(source, Source::Sse(_)) {
                    viewer.out.flush()?;
                }
            }
            Step::Nothing => {
                viewer.out.flush()?;
                if reader.is_gone() {
                    return Err(io::Error::from(ErrorKind::BrokenPipe).into());
                }
            }
            Step::Notice(text) => tell(&text),
            Step::End => break,
        }
    }
    viewer.out.flush()?;
    Ok(viewer.tally)
}

/// Looks at one event after the other and shows those that are wanted.
struct Viewer<'a> {
    wanted: &'a Wanted,
    validator: Option<Validator>,
    /// The stream that is wanted, where the source may have others too.
    of_stream: Option<&'a str>,
    out: BufWriter<io::Stdout>,
    tally: Tally,
}

impl Viewer<'_> {
    /// Looks at an event and returns its time.
    ///
    /// # Errors
    /// The output cannot be written.
    fn look(&mut self, found: Found) -> io::Result<Option<i64>> {
        self.tally.read += 1;
        let Found { text: Some(text), at_ms, place } = found else {
            self.tally.tombstones += 1;
            return Ok(found.at_ms);
        };
        let limits = DecodeLimits { bytes_max: text.len(), ..DecodeLimits::default() };
        let event = match Document::parse(text.clone(), &limits) {
            Ok(event) => event,
            Err(error) => {
                self.complain(&place, &error.to_string());
                return Ok(at_ms);
            }
        };
        let at_ms = at_ms.or_else(|| event.facts().born_ms);
        match self.wanted.filter.judge(&event, at_ms) {
            Verdict::Canary => self.tally.canaries += 1,
            Verdict::Other => self.tally.others += 1,
            Verdict::Show if !self.is_of_stream(&event) => self.tally.others += 1,
            Verdict::Show => {
                if let Some(Err(problem)) = self.validator.as_ref().map(|validator| validator.judge(&event)) {
                    self.complain(&place, &problem);
                } else {
                    self.show(&text, &place)?;
                }
            }
        }
        Ok(at_ms)
    }

    fn is_of_stream(&self, event: &Document) -> bool {
        let Some(wanted) = self.of_stream else { return true };
        let stream = event.root().get("meta").and_then(|meta| meta.get("stream")).and_then(|stream| stream.as_str());
        stream.is_some_and(|stream| wanted.split(',').any(|wanted| wanted == stream))
    }

    /// Writes an event, or what the expression makes of it. One of which it makes nothing is not shown.
    fn show(&mut self, text: &[u8], place: &str) -> io::Result<()> {
        let Some(jq) = &self.wanted.jq else {
            self.tally.shown += 1;
            return self.write(text);
        };
        let mut results = Vec::new();
        let ran = jq.run(text, &mut results);
        results.iter().try_for_each(|result| self.write(result))?;
        if let Err(problem) = ran {
            self.complain(place, &format!("--jq: {problem}"));
        } else if results.is_empty() {
            self.tally.others += 1;
        } else {
            self.tally.shown += 1;
        }
        Ok(())
    }

    fn write(&mut self, json: &[u8]) -> io::Result<()> {
        match self.wanted.output {
            Output::Json => write_json(&mut self.out, json, self.wanted.style),
            Output::Text => write_text(&mut self.out, json, self.wanted.style),
        }
    }

    fn complain(&mut self, place: &str, problem: &str) {
        self.tally.wrong += 1;
        if self.tally.wrong <= COMPLAINTS_MAX {
            tell(&format!("{place}: {problem}"));
        } else if self.tally.wrong == COMPLAINTS_MAX + 1 {
            tell("more of this is counted and not told");
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} events shown", self.shown, self.read)?;
        let parts = [
            (self.others, "other than asked for"),
            (self.canaries, "canaries"),
            (self.tombstones, "without value"),
            (self.wrong, "invalid"),
        ];
        parts.iter().filter(|(count, _)| *count > 0).try_for_each(|(count, what)| write!(f, ", {count} {what}"))
    }
}

/// Tells a person. There is nobody left to tell when even that fails.
fn tell(text: &str) {
    drop(writeln!(io::stderr().lock(), "{}", printable(text)));
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
