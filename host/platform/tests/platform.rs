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
#[path = "platform/real_schemas.rs"]
mod real_schemas;
#[path = "platform/real_streams.rs"]
mod real_streams;
#[path = "platform/sample.rs"]
mod sample;
#[path = "platform/schema.rs"]
mod schema;
#[path = "platform/schema_agreement.rs"]
mod schema_agreement;
#[path = "platform/schema_model.rs"]
mod schema_model;
#[path = "platform/schema_project.rs"]
mod schema_project;
