//! The random numbers of a run: splitmix64, written out here so that a seed says the same run for ever.

use std::ops::RangeInclusive;

/// A stream of numbers that depends on its seed alone.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

/// One step of splitmix64's output function: equal in, equal out, and well mixed.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds must not say neighbouring runs.
        Self { state: mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number below `end`; 0 where that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = end.max(1) as u64;
        usize::try_from(self.next() % end).unwrap_or_default()
    }

    pub(crate) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        range.start() + self.next() % (range.end() - range.start() + 1)
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.chance_in_thousand(percent * 10)
    }

    pub(crate) fn chance_in_thousand(&mut self, permille: u64) -> bool {
        self.next() % 1_000 < permille
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let at = self.below(of.len());
        of.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that splitmix64 is published with.
    #[test]
    fn a_seed_says_the_same_for_ever() {
        let mut random = Random { state: 1_234_567 };
        let first = [random.next(), random.next(), random.next()];
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }
}
