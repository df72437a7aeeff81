//! Why a plugin cannot be loaded or started. What goes wrong with one event is a [`GuestFault`](crate::GuestFault).

use std::path::PathBuf;

/// Why a plugin cannot be loaded or started. The messages are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The engine refuses its own settings, or a thread or directory that it needs cannot be made.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
    /// The file has no bytes.
    #[error("the plugin is empty: 0 bytes; build it again")]
    Empty,
    /// The file is larger than the host takes.
    #[error("the plugin has {bytes} bytes, and a host takes at most {bytes_max}; strip its debug information")]
    TooLarge {
        /// The size of the file.
        bytes: usize,
        /// The host's limit.
        bytes_max: usize,
    },
    /// The file is something else than a component.
    #[error("the plugin is not a WebAssembly component but {what}")]
    NotAComponent {
        /// What it looks like, and what to do about it.
        what: String,
    },
    /// The component is cut short, damaged, or uses features of WebAssembly that the host keeps off.
    #[error("the component is not valid: {0}; build it again, or check that it was copied whole")]
    Invalid(String),
    /// The component was built against another version of the contract.
    #[error("the plugin speaks `{found}`, and this host speaks `{spoken}`; build it against the host's contract")]
    WrongContract {
        /// The interface as the component names it.
        found: String,
        /// The version of the contract that the host serves.
        spoken: String,
    },
    /// The component does not export the processor of the contract.
    #[error("the component exports no `{wanted}`, so it is no plugin; build it for the world `plugin`")]
    NoProcessor {
        /// The export that is missing.
        wanted: String,
    },
    /// The component asks for what no plugin gets.
    #[error("the plugin imports what no plugin gets: {}; the contract's own imports are all there is", names.join(", "))]
    ForbiddenImport {
        /// The imports, by name.
        names: Vec<String>,
    },
    /// A function of the contract is imported or exported with other types.
    #[error("the plugin does not fit the contract: {0}")]
    Mismatch(String),
    /// The plugin failed before it saw an event: in its start, in `describe` or in `configure`.
    #[error("the plugin failed in `{function}`: {message}")]
    Failed {
        /// `start`, `describe` or `configure`.
        function: &'static str,
        /// What happened, with the backtrace where there is one.
        message: String,
    },
    /// There is no memory for one more instance beside those that run. It passes when one of them ends.
    #[error("no more instances can be started: {0}")]
    Crowded(String),
    /// What `describe` says makes no sense.
    #[error("what `describe` says is not valid: {0}")]
    Describe(String),
    /// `configure` refused the settings; the message is the plugin's own.
    #[error("the plugin refuses its settings: {0}")]
    Settings(String),
    /// The directory for compiled code cannot be used.
    #[error("the directory for compiled plugins, {}, cannot be used: {message}", path.display())]
    Cache {
        /// The directory.
        path: PathBuf,
        /// Why, and what to do.
        message: String,
    },
}
