//! Admission: how many bytes and offsets may be in flight, and when to stop reading and go on. Which bytes an event
//! holds is counted by the caller; pausing partitions is the consumer's business.

use std::collections::VecDeque;

/// What may be in flight at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Bytes: the events' own, and those of their answers.
    pub bytes_max: u64,
    /// Open offsets.
    pub open_max: usize,
}

/// Where an event stands in its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// The oldest one that is not settled: everything behind it waits for it in the end.
    Oldest,
    /// Any other.
    Later,
}

/// Counts what is in flight against the limits.
///
/// The head rule: the oldest event of a partition proceeds while *the others* are within the budget, however large it is
/// itself. So the budget is passed by one event at most, and the last one that passed it can always go on to its end:
/// there is no deadlock.
#[derive(Clone, Debug)]
pub struct Admission {
    limits: AdmissionLimits,
    held: u64,
    open: usize,
}

impl Admission {
    /// Nothing in flight.
    pub fn new(limits: AdmissionLimits) -> Self {
        Self { limits, held: 0, open: 0 }
    }

    /// Holds to other limits from now on. What is in flight beyond them goes on.
    pub fn set_limits(&mut self, limits: AdmissionLimits) {
        self.limits = limits;
    }

    /// Whether an event may be admitted that will hold `bytes`: its own, and the estimate of its answers.
    pub fn may_admit(&self, bytes: u64, head: Head) -> bool {
        match head {
            Head::Oldest => self.held <= self.limits.bytes_max && self.open <= self.limits.open_max,
            Head::Later => self.held.saturating_add(bytes) <= self.limits.bytes_max && self.open < self.limits.open_max,
        }
    }

    /// Whether an event that holds `from` bytes may go on to hold `to`. For what can wait, before the bytes are there.
    pub fn may_grow(&self, from: u64, to: u64, head: Head) -> bool {
        let others = self.held.saturating_sub(from);
        match head {
            _ if to <= from => true,
            Head::Oldest => others <= self.limits.bytes_max,
            Head::Later => others.saturating_add(to) <= self.limits.bytes_max,
        }
    }

    /// Counts one more open offset that holds `bytes`.
    pub fn reserve(&mut self, bytes: u64) {
        self.held = self.held.saturating_add(bytes);
        self.open += 1;
    }

    /// An open offset that held `bytes` has settled, or its partition is gone.
    pub fn release(&mut self, bytes: u64) {
        self.held = self.held.saturating_sub(bytes);
        self.open = self.open.saturating_sub(1);
    }

    /// An open offset that held `from` bytes holds `to` from now on: what is really there replaces what was estimated.
    pub fn adjust(&mut self, from: u64, to: u64) {
        self.held = self.held.saturating_sub(from).saturating_add(to);
    }

    /// Whether reading must stop: a limit is reached.
    pub fn is_full(&self) -> bool {
        self.held >= self.limits.bytes_max || self.open >= self.limits.open_max
    }

    /// Whether reading may go on after it had stopped: both counts are down to half. In between, what reads goes on and
    /// what stopped stays so, because a consumer that flaps fetches again what it had buffered.
    pub fn may_resume(&self) -> bool {
        self.held <= self.limits.bytes_max / 2 && self.open <= self.limits.open_max / 2
    }

    /// The bytes in flight.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// The open offsets.
    pub fn open(&self) -> usize {
        self.open
    }
}

/// The answers that the estimate looks back on.
const SAMPLES: usize = 256;
/// The estimate is made anew after so many answers.
const REFRESH_EVERY: usize = 16;
/// The estimate before the first answer, in bytes: an ordinary wiki page.
const FIRST_ESTIMATE_BYTES: u64 = 16 * 1024;

/// Guesses how many bytes the answers of an event will hold: the 95th percentile of the last 256 events.
#[derive(Clone, Debug)]
pub struct AnswerEstimate {
    samples: VecDeque<u64>,
    since_refresh: usize,
    p95: u64,
}

impl Default for AnswerEstimate {
    fn default() -> Self {
        Self { samples: VecDeque::with_capacity(SAMPLES), since_refresh: 0, p95: FIRST_ESTIMATE_BYTES }
    }
}

impl AnswerEstimate {
    /// No answer seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of the bytes that the answers of one event held.
    pub fn observe(&mut self, bytes: u64) {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(bytes);
        self.since_refresh += 1;
        if self.since_refresh >= REFRESH_EVERY || self.samples.len() < REFRESH_EVERY {
            self.since_refresh = 0;
            self.refresh();
        }
    }

    /// The bytes to reserve for the answers of the next event, for one whose own content size is not known.
    pub fn bytes(&self) -> u64 {
        self.p95
    }

    fn refresh(&mut self) {
        let mut sorted: Vec<u64> = self.samples.iter().copied().collect();
        let rank = (sorted.len() * 95).div_ceil(100).saturating_sub(1);
        if rank < sorted.len() {
            self.p95 = *sorted.select_nth_unstable(rank).1;
        }
    }
}
