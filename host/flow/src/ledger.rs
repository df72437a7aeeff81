//! The ledger of one topic partition: which offsets are open, which are settled, what may be delivered without the
//! progress text outgrowing its budget. Lanes, bytes and Kafka are not known here.
//!
//! The ledger keeps an upper bound of the text over everything that may still happen: whichever of the reserved offsets
//! settle, in whatever order. A block of 256 offsets never takes more than the bound counted for it, because settling only
//! shrinks its unsettled offsets and never adds to those that are settled or reserved.

use crate::bits::{Bits, above_prefix, bit_of, block_of, from_offset, offset_at};
use crate::progress::{Progress, ProgressBudget};
use crate::sparse_set::{RUN_BYTES_MAX, SparseSet, block_bytes, run_bytes};
use std::collections::BTreeMap;
use std::ops::Bound;

/// The most offsets of a partition that may be open. With one lookup in 10,000 taking 15 s at 5,000 events/s, 75,000
/// offsets lie behind the slowest one.
pub const WINDOW_OPEN_MAX: usize = 100_000;

/// The bytes that one admission can add to the set: a run over a gap, and a block in which nothing is settled yet.
const ADMIT_BYTES_MAX: usize = RUN_BYTES_MAX + 1;

/// What admission makes of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// Open from now on: it must be settled.
    New,
    /// Nothing to do: settled before, or handed out by the consumer a second time.
    AlreadySettled,
}

/// 256 offsets that are not all settled. What is below `next` and in none of the sets is a gap: no event, so settled.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    settled: Bits,
    open: Bits,
    /// Open and on the way out: may settle at any time.
    reserved: Bits,
    /// The bytes that this block counts in the bound.
    bytes: usize,
}

impl Block {
    /// Everything that is not settled; `ahead` are the offsets that are not admitted yet.
    fn unsettled(&self, ahead: Bits) -> Bits {
        self.open | (ahead & !self.settled)
    }

    /// The bytes that this block takes at most, whatever settles of `reserved`.
    fn bytes_max(&self, ahead: Bits, above: Bits) -> usize {
        let settled = (self.settled | self.reserved) & above;
        block_bytes(settled.count(), (self.unsettled(ahead) & above).count())
    }

    /// The block as the set shows it, with gaps in or out, whichever is shorter.
    fn written(&self, ahead: Bits, above: Bits) -> Bits {
        let (settled, unsettled) = (self.settled & above, self.unsettled(ahead) & above);
        if settled.count() < unsettled.count() { settled } else { !unsettled & above }
    }
}

/// What is open and what is settled of one topic partition.
///
/// Every call takes about as long as a look into a map of the window's blocks (400 at 100,000 open offsets).
#[derive(Clone, Debug)]
pub struct Ledger {
    prefix: i64,
    /// Every offset below it is admitted or was passed over.
    next: i64,
    /// The end of the set that the ledger resumed from: up to there an admission adds nothing to the text.
    restored_end: i64,
    /// The blocks that are not wholly settled. Absent below `end`: wholly settled; from `end` on: nothing happened yet.
    blocks: BTreeMap<i64, Block>,
    end: i64,
    open: usize,
    serial: u64,
    changed: bool,
    /// The bound of the set's bytes, and how much it may become. `room` leaves space for one admission, see `may_admit`.
    bytes: usize,
    room: usize,
}

impl Ledger {
    /// Goes on where `progress` ended; its text never gets longer than `budget`.
    ///
    /// A set that is already longer (the budget was larger once) is kept whole and shrinks as the oldest events settle.
    pub fn resume(progress: Progress, budget: ProgressBudget) -> Self {
        let Progress { prefix, settled, serial, versions: _ } = progress;
        let end = if settled.is_empty() { block_of(prefix) } else { settled.end() };
        let mut ledger = Self {
            prefix,
            next: prefix,
            restored_end: offset_at(end, 0),
            blocks: BTreeMap::new(),
            end: block_of(prefix),
            open: 0,
            serial,
            changed: false,
            bytes: 0,
            room: budget.set_bytes().saturating_sub(ADMIT_BYTES_MAX),
        };
        for (number, settled) in settled.blocks() {
            ledger.append(number, Block { settled, ..Block::default() });
        }
        ledger.grow_to(end);
        ledger
    }

