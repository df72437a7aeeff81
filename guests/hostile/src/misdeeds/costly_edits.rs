//! Sets a large object and then removes its members one by one, which would take quadratic time.

use crate::contract::millrace::plugin::types::{Change, Document, Edit};
use crate::scene::{Scene, bytes};

pub(super) fn commit(scene: &mut Scene<'_>) {
    let members: Vec<String> = (0..100_000).map(|number| format!("\"m{number}\":0")).collect();
    let large = bytes(&format!("{{{}}}", members.join(",")));
    let set = Edit { path: "/large".to_owned(), change: Change::Set(vec![large]) };
    let remove = |number| Edit { path: format!("/large/m{number}"), change: Change::Remove };
    scene.emit(Document::Patch(std::iter::once(set).chain((0..10_000).map(remove)).collect()));
}
