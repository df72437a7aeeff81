//! Returns one value that is larger than everything that a turn may return.

use crate::contract::millrace::plugin::types::Document;
use crate::scene::{Scene, bytes};

pub(super) fn commit(scene: &mut Scene<'_>) {
    scene.emit(Document::Whole(vec![bytes(&"x".repeat(4 << 20))]));
}
