//! Emits to an output that `describe` does not list.

use crate::contract::millrace::plugin::types::{Document, Outcome};
use crate::scene::{Scene, emission};

pub(super) fn commit(scene: &mut Scene<'_>) {
    scene.done(Outcome::Emit(vec![emission("elsewhere", Document::Patch(Vec::new()))]));
}
