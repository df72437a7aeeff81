//! Makes more events of one than an outcome may have.

use crate::contract::millrace::plugin::types::{Document, Outcome};
use crate::scene::{Scene, emission};

pub(super) fn commit(scene: &mut Scene<'_>) {
    let emissions = (0..100_000).map(|_| emission("out", Document::Patch(Vec::new()))).collect();
    scene.done(Outcome::Emit(emissions));
}
