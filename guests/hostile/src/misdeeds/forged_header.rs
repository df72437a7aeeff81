//! Writes a header that only the host may write.

use crate::contract::millrace::plugin::types::{Document, Header, Outcome};
use crate::scene::{Scene, emission};

pub(super) fn commit(scene: &mut Scene<'_>) {
    let header = Header { name: "millrace-src".to_owned(), value: None };
    let forged = emission("out", Document::Patch(Vec::new()));
    scene.done(Outcome::Emit(vec![crate::contract::millrace::plugin::types::Emission {
        headers: vec![header],
        ..forged
    }]));
}
