//! The Millrace host: pipelines, their supervision, and what an operator sees of them.
//!
//! In reading order: [`partition`], which is the path of a record; [`pipeline`], the loop around it; [`worker`], where
//! plugins run; [`launch`], which puts a pipeline together; [`supervisor`], which runs them all. The rest is the edge:
//! configuration, command line, metrics, the admin server.

#![forbid(unsafe_code)]

pub mod admin;
pub mod binding;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod inspect;
pub mod job;
pub mod launch;
pub mod metrics;
pub mod partition;
pub mod pipeline;
pub mod reference;
pub mod shutdown;
pub mod spec;
pub mod supervisor;
pub mod telemetry;
pub mod worker;
