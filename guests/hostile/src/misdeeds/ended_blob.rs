//! Reads a blob whose ticket is over.

use crate::contract::millrace::plugin::blobs;
use crate::scene::Scene;

pub(super) fn commit(scene: &mut Scene<'_>) {
    blobs::read(scene.ended_blob.unwrap_or(1_000_000), 0, 1);
    scene.pass();
}
