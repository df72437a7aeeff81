//! The Event Platform's contract from outside: what is decoded, how documents are cut down and edited, what records come
//! out. Rules inside one module are tested there.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "platform/agreement.rs"]
mod agreement;
#[path = "platform/decode.rs"]
mod decode;
#[path = "platform/edit.rs"]
mod edit;
#[path = "platform/envelope.rs"]
mod envelope;
#[path = "platform/error_event.rs"]
mod error_event;
#[path = "platform/model.rs"]
mod model;
#[path = "platform/project.rs"]
mod project;
#[path = "platform/reprocess.rs"]
mod reprocess;
#[path = "platform/sample.rs"]
mod sample;
