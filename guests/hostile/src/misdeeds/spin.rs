//! Spins for ever.

use crate::scene::Scene;
use std::hint::black_box;

pub(super) fn commit(_: &mut Scene<'_>) {
    forever()
}

/// Never comes back.
pub(crate) fn forever() -> ! {
    let mut rounds = 0_u64;
    loop {
        rounds = black_box(rounds.wrapping_add(1));
    }
}
