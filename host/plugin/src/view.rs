//! What an instance sees of the host: its blobs, and what it may say beside its outcomes. What the contract imports is
//! answered here, but for state and timers, which are in `state.rs`; turns are in `instance.rs`.

use crate::bindings::{blobs, log, metrics, types};
use crate::engine::Ticker;
use crate::limits::Limits;
use crate::memory::{Memory, Refusal};
use crate::report::{LogLevel, Report};
use crate::state::States;
use bytes::Bytes;
use cpu_time::ThreadTime;
use millrace_flow::blob::Blob;
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::{ResourceLimiter, UpdateDeadline};

/// A plugin said what the contract forbids, inside an import. Becomes a fault of kind `rule`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BrokenRule(pub(crate) String);

/// The state of one instance on the host's side.
pub(crate) struct View {
    limits: Arc<Limits>,
    /// The tickets that the instance was given and that are not over.
    open: FxHashSet<u64>,
    blobs: FxHashMap<u64, HeldBlob>,
    next_blob: u64,
    /// The state of the tickets that it was given.
    pub(crate) states: States,
    reports: FxHashMap<u64, Report>,
    /// What was said under no ticket.
    loose: Report,
    memory: Memory,
    meter: Meter,
    /// The clock of the current turn; 0 before the first.
    now_ms: u64,
    /// The state of the generator that language runtimes seed themselves from.
    random: u64,
}

/// A blob and whose it is.
struct HeldBlob {
    ticket: u64,
    blob: Blob,
    /// The unescaped form, made when it is first read: a guest may read a blob in many small parts.
    plain: Option<Bytes>,
}

/// The CPU time of the current turn.
struct Meter {
    ticker: Ticker,
    allowance: Duration,
    /// The thread's CPU time at the turn's first tick. Turns that end before it are never measured.
    since: Option<Duration>,
}

impl View {
    pub(crate) fn new(limits: Arc<Limits>, stores: Arc<[Arc<str>]>, ticker: Ticker, memory: Memory) -> Self {
        Self {
            limits,
            open: FxHashSet::default(),
            blobs: FxHashMap::default(),
            next_blob: 1,
            states: States::new(stores),
            reports: FxHashMap::default(),
            loose: Report::default(),
            memory,
            meter: Meter { ticker, allowance: Duration::ZERO, since: None },
            now_ms: 0,
            random: RandomState::new().hash_one(()),
        }
    }

    /// Prepares for a call that may take `allowance` of CPU time.
    pub(crate) fn begin(&mut self, allowance: Duration) {
        self.memory.begin();
        self.meter.allowance = allowance;
        self.meter.since = None;
    }

