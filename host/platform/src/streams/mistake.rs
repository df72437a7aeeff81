//! What is wrong with a stream configuration: told all at once, each with its stream, key and line.

use crate::document::DecodeError;
use std::fmt;

/// A text is no usable stream configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamsError {
    /// Not the JSON that it should be.
    #[error("line {line}: {error}")]
    Json {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        error: DecodeError,
    },
    /// An answer of the API that says what went wrong instead of answering.
    #[error("the service answered with an error: {said}")]
    Answer {
        /// What it said, cut.
        said: String,
    },
    /// There is nothing called `streams` in it.
    #[error(
        "there is no `streams` in it; its shape is {{\"streams\": {{\"<name>\": {{...}}}}}}, as `action=streamconfigs` answers"
    )]
    NoStreams,
    /// Streams with mistakes. Never empty.
    #[error("{}", list(.0))]
    Wrong(Vec<StreamMistake>),
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamMistake {
    /// The stream; empty where it is about all of them.
    pub stream: String,
    /// The path of the setting below the stream, like `message_key_fields.page_id`; empty for the stream as a whole.
    pub key: String,
    /// The line of the value, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for StreamMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, key, line, problem, remedy } = self;
        let dot = if stream.is_empty() || key.is_empty() { "" } else { ": " };
        write!(f, "line {line}: {stream}{dot}{key}: {problem}; {remedy}")
    }
}

fn list(mistakes: &[StreamMistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
