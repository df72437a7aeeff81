//! Kafka: the only crate that sees librdkafka. Records come in through [`consumer`], units go out through [`delivery`],
//! progress is committed by [`commit`]; in exactly-once both go out as one, through [`transactional`]. Nothing here decides what is settled, and nothing here reads an event.
//!
//! Threads: one polls the consumer and runs its rebalances, one commits, one serves the producer's delivery reports.
//! Between them and the rest of the host go batches over bounded channels.
//!
//! In reading order: [`config`], [`error`], [`consumer`], [`commit`], [`delivery`], [`transactional`], [`cluster`]; the rest
//! are tools.

pub mod cluster;
pub mod commit;
pub mod config;
pub mod consumer;
pub mod delivery;
pub mod error;
pub mod exclusive;
pub mod failpoint;
pub mod group;
pub mod mock;
pub mod newest;
pub mod range;
pub mod reader;
pub mod scan;
pub mod statistics;
pub mod topics;
pub mod transactional;
pub mod writer;

mod arrival;
mod batch;
mod context;
mod eof;
mod epochs;
mod flight;
mod flush;
mod outbox;
mod pausing;
mod poller;
mod raw;
mod rebalance;
mod settled;
mod start;
mod wake;
mod watermarks;

#[cfg(test)]
mod tests;
