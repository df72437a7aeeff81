//! The checks. They see what the broker decides and what the group takes, at the moment at which that happens, and compare it
//! with what the input says must come of it.

use crate::broker::Decided;
use crate::fact::{Fact, Notes};
use crate::history::History;
use crate::input::{Event, Id, Input, Kind, Output, Part};
use crate::network::{GroupCommit, Message};
use crate::plan::{Mode, Plan};
use millrace_flow::progress::Progress;
use millrace_flow::progress_record::ProgressRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What progress takes beside its set at most: `1.`, 20 characters of offset, 20 of serial, a dot after each.
const FRAME_CHARS_MAX: usize = 44;

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// Every output at most once, among what is committed.
    Double,
    /// Outputs of a key in the order of their events.
    Order,
    /// An output is made of its own event's answers.
    Content,
    /// Nothing is committed by an owner whose place was taken.
    Fence,
    /// Progress has a rising serial and never forgets.
    Forward,
    /// Progress counts nothing as settled whose result is not there.
    Seen,
    /// The progress text and the bytes in flight stay within their budgets.
    Budget,
    /// Once nothing goes wrong any more, everything settles.
    Live,
    /// At-least-once: what was committed is not written again.
    Repeat,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Double => "no double",
            Self::Order => "order per key",
            Self::Content => "own answers",
            Self::Fence => "fence",
            Self::Forward => "progress goes forward",
            Self::Seen => "settled is visible",
            Self::Budget => "budgets",
            Self::Live => "liveness",
            Self::Repeat => "no repeat of what was committed",
        })
    }
}

/// A check that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub check: Check,
    /// Where, in words.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Oracle {
    /// Everything that is committed, or will be whatever happens.
    seen: BTreeSet<(Kind, Id)>,
    /// The last progress of each partition: of the topic in exactly-once, of the group in at-least-once.
    progress: BTreeMap<Part, Progress>,
    /// The newest session that has read the progress of a partition.
    readers: BTreeMap<Part, u64>,
    /// At-least-once: what was really settled when it was committed, and that at the moment an owner took over.
    committed: BTreeMap<Part, BTreeSet<i64>>,
    taken_over: BTreeMap<u64, BTreeSet<i64>>,
    /// The first check that failed.
    pub(crate) violation: Option<Violation>,
}

/// Whether progress counts an offset as settled.
fn settles(progress: &Progress, offset: i64) -> bool {
    offset < progress.prefix || progress.settled.contains(offset)
}

fn is_expected(input: &Input, output: &Output) -> bool {
    let Id { partition, offset, .. } = output.id;
    input.event(partition, offset).is_some_and(|event| event.expected().contains(&(output.kind, output.id)))
}

