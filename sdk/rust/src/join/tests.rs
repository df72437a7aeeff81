//! Many lookups at once: none is lost, none is out of order, and no more are open than may be.

use super::*;
use crate::bindings::millrace::plugin::types as wit;
use crate::executor::Executor;
use crate::{Describe, Event, Failure, Input, LookupError, MediaWiki, Outcome, Output, Plugin, json};
use std::collections::VecDeque;

/// Asks for the revisions 1 to `count`, in the way that `by` says.
struct Many;

#[derive(serde::Deserialize)]
struct Wanted {
    by: String,
    count: u64,
}

impl Plugin for Many {
    type Settings = ();

    fn describe() -> Describe {
        Describe::new("many", "1.0.0").input("in", Input::new()).output("out", Output::new()).lookup("ask")
    }

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    async fn process(&self, event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
        let Wanted { by, count } = event.json()?;
        let ask = |number: u64| wiki.ask("ask", json!({"number": number}).to_string());
        let read = |reply: Result<crate::lookup::Reply, LookupError>| reply.and_then(|reply| reply.json::<u64>());
        let numbers: Result<Vec<u64>, _> = match by.as_str() {
            "join_all" => join_all((1..=count).map(ask)).await.into_iter().map(read).collect(),
            "two join_all" => {
                let (first, second) =
                    join(join_all((1..=count / 2).map(ask)), join_all((count / 2 + 1..=count).map(ask))).await;
                first.into_iter().chain(second).map(read).collect()
            }
            "futures that ask twice" => {
                let twice = |number| async move {
                    ask(number).await?;
                    ask(number).await
                };
                join_all((1..=count).map(twice)).await.into_iter().map(read).collect()
            }
            "dropped lookups" => {
                dropped(join_all((1..=count).map(ask))).await;
                join_all((1..=count).map(ask)).await.into_iter().map(read).collect()
            }
            _ => join_all((1..=count).map(std::future::ready)).await.into_iter().map(Ok).collect(),
        };
        Ok(event.patch().set("/numbers", &numbers?).emit("out"))
    }
}

/// Polls once, and drops what is not ready then.
async fn dropped(future: impl Future) {
    let mut future = pin!(future);
    poll_fn(|ctx| {
        drop(future.as_mut().poll(ctx));
        Poll::Ready(())
    })
    .await;
}

fn event(by: &str, count: u64) -> wit::Input {
    wit::Input::Event(wit::Event {
        ticket: 1,
        input: "in".to_owned(),
        source: wit::Source { topic: "t".to_owned(), partition: 0, offset: 1 },
        timestamp_ms: 0,
        key: None,
        value: Some(wit::Payload::Inline(json!({"by": by, "count": count}).to_string().into_bytes())),
        headers: Vec::new(),
        attempt: 1,
    })
}

/// Answers one ask a turn, the newest open one first, and returns the numbers of the result and how many asks were open
/// at most.
fn run(by: &str, count: u64) -> (Vec<u64>, usize) {
    let mut executor = Executor::<Many>::configure("{}").unwrap();
    let mut open: VecDeque<wit::Ask> = VecDeque::new();
    let mut open_most = 0;
    let mut inputs = vec![event(by, count)];
    loop {
        for output in executor.turn(0, std::mem::take(&mut inputs)) {
            match output {
                wit::Output::Ask(ask) => open.push_back(ask),
                wit::Output::Done(wit::Done { outcome: wit::Outcome::Emit(emissions), .. }) => {
                    let wit::Document::Patch(edits) = &emissions[0].document else { panic!("a patch") };
                    let wit::Change::Set(pieces) = &edits[0].change else { panic!("a set") };
                    let wit::Piece::Bytes(bytes) = &pieces[0] else { panic!("bytes") };
                    return (serde_json::from_slice(bytes).unwrap(), open_most);
                }
                wit::Output::Done(done) => panic!("{done:?}"),
            }
        }
        open_most = open_most.max(open.len());
        let ask = open.pop_back().expect("neither done nor asking");
        let params: crate::Value = serde_json::from_str(&ask.params).unwrap();
        let document = wit::Payload::Inline(params["number"].to_string().into_bytes());
        let result = Ok(wit::Reply { document, blobs: Vec::new() });
        inputs.push(wit::Input::Answer(wit::Answer { ticket: 1, id: ask.id, result }));
    }
}

#[track_caller]
fn check(by: &str, count: u64, open_most: usize) {
    assert_eq!(run(by, count), ((1..=count).collect(), open_most), "{by} of {count}");
}

#[test]
fn as_many_are_asked_at_once_as_may_be_open() {
    check("join_all", 0, 0);
    check("join_all", 1, 1);
    check("join_all", 64, 64);
    check("join_all", 65, 64);
    check("join_all", 1_000, 64);
}

#[test]
fn all_lookups_of_an_event_count_together() {
    check("two join_all", 120, 64);
    check("futures that ask twice", 200, 64);
}

#[test]
fn lookups_that_nobody_waits_for_any_more_are_still_open() {
    check("dropped lookups", 80, 64);
}

#[test]
fn futures_that_are_ready_at_once_need_no_turn() {
    check("ready", 500, 0);
}
