//! Lookups: everything that a plugin can ask of the outside world, answered in batches by the host.
//!
//! The door is [`LookupService`]: asks go in, answers come out at an [`AnswerSink`], and what happens in between
//! (slots, batches, shared answers, cache, retries, breakers) is invisible to a plugin. `wit/README.md` describes every
//! kind of lookup. This is the only crate that sees the HTTP client, so streams of events over HTTP are read here too
//! ([`event_source`]).
//!
//! In reading order: what is asked ([`grants`], `question`), where it waits (`queue`, `ready`, `turns`, `target`, `pace`, `places`),
//! how it is sent and read (`call`, `transport`, `revision`, ...), and the rules on the way (`breaker`, `young`,
//! `retry_after`, `cache`, `forgotten`), each of them pure. Beside all that stands [`fetch`]: documents that the operator
//! configured, which no plugin asks for.

#![forbid(unsafe_code)]

pub mod config;
pub mod error;
pub mod event_source;
pub mod fetch;
pub mod grants;
pub mod stats;

mod answer_buffer;
mod answer_document;
mod api_error;
mod breaker;
mod cache;
mod call;
mod chance;
mod compare;
mod digest;
mod domain;
mod event_service;
mod forgotten;
mod html;
mod http;
mod next_pass;
mod once;
mod open_asks;
mod pace;
mod pairs;
mod places;
mod query;
mod question;
mod queue;
mod ready;
mod retry_after;
mod revision;
mod service;
mod settle;
mod site;
mod stopwatch;
mod target;
mod transport;
mod turns;
mod young;

pub use config::{HttpTargetConfig, LookupConfig, WikiConfig};
pub use error::LookupConfigError;
pub use event_service::{EventService, EventServiceConfig, Fate, Posted};
pub use grants::{Grants, HttpGrant, Kind, Scope, Standing};
pub use once::{OnceError, call_once};
pub use service::{AnswerSink, Answered, Forget, LookupService, Request};
pub use stats::Stats;

#[doc(hidden)]
pub use revision::measure;
