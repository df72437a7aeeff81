//! What an author writes: the `Plugin` trait. What runs it is `executor`.

use crate::{Describe, Event, Failure, MediaWiki, Outcome, Timer};
use serde::de::DeserializeOwned;

/// A plugin: what it wants, how it is set up, and what it makes of one event.
///
/// One value of it serves many events at once: while one waits for a lookup, others run. They never run at the same
/// instant (an instance has one thread), so interior mutability with `Cell` and `RefCell` is safe, as long as no borrow
/// is held across an `.await`. Keep nothing there that an outcome depends on: the host starts, ends and replaces
/// instances as it likes.
///
/// ```
/// use millrace_sdk::{Describe, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin, Value, json};
/// use serde::Deserialize;
///
/// struct BigPages {
///     min_bytes: u64,
/// }
///
/// #[derive(Deserialize)]
/// #[serde(deny_unknown_fields, default)]
/// struct Settings {
///     min_bytes: u64,
/// }
///
/// impl Default for Settings {
///     fn default() -> Self {
///         Self { min_bytes: 100_000 }
///     }
/// }
///
/// impl Plugin for BigPages {
///     type Settings = Settings;
///
///     fn describe() -> Describe {
///         Describe::new("big-pages", "0.1.0")
///             .input("page_change", Input::new().fields(["/revision/rev_size"]))
///             .output("big_pages", Output::new())
///             .settings(json!({
///                 "type": "object",
///                 "additionalProperties": false,
///                 "properties": {"min_bytes": {"type": "integer", "minimum": 1, "default": 100_000}},
///             }))
///     }
///
///     fn new(settings: Settings) -> Result<Self, String> {
///         if settings.min_bytes == 0 {
///             return Err("min_bytes must be 1 or more".to_owned());
///         }
///         Ok(Self { min_bytes: settings.min_bytes })
///     }
///
///     async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
///         let change: Value = event.json()?;
///         if change.pointer("/revision/rev_size").and_then(Value::as_u64) < Some(self.min_bytes) {
///             return Ok(Outcome::skip("small"));
///         }
///         Ok(event.patch().emit("big_pages"))
///     }
/// }
///
/// # use millrace_sdk::testing::Host;
/// # assert!(Host::<BigPages>::new(json!({})).is_ok());
/// # assert!(Host::<BigPages>::new(json!({"min_bytes": 0})).is_err());
/// assert!(Host::<BigPages>::new(json!({"min_byte": 5})).err().unwrap().contains("unknown field `min_byte`"));
/// ```
pub trait Plugin: Sized + 'static {
    /// What the operator may set, read with serde from the pipeline's `settings`. `()` for nothing.
    ///
    /// `#[serde(deny_unknown_fields, default)]` on it turns a typing mistake into an error at start. Serde and
    /// [`Plugin::new`] are what checks settings: the schema in [`Describe::settings`] is shown to operators.
    type Settings: DeserializeOwned;

    /// What this plugin is called, what it reads and emits, and which lookups it makes.
    ///
    /// Always the same: the host asks before there are settings, and compares the answer with the pipeline.
    fn describe() -> Describe;

    /// Sets the plugin up; called once in each instance, before its first event. Other settings mean other instances.
    /// It may take 5 s of CPU time.
    ///
    /// # Errors
    /// What is wrong with the settings. The operator gets to see it, in `millrace check` already, and the pipeline does
    /// not start.
    fn new(settings: Self::Settings) -> Result<Self, String>;

    /// Decides about one event. It may await lookups, and nothing else.
    ///
    /// When the event's deadline passes first, or its partition moves to another host, the future is dropped where it
    /// waits.
    ///
    /// # Errors
    /// A failure (mostly by `?`) makes an error event of the input. To ask for another attempt instead, return
    /// [`Outcome::retry`].
    fn process(&self, event: Event, wiki: &MediaWiki) -> impl Future<Output = Result<Outcome, Failure>>;

    /// Decides about a timer that [`Event::set_timer`] set, once it is due. As [`Plugin::process`], but that there is no
    /// document to patch. A failure makes an error event, and the timer is gone.
    ///
    /// Who sets no timers need not write this.
    ///
    /// # Errors
    /// As [`Plugin::process`].
    fn on_timer(&self, timer: Timer, wiki: &MediaWiki) -> impl Future<Output = Result<Outcome, Failure>> {
        let _: (&Timer, &MediaWiki) = (&timer, wiki);
        std::future::ready(Err(Failure::new("unexpected_timer", "this plugin does nothing with timers")))
    }
}
