//! The rules of Millrace, as plain data and pure functions: what a record is, in which order events run, when an
//! offset is settled, how much may be in flight, what is tried again.
//!
//! Nothing here reads a clock, a file or a socket, and nothing here knows Kafka, HTTP or WebAssembly: every rule that
//! decides delivery can be read and tested without them.
//!
//! In reading order: [`record`], [`clock`]; what a plugin says ([`blob`], [`lookup`], [`outcome`]); how much may be in
//! flight ([`admission`]), in which order it runs ([`lane`]) and on which version ([`boundaries`]); what is settled
//! ([`ledger`]), how that is written down ([`progress`], [`sparse_set`], [`progress_record`]), what of it is owned together
//! ([`shard`]) and goes into transactions ([`transactions`]); what plugins keep ([`state`]); what can go wrong ([`cause`]), how it is
//! shown ([`display`]), when it is tried again ([`retry`]), and when so much goes wrong that no more is taken
//! ([`failures`]).

#![forbid(unsafe_code)]

pub mod admission;
mod bits;
pub mod blob;
pub mod boundaries;
pub mod cause;
pub mod clock;
pub mod display;
pub mod failures;
pub mod json_text;
pub mod lane;
pub mod ledger;
pub mod lookup;
pub mod outcome;
pub mod progress;
pub mod progress_record;
pub mod record;
pub mod retry;
pub mod shard;
pub mod sparse_set;
pub mod state;
pub mod transactions;