    /// Whether there is nothing to do for the next offset of the log: [`Ledger::admit`] will say that it is settled.
    pub fn is_settled(&self, offset: i64) -> bool {
        let number = block_of(offset);
        let in_set = || self.blocks.get(&number).is_none_or(|block| block.settled.has(bit_of(offset)));
        offset < self.next || (number < self.end && in_set())
    }

    /// Takes note of the next offset of the log. Offsets rise; those between it and the one before are no events (control
    /// records, compaction) and count as settled.
    pub fn admit(&mut self, offset: i64) -> Admitted {
        if offset < self.next {
            return Admitted::AlreadySettled;
        }
        let (before, number) = (block_of(self.next), block_of(offset));
        let idle = self.open == 0;
        let is_new = if number >= self.end {
            self.append(number, Block { open: Bits::only(bit_of(offset)), ..Block::default() });
            true
        } else {
            self.blocks.get_mut(&number).is_some_and(|block| {
                let is_new = !block.settled.has(bit_of(offset));
                if is_new {
                    block.open.set(bit_of(offset));
                }
                is_new
            })
        };
        self.open += usize::from(is_new);
        self.next = offset.saturating_add(1);
        self.refresh_range(before, number);
        if idle {
            self.advance();
        }
        if is_new { Admitted::New } else { Admitted::AlreadySettled }
    }

    /// Whether `offset` may settle now, whatever else that is reserved settles before or after it. If not, its result is
    /// held back until others have settled. The oldest open offset always may.
    pub fn may_deliver(&self, offset: i64) -> bool {
        let number = block_of(offset);
        let Some(block) = self.blocks.get(&number).filter(|block| block.open.has(bit_of(offset))) else {
            return false;
        };
        if offset == self.prefix || block.reserved.has(bit_of(offset)) {
            return true;
        }
        let mut with_it = *block;
        with_it.reserved.set(bit_of(offset));
        self.bytes - block.bytes + with_it.bytes_max(self.ahead(number), self.above(number)) <= self.room
    }

    /// Reserves room for `offset`, which [`Ledger::may_deliver`] allowed: it is on its way out, and still open.
    pub fn deliver(&mut self, offset: i64) {
        self.reserve(offset, |reserved, at| reserved.set(at));
    }

    /// Takes [`Ledger::deliver`] back: the delivery was given up, and the offset is open as before.
    pub fn withdraw(&mut self, offset: i64) {
        self.reserve(offset, |reserved, at| reserved.clear(at));
    }

    /// Settles an open offset: delivered, skipped, kept or delivered as an error event. Any other is passed over.
    pub fn settle(&mut self, offset: i64) {
        let number = block_of(offset);
        let Some(block) = self.blocks.get_mut(&number).filter(|block| block.open.has(bit_of(offset))) else {
            return;
        };
        block.open.clear(bit_of(offset));
        block.reserved.clear(bit_of(offset));
        block.settled.set(bit_of(offset));
        self.open -= 1;
        self.changed = true;
        if offset == self.prefix {
            self.advance();
        } else {
            self.refresh(number);
        }
    }

    /// Whether one more offset may be admitted. False: the window or the text leaves no room; what is open goes on.
    ///
    /// An admission can pass a gap and so add a few bytes to the text. Within the restored set it cannot, but for one that
    /// leaps beyond it (its last events were compacted away meanwhile): the space that `room` leaves is for that one.
    pub fn may_admit(&self) -> bool {
        let adds = if self.next < self.restored_end { 0 } else { ADMIT_BYTES_MAX };
        self.open == 0 || (self.open < WINDOW_OPEN_MAX && self.bytes + adds <= self.room)
    }

    /// The oldest open offset: the head.
    pub fn oldest_open(&self) -> Option<i64> {
        (self.open > 0).then_some(self.prefix)
    }

    /// How many offsets are open.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Every offset below it is settled.
    pub fn prefix(&self) -> i64 {
        self.prefix
    }

