//! Write a Millrace plugin as an `async fn`.
//!
//! Millrace reads events from Kafka, hands each one to a plugin, and writes what the plugin makes of it to Kafka again.
//! A plugin is a type with three functions: what it wants ([`Plugin::describe`]), how it is set up ([`Plugin::new`])
//! and what it decides about one event ([`Plugin::process`]). [`plugin!`] makes a WebAssembly component of it. The
//! README of this crate shows how to begin, test, build and look at one.
//!
//! # A first plugin
//!
//! It passes big pages on with one more field, and skips all others. Its test needs neither Kafka nor WebAssembly.
//!
//! ```
//! use millrace_sdk::{Describe, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin};
//! use serde::Deserialize;
//!
//! struct BigPages;
//!
//! /// What it reads of an event.
//! #[derive(Deserialize)]
//! struct PageChange {
//!     revision: Size,
//! }
//!
//! #[derive(Deserialize)]
//! struct Size {
//!     rev_size: u64,
//! }
//!
//! impl Plugin for BigPages {
//!     type Settings = ();
//!
//!     fn describe() -> Describe {
//!         Describe::new("big-pages", "0.1.0")
//!             .input("page_change", Input::new().fields(["/revision/rev_size"]))
//!             .output("big_pages", Output::new())
//!     }
//!
//!     fn new((): ()) -> Result<Self, String> {
//!         Ok(Self)
//!     }
//!
//!     async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
//!         let change: PageChange = event.json()?;
//!         if change.revision.rev_size < 100_000 {
//!             return Ok(Outcome::skip("small"));
//!         }
//!         Ok(event.patch().set("/is_big", &true).emit("big_pages"))
//!     }
//! }
//!
//! millrace_sdk::plugin!(BigPages);
//!
//! // The test.
//! use millrace_sdk::json;
//! use millrace_sdk::testing::{Decision, Host};
//!
//! let mut host = Host::<BigPages>::new(json!({})).unwrap();
//! let big = host.run("page_change", &json!({"revision": {"rev_size": 250_000}, "comment": "stays"}));
//! let expected = json!({"revision": {"rev_size": 250_000}, "comment": "stays", "is_big": true});
//! assert_eq!(big.documents(), [expected]);
//! let small = host.run("page_change", &json!({"revision": {"rev_size": 9}}));
//! assert_eq!(small.decision, Decision::Skip("small".to_owned()));
//! ```
//!
//! # What happens to an event
//!
//! 1. The host reads a *record* (one message) from Kafka. The JSON object in it is the *event*. (What is no JSON object
//!    becomes an error event; no plugin gets to see it.)
//! 2. It cuts the event down to the fields in `describe` and calls [`Plugin::process`].
//! 3. `process` may await *lookups*: questions to a wiki or another service, which the host asks and answers.
//! 4. `process` returns an [`Outcome`], or by `?` a [`Failure`].
//! 5. The host checks what was emitted, writes `$schema` and `meta` (`id`, `stream`, `dt`) into it, gives it its key
//!    and sends it to Kafka. Only then does it count the record as read, so after a crash it is read again.
//!
//! This is the event loop of JavaScript or of Python's asyncio, except that the host has the loop. Each time it calls
//! the plugin, a *turn*, it brings new events and answers, and takes outcomes and questions back.
//!
//! - Awaiting costs nothing. While one event waits 15 s for its answer, hundreds of others go on in the same instance.
//!   Events of one key (of one page, say) run one after the other.
//! - So nothing may block: a turn that loops or computes for long holds up all others. There is no `sleep`, no thread.
//! - `self` is shared by all events of one instance. A host runs several instances, and starts, ends and replaces them
//!   as it likes. Keep in `self` what follows from the settings (a table made of them), and nothing else that an
//!   outcome depends on: no totals, no "seen before". What is to last goes into [`State`], by key.
//! - An event may run again: after a crash, after another event's panic, after [`Outcome::retry`]. Decide by the event,
//!   the settings, the answers and [`Event::now_ms`] only; then it ends in the same way. What it emits has the same
//!   `meta.id` each time.
//!
//! # Where things are
//!
//! | to | use |
//! |---|---|
//! | read fields | [`Input::fields`] to have them sent, [`Event::json`] to get them as a type, [`Text`] for strings |
//! | ask a wiki or a service | [`lookup`], an example of each kind; [`join`] and [`join_all`] for several at once |
//! | handle page content | [`Blob`]: it stays in the host unless it is read |
//! | emit the input with changes | [`Event::patch`] and [`Patch`]: it keeps fields that the plugin does not know |
//! | emit a new event, several, or a tombstone | [`Emission`] and [`Outcome::emit`] |
//! | emit, skip, retry or fail | [`Outcome`], which says when to use which |
//! | say why an event failed | [`Failure`]; `?` makes one of a [`LookupError`] and of an error of `serde_json` |
//! | remember something of a page | [`Event::state`]: values by key, kept with what is emitted; `state` needs [`Describe::store`] |
//! | do something later | [`Event::set_timer`], by the stream's time or the wall clock, and [`Plugin::on_timer`] |
//! | be set up by the operator | [`Plugin::Settings`], with a JSON Schema in [`Describe::settings`] |
//! | log and count | [`Event::log`], [`Event::count`], [`Event::observe`] |
//! | know the time, or throw dice | [`Event::now_ms`], [`Event::random`] |
//! | test | [`testing::Host`] with recorded answers; [`testing::cases`] for tests as folders |
//!
//! # What a plugin must not do
//!
//! | what | the event becomes an error event of the type |
//! |---|---|
//! | loop without end, or compute for longer than a turn may | `plugin_timeout` |
//! | await what is no lookup: a channel, another event, `std::future::pending()` | `plugin_stalled` |
//! | panic: `unwrap` on nothing, an index out of bounds, a stack overflow | `plugin_trap`, with the panic's message |
//! | take more memory than an instance may have | `plugin_memory` |
//! | break the contract: an output or lookup not in `describe`, too many lookups, a foreign blob, state without a key or a store | `plugin_rule` |
//! | emit what is no JSON object, or edit where nothing can be (see [`Patch`]) | `output_invalid` |
//! | take longer than the event's deadline | `deadline`; its future is dropped |
//!
//! `Instant::now`, `SystemTime::now`, `thread::sleep` and `thread::spawn` panic, files and sockets are errors, and what
//! is printed goes nowhere: there is no operating system around a plugin.
//!
//! After a panic, a timeout, too much memory or a broken rule the host throws the instance away. Its other events start
//! again in a fresh one, get the same answers without asking anew, and their logs and counts do not count twice. The
//! rest of the stream goes on.
//!
//! # Limits
//!
//! | what | unless set otherwise | key of the pipeline |
//! |---|---|---|
//! | CPU time of a turn | 100 ms | `limits.plugin.turn` |
//! | and what each of its inputs adds | 1 ms | `limits.plugin.turn_per_input` |
//! | time of an event, waiting for outages not counted | 1 min | `limits.event_deadline` |
//! | memory of an instance | 256 MiB | `limits.plugin.memory` |
//! | events in one instance; more in flight means more instances | 256 | `limits.plugin.tickets` |
//! | bytes that a turn returns, blobs not counted | 64 MiB | `limits.plugin.result` |
//! | runs of an event that says `retry` | 3 | `limits.retries.attempts` |
//! | bytes of an input, else `too_large` | 20 MiB | `limits.event_bytes` |
//! | bytes of an output, else `output_too_large` | 10 MiB | `outputs.<name>.max_message_bytes` |
//! | lookups of an event that are open at once (the others wait), and in all | 64, 1,000 | |
//! | bytes of the params of a lookup | 64 KiB | |
//! | emissions of an outcome | 1,000 | |
//! | bytes of a value of state, and values and timers of a key | 1,000,000, 4,096 | |
//! | log lines of an event, and bytes of one; the rest is cut | 50, 8 KiB | |
//! | different metrics of an event, and of a pipeline; the rest counts as `other` | 50, 200 | |
//! | stack | 512 KiB | |
#![forbid(unsafe_code)]

