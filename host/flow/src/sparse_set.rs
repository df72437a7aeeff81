//! The sparse set: settled offsets above a prefix, in blocks of 256, and the bytes that it is written as.
//! Which offsets are in it is the ledger's business; the text around the bytes is `progress`'s.

use crate::bits::{Bits, above_prefix, bit_of, block_of, from_offset, offset_at};
use std::collections::BTreeMap;

/// More positions than this are written as 32 bytes of bits instead of a list of one byte each.
const LIST_MAX: usize = 31;
/// First byte of a block whose settled positions are listed; the low five bits count them.
const LISTED_SETTLED: u8 = 0;
/// First byte of a block whose unsettled positions are listed; the low five bits count them.
const LISTED_UNSETTLED: u8 = 32;
/// First byte of a block of which all 256 bits follow.
const ALL_BITS: u8 = 64;
/// First bytes of 1 to 63 blocks in which everything is settled: this plus their number.
const RUN: u8 = 64;
/// The longest run whose length fits its first byte.
const RUN_SHORT_MAX: u64 = 63;
/// First byte of a longer run: its length follows as a varint (seven bits a byte, lowest first).
const RUN_LONG: u8 = 128;

/// So many blocks in which nothing is settled are put between the set and an offset that joins it: more of them make a
/// text, of one byte each, that nothing takes.
const BLOCKS_ADDED_MAX: i64 = 1 << 16;

/// Settled offsets above a prefix. It holds memory in proportion to its blocks that are partly settled, not to its span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SparseSet {
    /// The first block: the one that the prefix is in.
    first: i64,
    /// The block after the last one; nothing from there on is settled.
    end: i64,
    /// Blocks in which something is not settled. Where one is absent between `first` and `end`, all of it is.
    blocks: BTreeMap<i64, Bits>,
}

impl SparseSet {
    /// Whether no offset is in the set.
    pub fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// Whether `offset` is in the set. Offsets below the prefix are not: the prefix speaks for them.
    pub fn contains(&self, offset: i64) -> bool {
        let number = block_of(offset);
        let known = self.first <= number && number < self.end;
        known && self.blocks.get(&number).is_none_or(|bits| bits.has(bit_of(offset)))
    }

    /// How many offsets above `prefix` and below `end` are in the set, which is that of `prefix`.
    pub(crate) fn count_below(&self, prefix: i64, end: i64) -> u64 {
        let end = end.min(offset_at(self.end, 0));
        if self.is_empty() || end <= prefix {
            return 0;
        }
        let unsettled = |number: i64, bits: Bits| !bits & above_prefix(number, prefix) & !from_offset(number, end);
        let blocks = self.blocks.range(..=block_of(end));
        let absent: u64 = blocks.map(|(number, bits)| unsettled(*number, *bits).count() as u64).sum();
        (prefix + 1).abs_diff(end) - absent
    }

    /// The first offset from `offset` on that is not in the set.
    pub(crate) fn first_absent(&self, offset: i64) -> i64 {
        let (mut number, mut from) = (block_of(offset), bit_of(offset));
        while self.first <= number && number < self.end {
            let absent = self.blocks.get(&number).map_or(Bits::NONE, |bits| !*bits);
            if let Some(at) = (absent & Bits::at_and_above(from)).lowest() {
                return offset_at(number, at);
            }
            (number, from) = (number + 1, 0);
        }
        offset_at(number, from)
    }

    /// The part of the set above another prefix, further up than its own.
    pub(crate) fn above(&self, prefix: i64) -> Self {
        let first = block_of(prefix);
        if self.is_empty() || self.end <= first {
            return Self::default();
        }
        let mut above =
            Self { first, end: self.end, blocks: self.blocks.range(first..).map(|(n, b)| (*n, *b)).collect() };
        let bits = above.blocks.get(&first).copied().unwrap_or(Bits::ALL) & above_prefix(first, prefix);
        above.blocks.insert(first, bits);
        above.trim()
    }

    /// The set of `prefix` with `offset` in it too. None: it lies too far above.
    pub(crate) fn with(&self, prefix: i64, offset: i64) -> Option<Self> {
        let mut with = if self.is_empty() { Self::from_block(block_of(prefix)) } else { self.clone() };
        let number = block_of(offset);
        if number - with.end > BLOCKS_ADDED_MAX {
            return None;
        }
        while with.end <= number {
            with.push(Bits::NONE);
        }
        if let Some(bits) = with.blocks.get_mut(&number) {
            bits.set(bit_of(offset));
            if *bits == Bits::ALL {
                with.blocks.remove(&number);
            }
        }
        Some(with)
    }

    /// A set that `push` and `push_run` fill from block `first` on.
    pub(crate) fn from_block(first: i64) -> Self {
        Self { first, end: first, blocks: BTreeMap::new() }
    }

    /// Appends one block.
    pub(crate) fn push(&mut self, bits: Bits) {
        if bits != Bits::ALL {
            self.blocks.insert(self.end, bits);
        }
        self.end += 1;
    }

    /// Appends `count` blocks in which everything is settled.
    pub(crate) fn push_run(&mut self, count: i64) {
        self.end += count;
    }

