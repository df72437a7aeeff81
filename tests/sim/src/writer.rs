//! The transactional writer of one owned partition: fence, read progress, then one transaction after the other. It makes one
//! request at a time and says what came of it; what is in a batch, and what happens to its events, is the host's business.

use crate::input::{Output, Part};
use crate::mutant::Mutant;
use crate::network::{Answer, Message, Request, Session, TransactionalId, Verdict};
use millrace_flow::progress_record::ProgressRecord;
use millrace_flow::record::TopicPartition;
use millrace_flow::transactions::{Resolution, ShardProgress, resolve};

/// The results of one transaction, with the progress that counts them.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) jobs: Vec<u64>,
    pub(crate) outputs: Vec<(u64, Output)>,
    pub(crate) record: ProgressRecord,
    /// Whether its results are committed already: only where a mutant writes progress apart.
    outputs_committed: bool,
}

/// How often the end of a transaction is sent again before its outcome counts as unknown.
const REPEATS_MAX: u8 = 2;

/// What the writer does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Fenced: nothing until the partition is taken over anew.
    Rest,
    Fence,
    AskEnd,
    Read(usize),
    /// Nothing to do.
    Idle,
    /// The output of this index comes next.
    Produce(usize),
    ProduceProgress,
    Commit,
    Abort,
}

/// What the fence is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    TakeOver,
    /// To find out what became of the batch.
    Resolve,
    /// Nothing is open, but a late request of the producer before may still be on its way.
    Renew,
    /// A mutant's: to write the batch again without finding out.
    Repeat,
    /// A mutant's: to go on as if the batch were committed.
    Forget,
}

/// What came of an answer, for the host.
#[derive(Clone, Debug)]
pub(crate) enum News {
    Nothing,
    /// The partition is fenced off from others, and this is its progress.
    TakenOver(Option<ProgressRecord>),
    Committed(Batch),
    /// A topic does not take an output of this job.
    Refused(u64),
    /// Another one owns the partition.
    Fenced,
    Resolved(Resolution, Option<Batch>),
}

#[derive(Clone, Debug)]
pub(crate) struct Writer {
    id: TransactionalId,
    mutant: Option<Mutant>,
    chunk: usize,
    stage: Stage,
    purpose: Purpose,
    session: Option<Session>,
    /// The progress that the batch goes on from.
    before: Option<ProgressRecord>,
    pub(crate) batch: Option<Batch>,
    /// How often the request that ends the transaction was sent again.
    pub(crate) repeats: u8,
    /// What a mutant read before its fence.
    read: Option<Option<ProgressRecord>>,
}