impl Oracle {
    pub(crate) fn fail(&mut self, check: Check, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { check, what: what() });
        }
    }

    /// What is there from before.
    pub(crate) fn begin_with(&mut self, input: &Input, partition: Part, history: &History) {
        self.seen.extend(history.outputs.iter().map(|output| (output.kind, output.id)));
        history.committed.iter().for_each(|record| self.moved(input, partition, record));
    }

    /// A session of a partition has read its progress; none: one that was not initialised yet, so the next one.
    pub(crate) fn read_by(&mut self, partition: Part, session: u64) {
        let newest = self.readers.entry(partition).or_default();
        *newest = session.max(*newest);
    }

    /// A transaction was decided to be committed.
    pub(crate) fn decided(&mut self, input: &Input, decided: &Decided) {
        let Decided { partition, session, messages } = decided;
        if self.readers.get(partition).is_some_and(|newest| session < newest) {
            self.fail(Check::Fence, || format!("partition {partition}: an owner committed whose place was taken"));
        }
        for message in messages {
            if let Message::Output(output) = message {
                self.has_own_content(input, output);
                if !is_expected(input, output) {
                    self.fail(Check::Content, || format!("{message} must not come of its event"));
                }
                if !self.seen.insert((output.kind, output.id)) {
                    self.fail(Check::Double, || format!("{message} is committed a second time"));
                }
            }
        }
        for message in messages {
            if let Message::Progress(partition, record) = message {
                self.moved(input, *partition, record);
            }
        }
    }

    /// At-least-once: an output was appended.
    pub(crate) fn appended(&mut self, input: &Input, owner: u64, output: &Output, notes: &mut Notes) {
        self.has_own_content(input, output);
        let Id { partition, offset, .. } = output.id;
        if self.taken_over.get(&owner).is_some_and(|settled| settled.contains(&offset)) {
            self.fail(Check::Repeat, || format!("{partition}/{offset} was committed and is written again"));
        }
        if !self.seen.insert((output.kind, output.id)) {
            notes.count(Fact::Double);
        }
    }

    /// At-least-once: the group took a commit.
    pub(crate) fn committed(&mut self, input: &Input, partition: Part, commit: &GroupCommit) {
        self.moved(input, partition, &commit.record);
        self.committed.entry(partition).or_default().extend(&commit.truth);
    }

    /// At-least-once: an owner begins where the group's committed progress ends.
    pub(crate) fn took_over(&mut self, partition: Part, owner: u64) {
        let settled = self.committed.get(&partition).cloned().unwrap_or_default();
        self.taken_over.insert(owner, settled);
    }

    /// The serial of a partition's progress.
    pub(crate) fn progress_of(&self, partition: Part) -> Option<u64> {
        self.progress.get(&partition).map(|progress| progress.serial)
    }

    /// The text of a progress that is about to be written. The set may take what the longest frame around it leaves, so that
    /// the text fits whatever offset and serial it names.
    pub(crate) fn fits(&mut self, record: &ProgressRecord, plan: &Plan) {
        let set = record.text.rsplit('.').next().map_or(0, str::len);
        let most = plan.budget_chars_max().saturating_sub(FRAME_CHARS_MAX);
        if set > most || record.text.len() > plan.budget_chars_max() {
            self.fail(Check::Budget, || format!("the set takes {set} characters, {most} are left for it"));
        }
    }

    fn has_own_content(&mut self, input: &Input, output: &Output) {
        let Id { partition, offset, .. } = output.id;
        let own = input.event(partition, offset).map(Event::content);
        if own != Some(output.content) {
            self.fail(Check::Content, || {
                format!("an output of {partition}/{offset} is made of another event's answers")
            });
        }
    }

    fn moved(&mut self, input: &Input, partition: Part, record: &ProgressRecord) {
        let progress = match record.progress() {
            Ok(progress) => progress,
            Err(error) => return self.fail(Check::Forward, || format!("partition {partition}: {error}")),
        };
        let before = self.progress.remove(&partition).unwrap_or_default();
        // The first record may repeat where everything begins; after that, each write has a serial of its own.
        if progress.serial < before.serial || (progress.serial == before.serial && progress != before) {
            let (serial, was) = (progress.serial, before.serial);
            self.fail(Check::Forward, || format!("partition {partition}: serial {serial} follows {was}"));
        }
        for event in input.from(partition, 0) {
            let offset = event.offset;
            let (is, was) = (settles(&progress, offset), settles(&before, offset));
            if was && !is {
                self.fail(Check::Forward, || format!("{partition}/{offset} was settled and is open again"));
            }
            if is && !was && !self.is_seen(event) {
                self.fail(Check::Seen, || {
                    format!("{partition}/{offset} counts as settled and its result is not there")
                });
            }
        }
        self.progress.insert(partition, progress);
    }

    fn is_seen(&self, event: &Event) -> bool {
        event.expected().iter().all(|expected| self.seen.contains(expected))
    }

    /// The events of which nothing tells yet that they are settled.
    pub(crate) fn open<'a>(&'a self, input: &'a Input) -> impl Iterator<Item = &'a Event> {
        input
            .events()
            .filter(|event| self.progress.get(&event.partition).is_none_or(|progress| !settles(progress, event.offset)))
    }

    /// What a reader sees in the end, log by log: in order, and in exactly-once each output once.
    pub(crate) fn at_end<'a>(&mut self, input: &Input, logs: impl Iterator<Item = Vec<&'a Message>>, mode: Mode) {
        let mut all = BTreeSet::new();
        for log in logs {
            let mut last: BTreeMap<(Part, u8), (i64, usize)> = BTreeMap::new();
            for message in log {
                let Message::Output(output) = message else { continue };
                // At-least-once: what was written of an event before its topic refused more, and an error event took its place.
                if !is_expected(input, output) {
                    continue;
                }
                if !all.insert((output.kind, output.id)) {
                    if mode == Mode::ExactlyOnce {
                        self.fail(Check::Double, || format!("{message} is there twice"));
                    }
                    continue;
                }
                let place = (output.id.offset, output.id.index);
                let before = last.insert((output.id.partition, output.key), place);
                if before.is_some_and(|before| before > place) {
                    self.fail(Check::Order, || format!("{message} comes after a later one of its key"));
                }
            }
        }
        for event in input.events() {
            if event.expected().iter().any(|expected| !all.contains(expected)) {
                self.fail(Check::Seen, || format!("{}/{} has no result", event.partition, event.offset));
            }
        }
    }
}
