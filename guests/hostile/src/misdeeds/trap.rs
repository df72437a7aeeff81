//! Traps, as a failed assertion does.

use crate::scene::Scene;

pub(super) fn commit(_: &mut Scene<'_>) {
    std::process::abort()
}