// The macros below name this crate as a plugin does.
extern crate self as millrace_sdk;

#[doc(hidden)]
pub mod bindings;
mod blob;
mod describe;
mod event;
mod executor;
mod failure;
mod imports;
mod join;
mod limits;
pub mod lookup;
mod outcome;
mod plugin;
mod random;
mod settings;
mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod text;
mod ticket;

pub use blob::{Blob, Pieces};
pub use describe::{Describe, Input, Output};
pub use event::{Event, Level, Source};
pub use failure::{Failure, LookupError, LookupErrorKind};
pub use join::{join, join_all};
pub use lookup::MediaWiki;
pub use lookup::Response;
pub use lookup::compare::Comparison;
pub use lookup::html::Html;
pub use lookup::revision::{Content, Revision, Slot};
pub use outcome::{Emission, Outcome, Patch, pointer};
pub use plugin::Plugin;
pub use serde_json::{Value, json};
pub use state::{Clock, State, Timer};
pub use text::Text;

/// Makes a crate the component of its plugin: `millrace_sdk::plugin!(MyPlugin);`, once, at the top level.
///
/// The crate needs `crate-type = ["cdylib"]` and, of dependencies, this crate and serde only. It must not
/// `forbid(unsafe_code)`: the functions that the host calls are made here, and those need it.
/// Natively it checks that the type is a [`Plugin`] and does nothing more, so that the same crate can be tested without
/// WebAssembly.
#[macro_export]
macro_rules! plugin {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            ::std::thread_local! {
                static RUNNING: $crate::__private::Running<$plugin> = const { $crate::__private::Running::new() };
            }

            struct Component;

            impl $crate::__private::Guest for Component {
                fn describe() -> ::std::string::String {
                    <$plugin as $crate::Plugin>::describe().to_json()
                }

                fn configure(settings: ::std::string::String) -> ::std::result::Result<(), ::std::string::String> {
                    RUNNING.with(|running| running.configure(&settings))
                }

                fn turn(
                    now_ms: u64,
                    inputs: ::std::vec::Vec<$crate::__private::Input>,
                ) -> ::std::vec::Vec<$crate::__private::Output> {
                    RUNNING.with(|running| running.turn(now_ms, inputs))
                }
            }

    $crate::__private::bindings::export_component!(Component with_types_in $crate::__private::bindings);
        };

        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = $crate::__private::is_plugin::<$plugin>;
    };
}

/// What `plugin!` needs to see of this crate; nothing for authors.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings;
    pub use crate::bindings::exports::millrace::plugin::processor::Guest;
    pub use crate::bindings::millrace::plugin::types::{Input, Output};
    pub use crate::executor::Running;
    pub use wit_bindgen::rt;

    /// Compiles for plugins only.
    pub fn is_plugin<P: crate::Plugin>() {}
}

/// The README, whose examples are compiled as these are.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests;
