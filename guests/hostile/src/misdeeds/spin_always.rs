//! Spins with every event, so that each of its turns takes all the CPU time that a turn may have.

use crate::scene::Scene;

pub(super) fn commit(_: &mut Scene<'_>) {
    super::spin::forever()
}
