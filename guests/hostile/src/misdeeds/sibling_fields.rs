//! Sets a field to what is more than one value, and so would set its siblings, too.

use crate::scene::{Scene, bytes};

pub(super) fn commit(scene: &mut Scene<'_>) {
    scene.set("/comment", vec![bytes("\"harmless\",\"wiki_id\":\"another\"")]);
}
