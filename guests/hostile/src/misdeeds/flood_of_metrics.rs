//! Counts under ever new names and labels. Those beyond the bound count as `other`.

use crate::contract::millrace::plugin::metrics;
use crate::scene::Scene;

pub(super) fn commit(scene: &mut Scene<'_>) {
    for number in 0..5_000 {
        metrics::count(Some(scene.ticket), &format!("name{number}"), &[], 1);
        metrics::count(None, "flood", &[("label".to_owned(), number.to_string())], 1);
    }
    scene.pass();
}
