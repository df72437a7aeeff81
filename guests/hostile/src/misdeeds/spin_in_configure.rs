//! Spins while it is given its settings (`Component::configure` sees to that), so it never gets to see an event.

use crate::scene::Scene;

pub(super) fn commit(scene: &mut Scene<'_>) {
    scene.pass();
}