    /// Every offset below it is admitted or was passed over.
    pub fn next(&self) -> i64 {
        self.next
    }

    /// Something that goes with progress is another: [`Ledger::progress`] has something to say though nothing settled.
    pub fn note_change(&mut self) {
        self.changed = true;
    }

    /// What is settled, with the next serial, if anything has settled since the last call. The versions of the plugin are
    /// the caller's to add.
    pub fn progress(&mut self) -> Option<Progress> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        self.serial = self.serial.saturating_add(1);
        let mut settled = SparseSet::from_block(block_of(self.prefix));
        for (number, block) in &self.blocks {
            settled.push_run(*number - settled.end());
            settled.push(block.written(self.ahead(*number), self.above(*number)));
        }
        settled.push_run((self.end - settled.end()).max(0));
        Some(Progress { prefix: self.prefix, settled: settled.trim(), serial: self.serial, versions: None })
    }

    fn reserve(&mut self, offset: i64, change: impl FnOnce(&mut Bits, u8)) {
        let number = block_of(offset);
        if let Some(block) = self.blocks.get_mut(&number).filter(|block| block.open.has(bit_of(offset))) {
            change(&mut block.reserved, bit_of(offset));
            self.refresh(number);
        }
    }

    /// The offsets of a block that are not admitted yet.
    fn ahead(&self, number: i64) -> Bits {
        from_offset(number, self.next)
    }

    /// The offsets of a block that can be in the set.
    fn above(&self, number: i64) -> Bits {
        above_prefix(number, self.prefix)
    }

    /// Moves the prefix to the first offset that is not settled, and drops the blocks that it leaves behind.
    fn advance(&mut self) {
        let before = self.prefix;
        self.prefix = loop {
            let Some((number, block)) = self.blocks.first_key_value() else {
                break self.next.max(offset_at(self.end, 0));
            };
            let number = *number;
            match block.unsettled(self.ahead(number)).lowest() {
                Some(at) => break offset_at(number, at),
                None => self.remove(number),
            }
        };
        self.next = self.next.max(self.prefix);
        self.changed |= self.prefix != before;
        self.refresh(block_of(self.prefix));
    }

    /// Adds a block at the end; whatever lies between it and the one before is a gap.
    fn append(&mut self, number: i64, block: Block) {
        self.grow_to(number);
        self.end = number + 1;
        self.blocks.insert(number, block);
        self.refresh(number);
    }

    /// Moves `end`, over blocks that are wholly settled.
    fn grow_to(&mut self, end: i64) {
        if let Some((last, _)) = self.blocks.last_key_value() {
            self.bytes -= run_bytes(self.end - last - 1);
            self.bytes += run_bytes(end - last - 1);
        }
        self.end = end;
    }

    /// Refreshes the blocks from `first` to `last`.
    fn refresh_range(&mut self, first: i64, last: i64) {
        let mut from = Some(first);
        while let Some(number) = from {
            self.refresh(number);
            from = self.blocks.range((Bound::Excluded(number), Bound::Unbounded)).next().map(|(number, _)| *number);
            from = from.filter(|number| *number <= last);
        }
    }

    /// Counts a block anew after a change, or drops it when all of it is settled.
    fn refresh(&mut self, number: i64) {
        let (ahead, above) = (self.ahead(number), self.above(number));
        let Some(block) = self.blocks.get_mut(&number) else { return };
        if block.unsettled(ahead) == Bits::NONE {
            return self.remove(number);
        }
        let bytes = block.bytes_max(ahead, above);
        self.bytes = self.bytes - block.bytes + bytes;
        block.bytes = bytes;
    }

    /// Drops a block that is wholly settled: it joins the runs beside it. Before the first block nothing is written.
    fn remove(&mut self, number: i64) {
        let Some(block) = self.blocks.remove(&number) else { return };
        let after = self.blocks.range(number..).next().map_or(self.end, |(after, _)| *after);
        self.bytes -= block.bytes + run_bytes(after - number - 1);
        if let Some((before, _)) = self.blocks.range(..number).next_back() {
            self.bytes -= run_bytes(number - before - 1);
            self.bytes += run_bytes(after - before - 1);
        }
    }
}
