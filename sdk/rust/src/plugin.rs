//! What an author writes: the `Plugin` trait. What runs it is `executor`.

use crate::{Describe, Event, Failure, MediaWiki, Outcome};
use serde::de::DeserializeOwned;

/// A plugin: what it wants, how it is set up, and what it makes of one event.
///
/// One value of it serves many events at once: while one waits for a lookup, others run. They never run at the same
/// instant (an instance has one thread), so interior mutability with `Cell` and `RefCell` is safe, as long as no borrow
/// is held across an `.await`. Keep nothing there that an answer depends on: the host starts, ends and replaces
/// instances as it likes.
pub trait Plugin: Sized + 'static {
    /// What the operator may set, read with serde from the pipeline's `settings`. `()` for nothing.
    ///
    /// `#[serde(deny_unknown_fields, default)]` on it turns a typing mistake into an error at start.
    type Settings: DeserializeOwned;

    /// What this plugin is called, what it reads and emits, and which lookups it makes. Always the same.
    fn describe() -> Describe;

    /// Sets the plugin up; called once, before the first event. Other settings mean another instance.
    ///
    /// # Errors
    /// What is wrong with the settings. The operator gets to see it, and the pipeline does not start.
    fn new(settings: Self::Settings) -> Result<Self, String>;

    /// Decides about one event.
    ///
    /// A failure (mostly by `?`) makes an error event of the input; [`Outcome::retry`] asks for another attempt.
    fn process(&self, event: Event, wiki: &MediaWiki) -> impl Future<Output = Result<Outcome, Failure>>;
}
