//! The lookup `http`: a request to a service that the operator has configured and granted.
//!
//! ```
//! # use millrace_sdk::{Event, Failure, MediaWiki, Outcome, json};
//! #[derive(serde::Deserialize)]
//! struct Score {
//!     probability: f64,
//! }
//!
//! # async fn process(event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
//! let question = wiki
//!     .http("scores", "/v1/models/damaging:predict")
//!     .method("POST")
//!     .header("content-type", "application/json")
//!     .body(json!({"rev_id": 7}).to_string());
//! let score: Score = question.await?.json()?;
//! Ok(event.patch().set("/damaging", &score.probability).emit("scored"))
//! # }
//! ```
//!
//! A body can have blobs in it, which never enter the plugin:
//!
//! ```
//! # use millrace_sdk::{Failure, MediaWiki, Pieces, Value};
//! # async fn language(wiki: &MediaWiki) -> Result<Value, Failure> {
//! let text = wiki.revision("en.wikipedia.org", 7).await?.content("main")?.body;
//! let body = Pieces::new().raw(r#"{"text":"#).string_blob(text).raw("}");
//! Ok(wiki.http("languages", "/v1/detect").method("POST").body(body).await?.json()?)
//! # }
//! ```

use super::{Lookup, Response, question, response};
use crate::ticket::{Question, Ticket};
use crate::{LookupError, Pieces};
use serde::Serialize;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A request to a service; await it. `GET` without query, headers and body, unless told.
#[must_use = "a lookup does nothing until it is awaited"]
pub struct HttpLookup<'a> {
    ticket: Rc<Ticket>,
    params: Params<'a>,
    body: Pieces,
}

#[derive(Serialize)]
struct Params<'a> {
    target: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
}

impl<'a> HttpLookup<'a> {
    pub(super) fn new(ticket: &Rc<Ticket>, target: &'a str, path: &'a str) -> Self {
        let params = Params { target, path, method: None, query: BTreeMap::new(), headers: BTreeMap::new() };
        Self { ticket: Rc::clone(ticket), params, body: Pieces::new() }
    }

    /// Another method than `GET`, in capitals; the operator grants methods. One that is neither `GET` nor `HEAD` may
    /// reach the service more than once, and its answer is never shared with other events.
    pub fn method(mut self, method: &'a str) -> Self {
        self.params.method = Some(method);
        self
    }

    /// One more member of the query, or another value of one that is there. Nothing is encoded yet: the host does it.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.query.insert(name.into(), value.into());
        self
    }

    /// One more header, or another value of one that is there: `accept`, `accept-language`, `content-type`,
    /// `cache-control` and those that begin with `x-`, but not with `x-millrace-` or `x-forwarded-`. All others are the host's (`Denied`).
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.headers.insert(name.into().to_ascii_lowercase(), value.into());
        self
    }

    /// The body: bytes or text as they are, or [`Pieces`] with blobs in them. At most 64 MiB (else `TooLarge`), and
    /// none with `GET` and `HEAD` (`Invalid`): give a method too. Nothing sets a `content-type` by itself.
    pub fn body(mut self, body: impl Into<Pieces>) -> Self {
        self.body = body.into();
        self
    }
}

impl IntoFuture for HttpLookup<'_> {
    type Output = Result<Response, LookupError>;
    type IntoFuture = Lookup<Response>;

    fn into_future(self) -> Lookup<Response> {
        let question = question("http", &self.params).map(|asked| Question { body: self.body.0, ..asked });
        Lookup::new(&self.ticket, question, response::read)
    }
}
