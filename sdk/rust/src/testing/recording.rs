//! Recorded answers: what is asked, and what comes back.

use serde::Deserialize;
use serde_json::{Value, json};

/// One recorded answer. It may be given any number of times.
///
/// It is also an entry of a case's `answers.json`, with `reply` or `error`:
///
/// ```
/// # use millrace_sdk::testing::Recording;
/// let text = r#"[
///     {"kind": "revision", "params": {"domain": "en.wikipedia.org", "rev_id": 7}, "reply": {
///         "document": {"rev_id": 7, "slots": {"main": {"model": "wikitext", "size": 5, "body": 0}}},
///         "blobs": ["Hello"]}},
///     {"kind": "revision", "params": {}, "error": {"kind": "missing", "message": "no such revision"}}
/// ]"#;
/// let recordings: Vec<Recording> = serde_json::from_str(text).unwrap();
/// assert_eq!(recordings.len(), 2);
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    kind: String,
    params: Value,
    #[serde(skip)]
    body: Option<Vec<u8>>,
    reply: Option<RecordedReply>,
    error: Option<RecordedError>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedReply {
    pub(super) document: Value,
    #[serde(default)]
    pub(super) blobs: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordedError {
    pub(super) kind: String,
    pub(super) message: String,
}

impl Recording {
    /// Asks of `kind` whose params have at least all of `params`, a JSON object, get `document` and the blobs that it
    /// names by index. `{}` suits every ask of the kind.
    pub fn answer<'a>(kind: &str, params: Value, document: Value, blobs: impl IntoIterator<Item = &'a str>) -> Self {
        let reply = RecordedReply { document, blobs: blobs.into_iter().map(str::to_owned).collect() };
        Self { kind: kind.to_owned(), params, body: None, reply: Some(reply), error: None }
    }

    /// Asks of `kind` whose params have at least all of `params`, a JSON object, get this error; `error` is the
    /// contract's word: `missing`, `denied`, `too-large`, `unavailable` or `invalid`.
    pub fn error(kind: &str, params: Value, error: &str, message: &str) -> Self {
        let error = RecordedError { kind: error.to_owned(), message: message.to_owned() };
        Self { kind: kind.to_owned(), params, body: None, reply: None, error: Some(error) }
    }

    /// Only asks with exactly this body get the answer; unless this is called, asks with any body or none do.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Whether this answers that ask.
    pub(super) fn suits(&self, kind: &str, params: &Value, body: Option<&[u8]>) -> bool {
        let (Value::Object(recorded), Value::Object(asked)) = (&self.params, params) else { return false };
        self.kind == kind
            && recorded.iter().all(|(name, value)| asked.get(name) == Some(value))
            && self.body.as_deref().is_none_or(|recorded| body == Some(recorded))
    }

    /// What is given; a recording with neither a reply nor an error says so.
    pub(super) fn result(&self) -> Result<RecordedReply, RecordedError> {
        match (&self.reply, &self.error) {
            (Some(reply), None) => Ok(reply.clone()),
            (None, Some(error)) => Err(error.clone()),
            _ => Err(RecordedError {
                kind: "invalid".to_owned(),
                message: format!("recording of {} {}: one of `reply` and `error`", self.kind, json!(self.params)),
            }),
        }
    }
}
