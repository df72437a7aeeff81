//! What tests, the demo and the benches put around Millrace: a small world of wikis whose content follows from numbers,
//! an API that answers from it, and the page_change events that tell of it.
//!
//! The API here is a stand-in for MediaWiki and says so: it serves the quickstart, speed measurements and scripted
//! trouble. What a real MediaWiki answers is tested against a real one (`millrace-services`).

#![forbid(unsafe_code)]
#![allow(clippy::indexing_slicing, reason = "a tool of tests: a JSON value that it built itself may be indexed")]

pub mod api;
pub mod enrichment;
pub mod event_gate;
pub mod event_streams;
pub mod events;
pub mod host;
pub mod real;
pub mod tls;
pub mod trouble;
pub mod troubled;
pub mod world;
