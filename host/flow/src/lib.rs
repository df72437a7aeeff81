//! The rules of Millrace, as plain data and pure functions: what a record is, in which order events run, when an
//! offset is settled, how much may be in flight, what is tried again.
//!
//! Nothing here reads a clock, a file or a socket, and nothing here knows Kafka, HTTP or WebAssembly: every rule that
//! decides delivery can be read and tested without them.
//!
//! In reading order: [`record`], [`clock`], then what a plugin says ([`blob`], [`lookup`], [`outcome`]).

#![forbid(unsafe_code)]

pub mod blob;
pub mod clock;
pub mod json_text;
pub mod lookup;
pub mod outcome;
pub mod record;
