//! Traps with every event, so nothing of its own pipeline comes through, and everything of the others does.

use crate::scene::Scene;

pub(super) fn commit(scene: &mut Scene<'_>) {
    super::trap::commit(scene);
}