impl Writer {
    pub(crate) fn new(partition: Part, host: usize, chunk: usize, mutant: Option<Mutant>) -> Self {
        let host = (mutant == Some(Mutant::DropFence)).then_some(host);
        let stage = if mutant == Some(Mutant::ReadBeforeFence) { Stage::AskEnd } else { Stage::Fence };
        Self {
            id: TransactionalId { partition, host },
            mutant,
            chunk,
            stage,
            purpose: Purpose::TakeOver,
            session: None,
            before: None,
            batch: None,
            repeats: 0,
            read: None,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    pub(crate) fn rests(&self) -> bool {
        self.stage == Stage::Rest
    }

    /// Whether the progress record comes next.
    pub(crate) fn is_at_progress(&self) -> bool {
        self.stage == Stage::ProduceProgress
    }

    /// The progress is known that the first batch goes on from.
    pub(crate) fn resume(&mut self, before: ProgressRecord) {
        self.before = Some(before);
    }

    /// How much there is to learn from what interrupts the writer now.
    pub(crate) fn weight(&self) -> usize {
        match self.stage {
            Stage::Idle | Stage::Rest => 0,
            Stage::Commit | Stage::Abort => 6,
            Stage::Fence if self.purpose == Purpose::Renew => 30,
            _ => 3,
        }
    }

    /// The serial that the batch goes on from.
    pub(crate) fn before(&self) -> Option<u64> {
        Some(self.before.as_ref()?.progress().ok()?.serial)
    }

    /// Begins a transaction.
    pub(crate) fn write(&mut self, jobs: Vec<u64>, outputs: Vec<(u64, Output)>, record: ProgressRecord) {
        self.batch = Some(Batch { jobs, outputs, record, outputs_committed: false });
        self.begin();
    }

    fn begin(&mut self) {
        let apart_and_done = self.batch.as_ref().is_some_and(|batch| batch.outputs_committed);
        let any = self.batch.as_ref().is_some_and(|batch| !batch.outputs.is_empty());
        self.stage = if any && !apart_and_done { Stage::Produce(0) } else { Stage::ProduceProgress };
    }

    /// The request that comes next, if one does.
    pub(crate) fn request(&self) -> Option<Request> {
        let committed_only = self.mutant == Some(Mutant::ReadToStableOffset);
        match self.stage {
            Stage::Rest | Stage::Idle => None,
            Stage::Fence => Some(Request::Init(self.id)),
            Stage::AskEnd => Some(Request::AskEnd { committed_only }),
            Stage::Read(end) => Some(Request::Read { end, session: self.session.map(|session| session.number) }),
            Stage::Produce(from) => {
                let outputs = self.batch.as_ref()?.outputs.iter().skip(from).take(self.chunk);
                let messages = outputs.map(|(_, output)| Message::Output(output.clone())).collect();
                Some(Request::Produce(self.session?, messages))
            }
            Stage::ProduceProgress => {
                let progress = Message::Progress(self.id.partition, self.batch.as_ref()?.record.clone());
                Some(Request::Produce(self.session?, vec![progress]))
            }
            Stage::Commit => Some(Request::End(self.session?, Verdict::Commit)),
            Stage::Abort => Some(Request::End(self.session?, Verdict::Abort)),
        }
    }

    /// Takes the answer to the last request.
    pub(crate) fn answered(&mut self, answer: Answer) -> News {
        match (self.stage, answer) {
            (_, Answer::Fenced) => return self.fenced(),
            (Stage::Fence, Answer::Session(session)) => {
                self.session = Some(session);
                return self.initialised();
            }
            (Stage::AskEnd, Answer::End(end)) => self.stage = Stage::Read(end),
            (Stage::Read(_), Answer::Progress(found)) => return self.found(found),
            // Whoever only asks, asks again.
            (Stage::Fence | Stage::AskEnd | Stage::Read(_), _) => {}
            (Stage::Produce(from), Answer::Done) => self.produced(from + self.chunk),
            (Stage::ProduceProgress, Answer::Done) => self.stage = Stage::Commit,
            (Stage::Commit, Answer::Done) => {
                let news = self.committed();
                if self.repeats > 0 && self.stage == Stage::Idle {
                    self.renew();
                }
                return news;
            }
            (Stage::Abort, Answer::Done)
                if self.repeats > 0 && !matches!(self.mutant, Some(Mutant::KeepProducer | Mutant::KeepAfterAbort)) =>
            {
                self.replace_producer(Stage::Abort);
            }
            (Stage::Abort, Answer::Done) => {
                self.repeats = 0;
                self.begin();
            }
            // librdkafka sends it again by itself, for a time.
            (Stage::Commit | Stage::Abort, Answer::TimedOut) if self.repeats < REPEATS_MAX => self.repeats += 1,
            (Stage::Produce(from), Answer::Refused(index)) => {
                self.stage = Stage::Abort;
                let refused = self.batch.as_ref().and_then(|batch| batch.outputs.get(from + index));
                return refused.map_or(News::Nothing, |(job, _)| News::Refused(*job));
            }
            (Stage::Produce(_) | Stage::ProduceProgress | Stage::Commit, Answer::Abortable)
                if self.mutant == Some(Mutant::ResendWithoutAbort) =>
            {
                self.begin();
            }
            (_, Answer::Abortable) => self.stage = Stage::Abort,
            (Stage::Produce(_) | Stage::ProduceProgress, Answer::TimedOut)
                if self.mutant == Some(Mutant::KeepProducer) =>
            {
                self.stage = Stage::Abort;
            }
            (stage, _) => self.replace_producer(stage),
        }
        News::Nothing
    }

    /// The producer is of no use any more, or what it did is not known: a new one takes its place, and what became of the
    /// batch is looked up. Where there is no batch of results yet, the take-over begins anew.
    fn replace_producer(&mut self, stage: Stage) {
        self.stage = Stage::Fence;
        self.purpose = match self.mutant {
            _ if self.before.is_none() => Purpose::TakeOver,
            Some(Mutant::AssumeAborted) => Purpose::Repeat,
            Some(Mutant::AssumeCommitted) if stage == Stage::Commit => Purpose::Forget,
            _ => Purpose::Resolve,
        };
        if self.purpose == Purpose::TakeOver {
            self.batch = None;
        }
    }

    /// A request that was sent more than once may still be on its way and would end a later transaction. A new epoch shuts it
    /// out, and like every fence it is followed by a look: whoever took over in between is the owner.
    fn renew(&mut self) {
        if self.mutant != Some(Mutant::KeepProducer) {
            self.stage = Stage::Fence;
            self.purpose = Purpose::Renew;
        }
    }

    fn initialised(&mut self) -> News {
        self.repeats = 0;
        match self.purpose {
            Purpose::Renew if self.mutant == Some(Mutant::RenewWithoutLook) => {
                self.stage = Stage::Idle;
                News::Nothing
            }
            Purpose::TakeOver if self.read.is_some() => {
                self.stage = Stage::Idle;
                News::TakenOver(self.read.take().flatten())
            }
            Purpose::TakeOver | Purpose::Resolve | Purpose::Renew => {
                self.stage = Stage::AskEnd;
                News::Nothing
            }
            Purpose::Repeat => {
                self.begin();
                News::Nothing
            }
            Purpose::Forget => self.committed(),
        }
    }

    fn found(&mut self, found: Option<ProgressRecord>) -> News {
        match (self.purpose, &self.before, &self.batch) {
            (Purpose::Resolve, Some(before), Some(batch)) => {
                let resolution =
                    found.map_or(Resolution::NotOurs, |found| self.resolve_as_told(&found, before, &batch.record));
                match resolution {
                    Resolution::Aborted => {
                        self.begin();
                        News::Resolved(resolution, None)
                    }
                    Resolution::Committed => match self.committed() {
                        News::Committed(batch) => News::Resolved(resolution, Some(batch)),
                        other => other,
                    },
                    Resolution::NotOurs => {
                        self.stage = Stage::Rest;
                        News::Resolved(resolution, None)
                    }
                }
            }
            (Purpose::Renew, Some(before), _) => {
                let is_ours = found.is_some_and(|found| found.says_the_same(before));
                self.stage = if is_ours { Stage::Idle } else { Stage::Rest };
                if is_ours { News::Nothing } else { News::Resolved(Resolution::NotOurs, None) }
            }
            _ if self.session.is_none() => {
                self.read = Some(found);
                self.stage = Stage::Fence;
                News::Nothing
            }
            _ => {
                self.stage = Stage::Idle;
                News::TakenOver(found)
            }
        }
    }

    fn resolve_as_told(&self, found: &ProgressRecord, before: &ProgressRecord, tried: &ProgressRecord) -> Resolution {
        let by = |what: fn(&ProgressRecord) -> Option<u64>| match what(found) {
            found if found == what(tried) => Resolution::Committed,
            found if found == what(before) => Resolution::Aborted,
            _ => Resolution::NotOurs,
        };
        match self.mutant {
            Some(Mutant::CompareOffsets) => by(|record| Some(record.offset.unsigned_abs())),
            Some(Mutant::CompareSerials) => by(|record| record.progress().ok().map(|progress| progress.serial)),
            _ => resolve(&self.shard(found), &self.shard(before), &self.shard(tried)),
        }
    }

    /// Progress of the one partition that is owned.
    fn shard(&self, record: &ProgressRecord) -> ShardProgress {
        ShardProgress::from([(TopicPartition::new("in", 0), record.clone())])
    }

    fn produced(&mut self, next: usize) {
        let outputs = self.batch.as_ref().map_or(0, |batch| batch.outputs.len());
        self.stage = match () {
            () if next < outputs => Stage::Produce(next),
            () if self.mutant == Some(Mutant::ProgressApart) => Stage::Commit,
            () => Stage::ProduceProgress,
        };
    }

    fn committed(&mut self) -> News {
        if self.mutant == Some(Mutant::ProgressApart)
            && let Some(batch) = &mut self.batch
            && !batch.outputs_committed
            && !batch.outputs.is_empty()
        {
            batch.outputs_committed = true;
            self.begin();
            return News::Nothing;
        }
        self.stage = Stage::Idle;
        self.before = self.batch.as_ref().map(|batch| batch.record.clone()).or(self.before.take());
        self.batch.take().map_or(News::Nothing, News::Committed)
    }

    fn fenced(&mut self) -> News {
        if self.mutant == Some(Mutant::ReinitOnFence) && self.before.is_some() {
            self.stage = Stage::Fence;
            self.purpose = Purpose::Repeat;
            return News::Nothing;
        }
        self.stage = Stage::Rest;
        News::Fenced
    }
}
