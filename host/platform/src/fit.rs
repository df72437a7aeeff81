//! Whether an input event is of its stream's schema, by its `$schema` alone: a newer version than any that is known here
//! is welcome, and nothing is validated, because what was produced cannot be helped any more.

use crate::document::Document;
use crate::schema::{SchemaUri, SchemaUriError};

/// An event is not of its stream's schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It does not say which schema it has.
    #[error("the event has no `$schema`, and its stream has events of {title}")]
    NoSchema {
        /// The title of the stream's schema.
        title: String,
    },
    /// What it says is no relative schema URI.
    #[error("the event's `$schema`: {0}")]
    Uri(#[from] SchemaUriError),
    /// It has another schema.
    #[error("the event is of the schema {found}, and its stream has events of {title}")]
    Title {
        /// What it has.
        found: String,
        /// The title of the stream's schema.
        title: String,
    },
}

impl Document {
    /// Checks that `$schema` is a version of the schema called `title`.
    ///
    /// # Errors
    /// It is missing, absolute, malformed, or of another schema.
    pub fn is_of(&self, title: &str) -> Result<(), Unfit> {
        let schema = self.root().get("$schema").and_then(|schema| schema.as_str());
        let Some(schema) = schema else { return Err(Unfit::NoSchema { title: title.to_owned() }) };
        let uri = SchemaUri::parse(&schema)?;
        if uri.title() == title {
            return Ok(());
        }
        Err(Unfit::Title { found: uri.to_string(), title: title.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use crate::{DecodeLimits, Document};
    use bytes::Bytes;

    #[track_caller]
    fn check(event: &'static str, expected: Result<(), &str>) {
        let document = Document::parse(Bytes::from_static(event.as_bytes()), &DecodeLimits::default()).unwrap();
        let told = document.is_of("mediawiki/page/change").map_err(|unfit| unfit.to_string());
        assert_eq!(told, expected.map_err(str::to_owned));
    }

    #[test]
    fn any_version_of_the_streams_schema_fits() {
        check(r#"{"$schema":"/mediawiki/page/change/1.2.0"}"#, Ok(()));
        check(r#"{"$schema":"/mediawiki/page/change/99.0.0"}"#, Ok(()));
        check(r#"{"$schema":"\/mediawiki\/page/change/1.2.0"}"#, Ok(()));
    }

    #[test]
    fn what_is_no_version_of_it_does_not() {
        let none = "the event has no `$schema`, and its stream has events of mediawiki/page/change";
        check("{}", Err(none));
        check(r#"{"$schema":7}"#, Err(none));
        check(
            r#"{"$schema":"https://schema.example.org/mediawiki/page/change/1.2.0"}"#,
            Err("the event's `$schema`: the schema URI \"https://schema.example.org/mediawiki/page/change/1.2.0\" is \
                 absolute; write the path alone, as in `/mediawiki/page/change/1.2.0`"),
        );
        check(
            r#"{"$schema":"/mediawiki/page/changes/1.2.0"}"#,
            Err("the event is of the schema /mediawiki/page/changes/1.2.0, and its stream has events of \
                 mediawiki/page/change"),
        );
        check(
            r#"{"$schema":"/mediawiki/page/change/latest"}"#,
            Err("the event's `$schema`: the schema URI \"/mediawiki/page/change/latest\" does not end with a version \
                 such as `/1.2.0`"),
        );
    }
}
