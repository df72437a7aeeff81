//! Writes state, which no pipeline grants.

use crate::contract::millrace::plugin::state;
use crate::scene::Scene;

pub(super) fn commit(scene: &mut Scene<'_>) {
    state::put(scene.ticket, "secrets", "name", b"value");
    scene.pass();
}
