//! Unit tests of a plugin without WebAssembly: a host in the test's own process, which answers lookups from recordings.
//!
//! It drives the same futures by the same turns as the real host, cuts events down to the declared fields, and applies
//! patches, so what a test sees is what a stream would get before the host fills in the envelope (`meta`, `$schema`).
//! It holds the plugin to the rules and limits of the contract ([`Decision::Fault`]) and to what may be written
//! ([`Decision::OutputInvalid`]). It does not know what an operator can set (deadlines, memory, the size of records),
//! keys that the host builds, schemas, or what the host makes of several events at once, and it checks no params of
//! lookups.
//!
//! ```
//! use millrace_sdk::testing::{Host, Recording};
//! use millrace_sdk::{Describe, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin, Value, json};
//!
//! struct Sizer;
//!
//! impl Plugin for Sizer {
//!     type Settings = ();
//!     fn describe() -> Describe {
//!         Describe::new("sizer", "1.0.0")
//!             .input("changes", Input::new().fields(["/domain", "/rev_id"]))
//!             .output("sizes", Output::new())
//!             .lookup("revision")
//!     }
//!     fn new((): ()) -> Result<Self, String> {
//!         Ok(Self)
//!     }
//!     async fn process(&self, event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
//!         let change: std::collections::HashMap<&str, Value> = event.json()?;
//!         let rev_id = change["rev_id"].as_u64().unwrap_or(0);
//!         let revision = wiki.revision(change["domain"].as_str().unwrap_or(""), rev_id).await?;
//!         Ok(event.patch().set("/size", &revision.content("main")?.size).emit("sizes"))
//!     }
//! }
//!
//! let mut host = Host::<Sizer>::new(json!({})).unwrap();
//! host.record(Recording::answer(
//!     "revision",
//!     json!({"domain": "en.wikipedia.org", "rev_id": 7}),
//!     json!({"rev_id": 7, "slots": {"main": {"model": "wikitext", "size": 5, "body": 0}}}),
//!     ["Hello"],
//! ));
//! let decided = host.run("changes", &json!({"domain": "en.wikipedia.org", "rev_id": 7, "more": true}));
//! assert_eq!(
//!     decided.documents(),
//!     [json!({"domain": "en.wikipedia.org", "rev_id": 7, "more": true, "size": 5})]
//! );
//! let decided = host.run("changes", &json!({"domain": "en.wikipedia.org", "rev_id": 8}));
//! assert_eq!(decided.failure_kind(), Some("unrecorded"));
//! ```
//!
//! State is kept in the [`Host`], by the keys of the records: [`Host::state`] shows it, [`Host::put_state`] begins with
//! some, and [`Host::fire_due`] runs the timers that are due.
//!
//! A [`Recording`] answers lookups with a document and the texts of its blobs, or with an error. A [`Record`] is an
//! event with key, headers, place and time. [`Decided`] has what was emitted, asked, logged and counted. Many such
//! tests are better kept as folders: [`cases`].
//!
//! This module does not exist on WebAssembly: use it in tests only.

pub mod cases;
mod decided;
pub(crate) mod desk;
mod document;
mod host;
mod json;
mod projection;
mod record;
mod recording;
mod rules;
pub(crate) mod state;

pub use decided::{Decided, Decision, Emitted};
pub use desk::Report;
pub use host::Host;
pub use record::Record;
pub use recording::Recording;
