//! Why a text is no schema that can be used.

/// A text is no schema that can be used. Each says of which schema; the text itself is in none of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// More bytes than a schema may have.
    #[error("the schema {uri} has {bytes} bytes; at most {bytes_max} are read")]
    TooLarge {
        /// The schema.
        uri: String,
        /// How many bytes it has.
        bytes: usize,
        /// How many it may have.
        bytes_max: usize,
    },
    /// Neither JSON nor YAML, or YAML that JSON cannot express.
    #[error("the schema {uri} cannot be read: line {line}, column {column}: {problem}")]
    Text {
        /// The schema.
        uri: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// Something else than an object.
    #[error("the schema {uri} is no object; what was read is no schema")]
    NotObject {
        /// The schema.
        uri: String,
    },
    /// Its `title` is another than that of its URI.
    #[error("the schema {uri} has the title {found}; a schema's title must be its path")]
    Title {
        /// The schema.
        uri: String,
        /// What it has.
        found: String,
    },
    /// Its `$id` is another than its URI.
    #[error(
        "the schema {uri} has the $id {found}; is a file in the wrong place, or `current` read instead of a version?"
    )]
    Id {
        /// The schema.
        uri: String,
        /// What it has.
        found: String,
    },
    /// A `$ref` is left in it.
    #[error("the schema {uri} is not materialised: {path} refers to {reference}; nothing is ever fetched for it")]
    Reference {
        /// The schema.
        uri: String,
        /// Where in the schema the `$ref` stands.
        path: String,
        /// What it names.
        reference: String,
    },
    /// Not a schema of JSON Schema draft 7.
    #[error("the schema {uri} is no JSON Schema of draft 7: at {path}: {problem}")]
    Invalid {
        /// The schema.
        uri: String,
        /// Where in the schema.
        path: String,
        /// What is wrong there.
        problem: String,
    },
}
