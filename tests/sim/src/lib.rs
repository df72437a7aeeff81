//! A deterministic simulation of the delivery rules: hosts made of the rules of `flow`, a model of Kafka's transactions and of
//! its groups, and a seeded scheduler that picks what happens next, faults included, at every point at which a host waits.
//!
//! In reading order: what a seed fixes (`plan`, `input`, `history`, `random`); the model of the outside (`broker`, `group`,
//! `network`, `plugin`); the hosts (`host`, `owned`, `writer`); the scheduler (`action`, `world`, `run`); the
//! checks (`oracle`), what happened (`fact`) and the rules broken on purpose (`mutant`).
//!
//! Nothing here speaks to a real Kafka, and the glue between the rules is written anew: what that leaves unproven stands in
//! `tests/README.md`.

#![forbid(unsafe_code)]

mod action;
mod broker;
pub mod command;
mod ctx;
mod fact;
mod group;
mod history;
mod host;
mod input;
mod mutant;
mod network;
mod oracle;
mod owned;
mod plan;
mod plugin;
mod random;
mod run;
mod world;
mod writer;

pub use fact::{Fact, Facts};
pub use mutant::Mutant;
pub use oracle::{Check, Violation};
pub use run::{Report, is_exactly_once, run, run_traced};
