//! Replaces an object of which it was given one field only: the others would be lost.

use crate::scene::{Scene, bytes};

pub(super) fn commit(scene: &mut Scene<'_>) {
    scene.set("/revision", vec![bytes("{}")]);
}
