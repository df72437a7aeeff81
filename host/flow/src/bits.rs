//! A block of 256 bits: the grain in which progress keeps and writes settled offsets. Knows nothing of offsets.

use std::ops::{BitAnd, BitOr, Not};

/// Bits in a block. 256, so that a position within it is one byte of the encoding.
pub(crate) const BLOCK_BITS: u32 = 256;

/// 256 bits, numbered from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits {
    low: u128,
    high: u128,
}

impl Bits {
    pub(crate) const NONE: Self = Self { low: 0, high: 0 };
    pub(crate) const ALL: Self = Self { low: u128::MAX, high: u128::MAX };

    /// The bit `at` and every one above it.
    pub(crate) fn at_and_above(at: u8) -> Self {
        match at.checked_sub(128) {
            None => Self { low: u128::MAX << at, high: u128::MAX },
            Some(at) => Self { low: 0, high: u128::MAX << at },
        }
    }

    /// Only the bit `at`.
    pub(crate) fn only(at: u8) -> Self {
        match at.checked_sub(128) {
            None => Self { low: 1 << at, high: 0 },
            Some(at) => Self { low: 0, high: 1 << at },
        }
    }

    pub(crate) fn set(&mut self, at: u8) {
        *self = *self | Self::only(at);
    }

    pub(crate) fn clear(&mut self, at: u8) {
        *self = *self & !Self::only(at);
    }

    pub(crate) fn has(self, at: u8) -> bool {
        self & Self::only(at) != Self::NONE
    }

    pub(crate) fn count(self) -> usize {
        (self.low.count_ones() + self.high.count_ones()) as usize
    }

    /// The lowest bit that is set.
    pub(crate) fn lowest(self) -> Option<u8> {
        let at = if self.low == 0 { 128 + self.high.trailing_zeros() } else { self.low.trailing_zeros() };
        u8::try_from(at).ok()
    }

    /// The numbers of the set bits, rising.
    pub(crate) fn positions(mut self) -> impl Iterator<Item = u8> {
        std::iter::from_fn(move || {
            let at = self.lowest()?;
            self.clear(at);
            Some(at)
        })
    }

    /// Bit 0 is the lowest bit of the first byte.
    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let (low, high) = bytes.split_at_mut(16);
        low.copy_from_slice(&self.low.to_le_bytes());
        high.copy_from_slice(&self.high.to_le_bytes());
        bytes
    }

    /// What [`Bits::to_bytes`] wrote; none unless there are exactly 32 bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (low, high) = bytes.split_at_checked(16)?;
        Some(Self { low: u128::from_le_bytes(low.try_into().ok()?), high: u128::from_le_bytes(high.try_into().ok()?) })
    }
}

impl BitAnd for Bits {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self { low: self.low & other.low, high: self.high & other.high }
    }
}

impl BitOr for Bits {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self { low: self.low | other.low, high: self.high | other.high }
    }
}

impl Not for Bits {
    type Output = Self;
    fn not(self) -> Self {
        Self { low: !self.low, high: !self.high }
    }
}

/// The number of the block that `offset` is in.
pub(crate) fn block_of(offset: i64) -> i64 {
    offset >> BLOCK_BITS.trailing_zeros()
}

/// The position of `offset` in its block.
pub(crate) fn bit_of(offset: i64) -> u8 {
    offset.to_le_bytes()[0]
}

/// The offset at position `bit` of block `number`.
pub(crate) fn offset_at(number: i64, bit: u8) -> i64 {
    (number << BLOCK_BITS.trailing_zeros()) | i64::from(bit)
}

/// The bits of block `number` whose offsets are `offset` or above.
pub(crate) fn from_offset(number: i64, offset: i64) -> Bits {
    match number.cmp(&block_of(offset)) {
        std::cmp::Ordering::Less => Bits::NONE,
        std::cmp::Ordering::Equal => Bits::at_and_above(bit_of(offset)),
        std::cmp::Ordering::Greater => Bits::ALL,
    }
}

/// The bits of block `number` whose offsets are above `prefix`: only those can be in a sparse set.
pub(crate) fn above_prefix(number: i64, prefix: i64) -> Bits {
    let from = from_offset(number, prefix);
    if number == block_of(prefix) { from & !Bits::only(bit_of(prefix)) } else { from }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_is_its_own() {
        for at in 0..=255 {
            let one = Bits::only(at);
            assert_eq!((one.count(), one.lowest(), one.has(at)), (1, Some(at), true));
            assert_eq!(Bits::from_bytes(&one.to_bytes()), Some(one));
            assert_eq!(one.to_bytes()[usize::from(at) / 8], 1 << (at % 8));
            assert_eq!(Bits::at_and_above(at).count(), 256 - usize::from(at));
            assert_eq!(Bits::at_and_above(at).lowest(), Some(at));
            assert_eq!((!one).count(), 255);
            assert_eq!(Bits::at_and_above(at).positions().collect::<Vec<_>>(), (at..=255).collect::<Vec<_>>());
        }
        assert_eq!(Bits::NONE.lowest(), None);
        assert_eq!(Bits::from_bytes(&[0; 31]), None);
    }

    #[test]
    fn offsets_map_to_blocks_and_back() {
        for offset in [0, 1, 255, 256, 1_000_000_007, i64::MAX] {
            assert_eq!(offset_at(block_of(offset), bit_of(offset)), offset);
        }
        assert_eq!(above_prefix(1, 256).lowest(), Some(1));
        assert_eq!(above_prefix(0, 256), Bits::NONE);
        assert_eq!(above_prefix(2, 256), Bits::ALL);
    }
}
