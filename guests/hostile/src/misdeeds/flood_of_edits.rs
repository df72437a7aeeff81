//! Edits one field after the other, far more often than any document has fields.

use crate::contract::millrace::plugin::types::{Change, Document, Edit};
use crate::scene::{Scene, bytes};

pub(super) fn commit(scene: &mut Scene<'_>) {
    let edit = |number| Edit { path: format!("/field{number}"), change: Change::Set(vec![bytes("0")]) };
    scene.emit(Document::Patch((0..100_000).map(edit).collect()));
}
