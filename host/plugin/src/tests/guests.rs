//! The plugins that ship with the platform, as they are built: `./x guests` builds them.

use super::puppet::{ENGINE, End, Stage, good, impatient};
use crate::{Event, FaultKind, Limits, Payload, Plugin, Ticket};
use bytes::Bytes;
use millrace_flow::outcome::{EmittedDocument, Outcome};
use std::path::Path;

/// Loads a built guest: one in Rust by its name, another by its language and name (`c/identity`).
#[track_caller]
pub(super) fn guest(name: &str) -> Plugin {
    let (folder, file) =
        name.split_once('/').map_or((String::new(), name), |(folder, file)| (format!("{folder}/"), file));
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../guests/{folder}target/components/{file}.wasm"));
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run ./x guests guests/{folder} first", path.display()));
    ENGINE.load(&bytes).unwrap()
}

pub(super) fn event(document: &str) -> Event {
    let value = Some(Payload::Inline(Bytes::copy_from_slice(document.as_bytes())));
    Event { value, ..super::puppet::scripted("key") }
}

/// Whether the ticket ended as a patch of nothing.
#[track_caller]
pub(super) fn assert_passed(stage: &Stage, ticket: Ticket) {
    let End::Done(Outcome::Emit(emissions)) = stage.end(ticket) else { panic!("{:?}", stage.end(ticket)) };
    assert_eq!(emissions[0].document, EmittedDocument::Patch(vec![]));
}

/// Runs `document` between two events that pass, and expects that it alone fails.
#[track_caller]
fn check(plugin: &str, document: &str, kind: FaultKind, words: &str, frame: &str) {
    let limits = Limits { memory_bytes_max: 32 << 20, ..Limits::default() };
    let mut stage = Stage::of(&guest(plugin), limits);
    let [first, culprit, last] = ["{}", document, "{}"].map(|document| stage.crew.start(event(document)));
    stage.settle();
    stage.answer(culprit, &good(&[]));
    stage.settle();
    assert_passed(&stage, first);
    assert_passed(&stage, last);
    let End::Fault(found, message, stack) = stage.end(culprit) else { panic!("{:?}", stage.end(culprit)) };
    assert_eq!(*found, kind, "{message}");
    assert!(message.contains(words), "{message}");
    assert!(stack.as_deref().unwrap_or_default().contains(frame), "{message} {stack:?}");
}

#[test]
fn the_identity_ends_every_event_in_order() {
    let mut stage = Stage::of(&guest("identity"), impatient());
    let tickets: Vec<Ticket> = (0..1_000).map(|_| stage.crew.start(event("{}"))).collect();
    stage.settle();
    let ended: Vec<Ticket> = stage.ends.iter().map(|(ticket, ..)| *ticket).collect();
    assert_eq!(ended, tickets);
    assert_passed(&stage, tickets[999]);
}

#[test]
fn a_guest_that_traps_names_the_place_to_its_author() {
    check("trap", r#"{"trap":"panic"}"#, FaultKind::Trap, "as the event wants it", "process");
    check("trap", r#"{"trap":"abort"}"#, FaultKind::Trap, "", "process");
    check("trap", r#"{"trap":"out_of_bounds"}"#, FaultKind::Trap, "the len is 2 but the index is 2", "process");
    check("trap", r#"{"trap":"stack"}"#, FaultKind::Trap, "out of bounds", "deeper");
    check("trap", r#"{"trap":"memory"}"#, FaultKind::Memory, "more memory", "");
}

#[test]
fn a_guest_that_loops_fails_its_event_only() {
    check("endless-loop", r#"{"loop":true}"#, FaultKind::Timeout, "CPU time", "");
}
