//! End-to-end tests: the real binary on a real broker. One binary, so that one broker serves them all.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, which may fail in the shortest way"
)]

mod audit;
mod backfill;
mod bad_input;
mod brokerless;
mod catalog;
mod chaos;
mod command;
mod concealed;
mod consume;
mod contained;
mod contract;
mod crashing;
mod deaths;
mod declared;
mod drain;
mod enrichment;
mod event_service;
mod exactly_once;
mod failing;
mod group;
mod hostile;
mod membership;
mod offsets;
mod outage;
mod plugins;
mod poison;
mod python;
mod quickstart;
mod real_input;
mod real_schemas;
mod reload;
mod reprocess;
mod restart;
mod security;
mod sideline;
mod startup;
mod state;
mod troubles;
mod window;
