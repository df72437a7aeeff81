//! Chance that a replay repeats: splitmix64, seeded with where the event lay.

use crate::event::Source;

/// Two events of one partition never share a seed; others do with the odds of 64 bits.
pub(crate) fn seed(source: Source<'_>) -> u64 {
    // FNV-1a over the topic, then one mixing step per number.
    let topic =
        source.topic.bytes().fold(0xCBF2_9CE4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3));
    let place = mix(topic ^ u64::from(source.partition));
    mix(place ^ source.offset)
}

/// The next state, and the number that it yields.
pub(crate) fn step(state: u64) -> (u64, u64) {
    let next = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    (next, mix(next))
}

fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
