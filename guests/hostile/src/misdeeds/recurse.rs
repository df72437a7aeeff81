//! Calls itself until the stack is used up.

use crate::scene::Scene;
use std::hint::black_box;

pub(super) fn commit(_: &mut Scene<'_>) {
    black_box(deeper(black_box(0)));
}

fn deeper(depth: u64) -> u64 {
    let ballast = black_box([depth; 64]);
    if black_box(true) { deeper(depth + 1) + ballast.iter().sum::<u64>() } else { depth }
}