    /// Drops blocks at the end in which nothing is settled, so that equal sets are equal values.
    pub(crate) fn trim(mut self) -> Self {
        while let Some(last) = self.blocks.last_entry() {
            if *last.key() + 1 != self.end || *last.get() != Bits::NONE {
                return self;
            }
            last.remove();
            self.end -= 1;
        }
        if self.end == self.first { Self::default() } else { self }
    }

    /// The block after the last one.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// The offset after the last one in the set; of an empty set, the first of its block.
    pub(crate) fn end_offset(&self) -> i64 {
        let last = self.blocks.get(&(self.end - 1));
        let settled = last.and_then(|bits| (0..=u8::MAX).rev().find(|bit| bits.has(*bit)));
        settled.map_or(offset_at(self.end, 0), |bit| offset_at(self.end - 1, bit) + 1)
    }

    /// The blocks that are not wholly settled, rising.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (i64, Bits)> {
        self.blocks.iter().map(|(number, bits)| (*number, *bits))
    }

    /// Appends the set's bytes. Block numbers are not written: they count on from the prefix's.
    pub(crate) fn write(&self, prefix: i64, out: &mut Vec<u8>) {
        let mut at = self.first;
        for (number, bits) in self.blocks() {
            write_run(number - at, out);
            write_block(bits, above_prefix(number, prefix), out);
            at = number + 1;
        }
        write_run(self.end - at, out);
    }

    /// Reads what [`SparseSet::write`] wrote for the same prefix. None: it is something else.
    pub(crate) fn read(prefix: i64, mut bytes: &[u8]) -> Option<Self> {
        let mut set = Self::from_block(block_of(prefix));
        while let Some((first, rest)) = bytes.split_first() {
            let above = above_prefix(set.end, prefix);
            if *first > RUN && above != Bits::ALL {
                // The prefix itself is not settled, so its block is no run.
                return None;
            }
            bytes = match *first {
                RUN_LONG => {
                    let (count, rest) = read_varint(rest)?;
                    // Beyond this the block has no offsets any more.
                    let end =
                        set.end.checked_add(i64::try_from(count).ok()?).filter(|end| *end <= block_of(i64::MAX))?;
                    set.end = end;
                    rest
                }
                first if first > RUN_LONG => return None,
                first if first > RUN => {
                    set.push_run(i64::from(first - RUN));
                    rest
                }
                first => {
                    let (bits, rest) =
                        read_block(first, rest, above).filter(|(bits, _)| *bits & !above == Bits::NONE)?;
                    set.push(bits);
                    rest
                }
            };
        }
        Some(set.trim())
    }
}

/// The bytes that a block takes of which `settled` offsets above the prefix are settled and `unsettled` are not.
pub(crate) fn block_bytes(settled: usize, unsettled: usize) -> usize {
    1 + settled.min(unsettled).min(LIST_MAX + 1)
}

/// The bytes that a run of `count` settled blocks takes.
pub(crate) fn run_bytes(count: i64) -> usize {
    match count.unsigned_abs() {
        0 => 0,
        1..=RUN_SHORT_MAX => 1,
        count => 1 + (64 - count.leading_zeros() as usize).div_ceil(7),
    }
}

/// No run takes more: there are 2^55 blocks at most.
pub(crate) const RUN_BYTES_MAX: usize = 1 + 8;

fn write_block(bits: Bits, above: Bits, out: &mut Vec<u8>) {
    let (settled, unsettled) = (bits & above, !bits & above);
    let (tag, listed) =
        if settled.count() <= unsettled.count() { (LISTED_SETTLED, settled) } else { (LISTED_UNSETTLED, unsettled) };
    match u8::try_from(listed.count()) {
        Ok(count) if listed.count() <= LIST_MAX => {
            out.push(tag | count);
            out.extend(listed.positions());
        }
        _ => {
            out.push(ALL_BITS);
            out.extend_from_slice(&settled.to_bytes());
        }
    }
}

fn read_block(first: u8, rest: &[u8], above: Bits) -> Option<(Bits, &[u8])> {
    if first == ALL_BITS {
        let (bytes, rest) = rest.split_at_checked(32)?;
        return Some((Bits::from_bytes(bytes)?, rest));
    }
    let (positions, rest) = rest.split_at_checked(usize::from(first & 31))?;
    let mut listed = Bits::NONE;
    positions.iter().for_each(|at| listed.set(*at));
    let bits = if first < LISTED_UNSETTLED { listed } else { !listed & above };
    Some((bits, rest))
}

fn write_run(count: i64, out: &mut Vec<u8>) {
    let mut count = count.unsigned_abs();
    match u8::try_from(count) {
        Ok(0) => {}
        Ok(short) if count <= RUN_SHORT_MAX => out.push(RUN + short),
        _ => {
            out.push(RUN_LONG);
            while count > 0x7f {
                out.push(0x80 | (count & 0x7f) as u8);
                count >>= 7;
            }
            out.push((count & 0x7f) as u8);
        }
    }
}

fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(RUN_BYTES_MAX - 1).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}
