//! Logs without end, lines that would fill a screen and drive a terminal. It only loses lines.

use crate::contract::millrace::plugin::log;
use crate::scene::Scene;

pub(super) fn commit(scene: &mut Scene<'_>) {
    let line = "\u{1b}[31mflood\n".repeat(2_000);
    for _ in 0..1_000 {
        log::write(Some(scene.ticket), log::Level::Error, &line);
        log::write(None, log::Level::Error, &line);
    }
    scene.pass();
}
