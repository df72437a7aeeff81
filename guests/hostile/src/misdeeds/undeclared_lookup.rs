//! Asks what `describe` does not list.

use crate::contract::millrace::plugin::types::{Ask, Output};
use crate::scene::Scene;

pub(super) fn commit(scene: &mut Scene<'_>) {
    let (ticket, kind, params) = (scene.ticket, "http".to_owned(), "{}".to_owned());
    scene.said.push(Output::Ask(Ask { ticket, id: 1_000, kind, params, body: Vec::new() }));
}
