//! Runs plugins: WebAssembly components that implement the contract in `wit/`. The only crate that sees wasmtime.
//!
//! An [`Engine`] loads a [`Plugin`]; a [`Crew`] owns its instances on one thread and takes events and answers for them,
//! turn by turn. Everything is synchronous and without threads or channels of its own (the engine's clock aside): who
//! calls when, and what becomes of the effects, is the runtime's business.
//!
//! In reading order: [`Event`] and [`Effect`], [`Crew`], what is done about a plugin that fails (`containment.rs`), and
//! then [`Engine::load`].

mod bindings;
mod cache;
mod check;
mod compilers;
mod containment;
mod convert;
mod crew;
mod describe;
mod digest;
mod engine;
mod error;
mod event;
mod instance;
mod limits;
mod loader;
mod memory;
mod pace;
mod report;
mod seat;
mod seating;
mod state;
#[cfg(test)]
mod tests;
mod transcript;
mod view;
mod wasi;

pub use crew::Crew;
pub use describe::{Describe, InputDescription, OutputDescription, StoreDescription};
pub use digest::Digest;
pub use engine::{Engine, EngineConfig, Ticker};
pub use error::PluginError;
pub use event::{Effect, Event, FaultKind, GuestFault, Payload, Ticket};
pub use limits::Limits;
pub use loader::Plugin;
pub use report::{LogLevel, LogLine, Report, Series};
