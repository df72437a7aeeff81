//! Each kind of lookup: what is asked, and what becomes of its answer. One plugin makes the lookup that the field `ask`
//! of an event names, and writes what it got under `found`.

use crate::testing::{Decided, Host, Recording};
use crate::{Blob, Describe, Event, Failure, Input, MediaWiki, Outcome, Output, Pieces, Plugin, Response, Value, json};

const WIKI: &str = "test.example.org";

struct Asker;

impl Plugin for Asker {
    type Settings = ();

    fn describe() -> Describe {
        let kinds = ["revision", "compare", "html", "query", "http", "entity"];
        kinds.into_iter().fold(
            Describe::new("asker", "1.0.0").input("in", Input::new()).output("out", Output::new()),
            Describe::lookup,
        )
    }

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    async fn process(&self, event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
        let document: Value = event.json()?;
        let found = found(document["ask"].as_str().unwrap_or_default(), wiki).await?;
        Ok(event.patch().set("/found", &found).emit("out"))
    }
}

async fn found(what: &str, wiki: &MediaWiki) -> Result<Value, Failure> {
    Ok(match what {
        "revision" => {
            let revision = wiki.revision(WIKI, 7).await?;
            let content = revision.content("main")?;
            json!({"model": content.model, "format": content.format, "sha1": content.sha1})
        }
        "compare" => {
            let compared = wiki.compare(WIKI, 6, 7).await?;
            let body = compared.body.map(|body| body.text()).transpose()?;
            let rows = compared.rows().map(|rows| rows.size()).map_err(|failure| failure.kind);
            json!([compared.from_rev, compared.to_rev, compared.from_size, compared.to_size, body, rows])
        }
        "html" => {
            let html = wiki.html(WIKI, 7).await?;
            let headers: Vec<_> = html.headers.iter().collect();
            json!([html.rev_id, headers, html.headers.get("ETag"), html.body.text()?])
        }
        "query" => {
            let pages = ["3", "4"].join("|");
            let query = wiki.query(WIKI, [("prop", "info"), ("pageids", "1")]).param("pageids", pages);
            of_response(&query.params([("inprop".to_owned(), "url".to_owned())]).await?)?
        }
        "query of another shape" => {
            json!(wiki.query(WIKI, [("prop", "info")]).await?.json::<Vec<u8>>()?)
        }
        "http" => of_response(&wiki.http("scores", "/v1/a").await?)?,
        "http with everything" => {
            let text = wiki.revision(WIKI, 7).await?.content("main")?.body;
            let body = Pieces::new().raw(r#"{"text":"#).string_blob(text).raw("}");
            let asked = wiki.http("scores", "/v1/a").method("POST").query("lang", "en").query("extended", "1");
            of_response(&asked.header("Content-Type", "application/json").body(body).await?)?
        }
        "ask" => {
            let reply = wiki.ask("entity", json!({"id": "Q42"}).to_string()).body("a body").await?;
            json!([reply.json::<Value>()?, reply.blob(0)?.json::<Value>()?])
        }
        "ask for what is no JSON" => {
            let reply = wiki.ask("entity", json!({"id": "Q42"}).to_string()).await?;
            reply.blob(1)?.json::<Value>()?
        }
        other => {
            let (kind, params) = other.split_once(' ').unwrap_or((other, ""));
            json!(wiki.ask(kind, params).body(Vec::from(*b"body")).await.map(|reply| reply.document)?)
        }
    })
}

fn of_response(response: &Response) -> Result<Value, Failure> {
    let Response { status, headers, body } = response;
    let body: &Blob = body;
    Ok(json!([status, headers.get("content-type"), body.size(), response.json::<Value>()?]))
}

fn host() -> Host<Asker> {
    let mut host = Host::<Asker>::new(json!({})).unwrap();
    let (response, body) =
        (json!({"status": 201, "headers": {"content-type": "a/b"}, "size": 7, "body": 0}), r#"{"a":1}"#);
    host.record(Recording::answer("query", json!({}), response.clone(), [body]));
    host.record(
        Recording::answer("http", json!({"method": "POST"}), response.clone(), [body]).body(r#"{"text":"\"x\""}"#),
    );
    host.record(Recording::answer("http", json!({"path": "/v1/a"}), json!({"status": 200, "body": 0}), ["[]"]));
    host.record(Recording::answer("entity", json!({}), json!({"size": 7}), [body, "text"]));
    let main = json!({"model": null, "format": "text/plain", "size": 3, "sha1": "s", "body": 0});
    host.record(Recording::answer("revision", json!({}), json!({"rev_id": 7, "slots": {"main": main}}), ["\"x\""]));
    host
}

fn run(host: &mut Host<Asker>, what: &str) -> Decided {
    host.run("in", &json!({"ask": what}))
}

#[track_caller]
fn check(mut host: Host<Asker>, what: &str, expected: Value) {
    let decided = run(&mut host, what);
    assert_eq!(decided.documents(), [json!({"ask": what, "found": expected})], "{what}: {:?}", decided.decision);
}

#[track_caller]
fn check_failure(mut host: Host<Asker>, what: &str, expected: &str, message: &str) {
    let decided = run(&mut host, what);
    assert_eq!(decided.failure_kind(), Some(expected), "{what}: {decided:?}");
    assert!(format!("{:?}", decided.decision).contains(message), "{what}: {decided:?}");
}

/// Expects that this, and nothing else, is asked last.
#[track_caller]
fn check_asked(what: &str, kind: &str, params: Value, body: Option<&str>) {
    let mut decided = run(&mut host(), what);
    assert_eq!(decided.asks.pop(), Some((kind.to_owned(), params)), "{what}");
    assert_eq!(decided.bodies.pop(), Some(body.map(|body| body.as_bytes().to_vec())), "{what}");
}

fn with(recording: Recording) -> Host<Asker> {
    let mut host = Host::<Asker>::new(json!({})).unwrap();
    host.record(recording);
    host
}

#[test]
fn a_model_that_the_wiki_does_not_name_is_none() {
    check(host(), "revision", json!({"model": null, "format": "text/plain", "sha1": "s"}));
    let slots = json!({"main": {"model": "wikitext", "format": null, "size": 0, "sha1": "s", "body": 0}});
    let answer = Recording::answer("revision", json!({}), json!({"rev_id": 7, "slots": slots}), [""]);
    check(with(answer), "revision", json!({"model": "wikitext", "format": null, "sha1": "s"}));
}

#[test]
fn a_comparison_has_rows_unless_one_side_is_hidden() {
    let answer = |document, blobs: &[&'static str]| {
        with(Recording::answer(
            "compare",
            json!({"domain": WIKI, "from_rev": 6, "to_rev": 7}),
            document,
            blobs.to_vec(),
        ))
    };
    let whole = json!({"from_rev": 6, "to_rev": 7, "from_size": 18, "to_size": 12, "size": 4, "body": 0});
    check(answer(whole, &["<tr>"]), "compare", json!([6, 7, 18, 12, "<tr>", {"Ok": 4}]));
    let same = json!({"from_rev": 6, "to_rev": 7, "size": 0, "body": 0});
    check(answer(same, &[""]), "compare", json!([6, 7, null, null, "", {"Ok": 0}]));
    let hidden = json!({"from_rev": 6, "to_rev": 7, "hidden": true});
    check(answer(hidden, &[]), "compare", json!([6, 7, null, null, null, {"Err": "hidden"}]));
    let neither = json!({"from_rev": 6, "to_rev": 7});
    check_failure(answer(neither, &[]), "compare", "lookup_invalid", "neither a body nor is hidden");
    let no_blob = json!({"from_rev": 6, "to_rev": 7, "size": 4, "body": 1});
    check_failure(answer(no_blob, &["<tr>"]), "compare", "lookup_invalid", "no blob 1");
}

#[test]
fn html_comes_with_its_headers() {
    let headers = json!({"content-type": "text/html", "etag": "W/1", "of-a-newer-host": "x"});
    let document = json!({"rev_id": 7, "headers": headers, "size": 3, "body": 0});
    let answer = || Recording::answer("html", json!({"domain": WIKI, "rev_id": 7}), document.clone(), ["<p>"]);
    let headers = json!([["content-type", "text/html"], ["etag", "W/1"], ["of-a-newer-host", "x"]]);
    check(with(answer()), "html", json!([7, headers, "W/1", "<p>"]));
    let denied = Recording::error("html", json!({}), "denied", "hidden");
    check_failure(with(denied), "html", "lookup_denied", "hidden");
}

#[test]
fn a_query_asks_with_its_parameters_and_answers_as_json() {
    let params = json!({"prop": "info", "pageids": "3|4", "inprop": "url"});
    check_asked("query", "query", json!({"domain": WIKI, "params": params}), None);
    check(host(), "query", json!([201, "a/b", 7, {"a": 1}]));
    check_failure(host(), "query of another shape", "lookup_invalid", "body of the answer");
}

#[test]
fn an_http_request_has_what_it_was_given_and_no_more() {
    check_asked("http", "http", json!({"target": "scores", "path": "/v1/a"}), None);
    check(host(), "http", json!([200, null, 2, []]));
    let params = json!({
        "target": "scores",
        "path": "/v1/a",
        "method": "POST",
        "query": {"lang": "en", "extended": "1"},
        "headers": {"content-type": "application/json"},
    });
    check_asked("http with everything", "http", params, Some(r#"{"text":"\"x\""}"#));
    check(host(), "http with everything", json!([201, "a/b", 7, {"a": 1}]));
}

#[test]
fn any_other_kind_is_asked_by_its_name() {
    check_asked("ask", "entity", json!({"id": "Q42"}), Some("a body"));
    check(host(), "ask", json!([{"size": 7}, {"a": 1}]));
    check_failure(host(), "ask for what is no JSON", "invalid_json", "expected");
    check_failure(host(), "revision {}", "lookup_invalid", "has no body");
    check_failure(host(), "entity []", "lookup_invalid", "no JSON object");
}
