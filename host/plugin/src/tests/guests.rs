//! The plugins that ship with the platform, as they are built.

use super::puppet::{ENGINE, Stage, impatient};
use crate::{Event, Plugin, Ticket};
use std::path::Path;

/// Loads a built guest.
#[track_caller]
fn guest(name: &str) -> Plugin {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../guests/target/components/{name}.wasm"));
    let bytes =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run ./x guests first", path.display()));
    ENGINE.load(&bytes).unwrap()
}

fn event() -> Event {
    super::puppet::scripted("key")
}

#[test]
fn the_identity_ends_every_event_in_order() {
    let mut stage = Stage::of(&guest("identity"), impatient());
    let tickets: Vec<Ticket> = (0..1_000).map(|_| stage.crew.start(event())).collect();
    stage.settle();
    let ended: Vec<Ticket> = stage.ends.iter().map(|(ticket, ..)| *ticket).collect();
    assert_eq!(ended, tickets);
}
