//! `millrace offsets`: shows how far a pipeline is in each partition, and changes that by hand: what operators do with
//! `kafka-consumer-groups --reset-offsets` where an offset is all that is kept. Here progress is more than an offset, so
//! that tool would be wrong about it.
//!
//! In reading order: [`change`], which says what a change means; [`session`], which looks, and carries changes out while
//! the pipeline does not run; [`report`], which shows both.

pub mod change;
pub mod report;
pub mod session;
