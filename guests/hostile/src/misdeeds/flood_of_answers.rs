//! Asks for more content than the host keeps for one event.

use crate::scene::Scene;

pub(super) fn commit(scene: &mut Scene<'_>) {
    if scene.open.asked == 1 {
        (1..=40).for_each(|further| scene.ask(further));
    }
}
