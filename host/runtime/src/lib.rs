//! The Millrace host: pipelines, their supervision, and what an operator sees of them.
//!
//! In reading order: [`partition`], which is the path of a record; [`pipeline`], the loop around it; [`station`], where
//! plugins run, and [`worker`], which gives them their turns; [`launch`], which puts a pipeline together; [`reload`],
//! which changes it while it runs; [`supervisor`], which runs them all. The rest is the edge: configuration, command
//! line, metrics, the admin server.

#![forbid(unsafe_code)]

pub mod admin;
pub mod audit;
pub mod binding;
pub mod breadcrumb;
pub mod brokerless;
pub mod catalog;
pub mod check;
pub mod cli;
pub mod clock;
pub mod compacted_topic;
pub mod config;
pub mod consume;
pub mod contract;
pub mod control;
pub mod event_files;
pub mod event_outlet;
pub mod group_parts;
pub mod inspect;
pub mod job;
pub mod launch;
pub mod metrics;
pub mod offsets;
pub mod operator;
pub mod orders;
pub mod partition;
pub mod pipeline;
pub mod pipelines;
pub mod progress_topic;
pub mod reference;
pub mod registry;
pub mod reload;
pub mod reprocess;
pub mod shutdown;
pub mod spec;
pub mod standing;
pub mod state_topic;
pub mod station;
pub mod supervisor;
pub mod telemetry;
pub mod worker;
