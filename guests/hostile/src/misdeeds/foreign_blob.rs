//! Emits what the host gave to another ticket.

use crate::contract::millrace::plugin::types::Piece;
use crate::scene::Scene;

pub(super) fn commit(scene: &mut Scene<'_>) {
    // Alone in its instance there is nobody to take from; then it guesses.
    let blob = scene.foreign_blob.unwrap_or(1_000_000);
    scene.set("/stolen", vec![Piece::JsonString(blob)]);
}
