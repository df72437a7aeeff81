//! Kills, freezes and outages by a schedule, around two hosts of one group on a real broker, and a checker that says
//! whether what came out is what at-least-once promises. `./x test` and `./x chaos` run the same.
//!
//! [`kills`] does the same to exactly-once, with three brokers whose kills are part of it, and asks for more.
//!
//! A schedule is data: a seed makes it, a file can hold it. What was seen of a run is data too, so that the checker is a
//! pure function with tests of its own.

#![forbid(unsafe_code)]

pub mod checker;
pub mod evidence;
mod full_disk;
mod group_log;
mod journal;
pub mod kills;
mod player;
pub mod run;
pub mod scene;
pub mod schedule;
mod watch;
