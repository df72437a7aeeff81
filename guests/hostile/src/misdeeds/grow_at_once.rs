//! Wants more memory at once than an instance may have.

use crate::scene::Scene;
use std::hint::black_box;

/// More than an instance gets by any test's limits.
const BYTES: usize = 512 << 20;

pub(super) fn commit(_: &mut Scene<'_>) {
    black_box(vec![1_u8; BYTES]);
}
