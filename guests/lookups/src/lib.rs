//! Makes the lookup that an event names, and emits what came of it. For tests of lookups from end to end.
//!
//! An event says `{"ask": {"kind": "html", "params": {...}, "body": "text"}}`. `compare`, `html`, `query` and `http` go
//! through the typed calls of the SDK, every other word through `ask`. `body` may be left out; only `http` and `ask`
//! send it. The output has `ask` as it came, and either `answer` and `blobs`, or `error`:
//!
//! ```json
//! {"ask": {"...": "..."}, "answer": {"rev_id": 7, "headers": {}, "size": 3, "body": 0}, "blobs": ["<p>"]}
//! {"ask": {"...": "..."}, "error": {"kind": "missing", "message": "no such revision"}}
//! ```
//!
//! `answer` is the answer's document in the contract's form, made again from what the typed call returned; `blobs` are
//! the texts that it names by index. Params that a typed call cannot take are the failure `invalid_json`.

use millrace_sdk::lookup::Headers;
use millrace_sdk::{
    Blob, Describe, Emission, Event, Failure, Input, LookupError, MediaWiki, Outcome, Output, Plugin, Response, Value,
    json,
};
use serde::Deserialize;
use std::collections::BTreeMap;

struct Lookups;

#[derive(Deserialize)]
struct Steered {
    ask: Value,
}

/// Any question, as far as it is common to all.
#[derive(Deserialize)]
struct Question {
    kind: String,
    params: Value,
    body: Option<String>,
}

/// A question of the kinds that have a typed call.
#[derive(Deserialize)]
#[serde(tag = "kind", content = "params", rename_all = "lowercase")]
enum Typed {
    Compare {
        domain: String,
        from_rev: u64,
        to_rev: u64,
    },
    Html {
        domain: String,
        rev_id: u64,
    },
    Query {
        domain: String,
        params: BTreeMap<String, String>,
    },
    Http {
        target: String,
        path: String,
        method: Option<String>,
        #[serde(default)]
        query: BTreeMap<String, String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
}

/// An answer in the contract's form.
struct Answer {
    document: Value,
    blobs: Vec<Blob>,
}

impl Plugin for Lookups {
    type Settings = ();

    fn describe() -> Describe {
        let kinds = ["revision", "compare", "html", "query", "http"];
        let describe = Describe::new("lookups", env!("CARGO_PKG_VERSION"))
            .input("in", Input::new().fields(["/ask"]))
            .output("out", Output::new());
        kinds.into_iter().fold(describe, Describe::lookup)
    }

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    async fn process(&self, event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
        let Steered { ask } = event.json()?;
        let question = Question::deserialize(&ask)?;
        let answer = match question.kind.as_str() {
            "compare" | "html" | "query" | "http" => typed(Typed::deserialize(&ask)?, question.body, wiki).await,
            _ => untyped(question, wiki).await,
        };
        let document = match answer {
            Ok(Answer { document, blobs }) => {
                let texts: Vec<String> = blobs.iter().map(Blob::text).collect::<Result<_, _>>()?;
                json!({"ask": ask, "answer": document, "blobs": texts})
            }
            Err(LookupError { kind, message }) => {
                json!({"ask": ask, "error": {"kind": kind.word(), "message": message}})
            }
        };
        Ok(Emission::document("out", &document).into())
    }
}

async fn typed(question: Typed, body: Option<String>, wiki: &MediaWiki) -> Result<Answer, LookupError> {
    match question {
        Typed::Compare { domain, from_rev, to_rev } => compare(&domain, from_rev, to_rev, wiki).await,
        Typed::Html { domain, rev_id } => {
            let html = wiki.html(&domain, rev_id).await?;
            Ok(with_body(json!({"rev_id": html.rev_id, "headers": headers(&html.headers)}), html.body))
        }
        Typed::Query { domain, params } => Ok(of_response(&wiki.query(&domain, params).await?)),
        Typed::Http { target, path, method, query, headers } => {
            let mut lookup = wiki.http(&target, &path);
            if let Some(method) = &method {
                lookup = lookup.method(method);
            }
            for (name, value) in query {
                lookup = lookup.query(name, value);
            }
            for (name, value) in headers {
                lookup = lookup.header(name, value);
            }
            if let Some(body) = body {
                lookup = lookup.body(body);
            }
            Ok(of_response(&lookup.await?))
        }
    }
}

async fn compare(domain: &str, from_rev: u64, to_rev: u64, wiki: &MediaWiki) -> Result<Answer, LookupError> {
    let comparison = wiki.compare(domain, from_rev, to_rev).await?;
    let mut document = json!({"from_rev": comparison.from_rev, "to_rev": comparison.to_rev});
    for (name, size) in [("from_size", comparison.from_size), ("to_size", comparison.to_size)] {
        if let Some(size) = size {
            document = with(document, name, json!(size));
        }
    }
    Ok(match comparison.body {
        Some(body) => with_body(document, body),
        None => Answer { document: with(document, "hidden", json!(true)), blobs: Vec::new() },
    })
}

async fn untyped(question: Question, wiki: &MediaWiki) -> Result<Answer, LookupError> {
    let mut lookup = wiki.ask(question.kind, question.params.to_string());
    if let Some(body) = question.body {
        lookup = lookup.body(body);
    }
    let reply = lookup.await?;
    Ok(Answer { document: reply.json()?, blobs: reply.blobs })
}

fn of_response(response: &Response) -> Answer {
    with_body(json!({"status": response.status, "headers": headers(&response.headers)}), response.body)
}

fn headers(headers: &Headers) -> Value {
    headers.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

fn with_body(document: Value, body: Blob) -> Answer {
    let document = with(with(document, "size", json!(body.size())), "body", json!(0));
    Answer { document, blobs: vec![body] }
}

fn with(mut document: Value, name: &str, value: Value) -> Value {
    if let Some(members) = document.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
    document
}

millrace_sdk::plugin!(Lookups);

#[cfg(test)]
mod tests;
