//! Asks more at once than a ticket may.

use crate::scene::Scene;

pub(super) fn commit(scene: &mut Scene<'_>) {
    (0..10_000).for_each(|further| scene.ask(further));
}