    /// How much the plugin may take.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Sets the clock that language runtimes read.
    pub(crate) fn set_now_ms(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// The clock that language runtimes read.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// The next number of the instance's generator (SplitMix64). Instances differ, so that ids that a plugin makes do;
    /// nothing that must be secret may depend on it.
    pub(crate) fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Notes a log line.
    pub(crate) fn log(&mut self, ticket: Option<u64>, level: LogLevel, message: &str) {
        let limits = Arc::clone(&self.limits);
        self.report(ticket).log(level, message, &limits);
    }

    /// Decides at a tick whether the call goes on. What the thread spent before the first tick, at most one tick's
    /// time, is the guest's gain.
    pub(crate) fn on_tick(&mut self) -> UpdateDeadline {
        let meter = &mut self.meter;
        let spent = ThreadTime::now().as_duration();
        let over = match (meter.ticker, meter.since) {
            (Ticker::ByHand, _) => true,
            (Ticker::Thread, None) => {
                meter.since = Some(spent);
                false
            }
            (Ticker::Thread, Some(since)) => spent.saturating_sub(since) >= meter.allowance,
        };
        if over { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(1) }
    }

    /// Notes that the instance is started, and what memory that took.
    pub(crate) fn started(&self) {
        self.memory.started();
    }

    /// Why the current call was refused memory, if it was.
    pub(crate) fn memory_refusal(&self) -> Option<Refusal> {
        self.memory.refusal()
    }

    /// The last error that was logged under no ticket since the last turn: a panic's message comes in this way.
    pub(crate) fn last_words(&self) -> Option<&str> {
        self.loose.logs.last().filter(|line| line.level == LogLevel::Error).map(|line| line.message.as_str())
    }

    /// How many tickets the instance holds.
    pub(crate) fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The tickets that the instance holds, in the order of their start.
    pub(crate) fn open_tickets(&self) -> Vec<u64> {
        let mut tickets: Vec<u64> = self.open.iter().copied().collect();
        tickets.sort_unstable();
        tickets
    }

    /// Notes that the instance holds `ticket` from now on.
    pub(crate) fn enter(&mut self, ticket: u64) {
        self.open.insert(ticket);
    }

    /// Notes that `ticket` is over, frees its blobs and its state, and hands out what was said under it.
    pub(crate) fn leave(&mut self, ticket: u64, blobs: &[u64]) -> Report {
        self.open.remove(&ticket);
        self.states.take(ticket);
        for number in blobs {
            self.blobs.remove(number);
        }
        if self.reports.is_empty() { Report::default() } else { self.reports.remove(&ticket).unwrap_or_default() }
    }

    /// Gives `blob` a number for `ticket`.
    pub(crate) fn hold(&mut self, ticket: u64, blob: Blob) -> types::Blob {
        let id = self.next_blob;
        self.next_blob += 1;
        let size = blob.size();
        self.blobs.insert(id, HeldBlob { ticket, blob, plain: None });
        types::Blob { id, size }
    }

    /// The blob that `ticket` named in its output.
    pub(crate) fn blob_of(&self, ticket: u64, id: u64) -> Result<Blob, BrokenRule> {
        match self.blobs.get(&id) {
            Some(held) if held.ticket == ticket => Ok(held.blob.clone()),
            Some(_) => Err(BrokenRule(format!("ticket {ticket} used blob {id}, which belongs to another ticket"))),
            None => Err(BrokenRule(format!("ticket {ticket} used blob {id}, which is unknown or has ended"))),
        }
    }

    /// What was said under no ticket since the last call.
    pub(crate) fn take_loose(&mut self) -> Report {
        std::mem::take(&mut self.loose)
    }

    /// Where something said under `ticket` belongs: a ticket that is not open here is as good as none.
    fn report(&mut self, ticket: Option<u64>) -> &mut Report {
        match ticket.filter(|ticket| self.open.contains(ticket)) {
            Some(ticket) => self.reports.entry(ticket).or_default(),
            None => &mut self.loose,
        }
    }
}

impl types::Host for View {}

impl blobs::Host for View {
    fn read(&mut self, id: u64, offset: u64, length: u32) -> wasmtime::Result<Vec<u8>> {
        let held = self.blobs.get_mut(&id).ok_or_else(|| {
            BrokenRule(format!("the plugin read blob {id}, which is unknown or ended with its ticket"))
        })?;
        if let (None, Cow::Owned(plain)) = (&held.plain, held.blob.read()) {
            held.plain = Some(Bytes::from(plain));
        }
        let plain = held.plain.as_ref().map_or_else(|| held.blob.read(), |plain| Cow::Borrowed(plain.as_ref()));
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(plain.len());
        let end = start.saturating_add(length as usize).min(plain.len());
        Ok(plain.get(start..end).unwrap_or_default().to_vec())
    }
}

impl log::Host for View {
    fn write(&mut self, ticket: Option<u64>, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        View::log(self, ticket, level, &message);
        Ok(())
    }
}

impl metrics::Host for View {
    fn count(
        &mut self,
        ticket: Option<u64>,
        name: String,
        labels: Vec<(String, String)>,
        by: u64,
    ) -> wasmtime::Result<()> {
        let limits = Arc::clone(&self.limits);
        self.report(ticket).count(name, labels, by, &limits);
        Ok(())
    }

    fn observe(
        &mut self,
        ticket: Option<u64>,
        name: String,
        labels: Vec<(String, String)>,
        value: f64,
    ) -> wasmtime::Result<()> {
        let limits = Arc::clone(&self.limits);
        self.report(ticket).observe(name, labels, value, &limits);
        Ok(())
    }
}

impl ResourceLimiter for View {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.memory.grow(current, desired, &self.limits))
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= self.limits.table_elements_max)
    }

    fn instances(&self) -> usize {
        self.limits.core_instances_max
    }

    fn tables(&self) -> usize {
        self.limits.core_instances_max
    }

    fn memories(&self) -> usize {
        self.limits.core_instances_max
    }
}
