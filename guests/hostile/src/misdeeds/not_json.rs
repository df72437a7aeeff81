//! Emits what is no JSON.

use crate::contract::millrace::plugin::types::Document;
use crate::scene::{Scene, bytes};

pub(super) fn commit(scene: &mut Scene<'_>) {
    scene.emit(Document::Whole(vec![bytes("{\"a\":NaN}")]));
}
