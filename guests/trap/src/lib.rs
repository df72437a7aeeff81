//! Traps in the way that the field `trap` of an event names; events without it pass. For tests of what the host does
//! with an instance that dies: `panic`, `panic_after_lookup`, `abort`, `out_of_bounds`, `stack`, `memory`. And for a
//! bystander: `ask_twice` asks two wikis, one after the other, and emits what the first one said as `content`.

#![expect(clippy::panic, clippy::indexing_slicing, reason = "what this plugin is for")]

use millrace_sdk::{Describe, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin, Slot};
use serde::Deserialize;
use std::hint::black_box;

struct Trap;

#[derive(Deserialize)]
struct Doomed {
    trap: Option<String>,
}

impl Plugin for Trap {
    type Settings = ();

    fn describe() -> Describe {
        Describe::new("trap", env!("CARGO_PKG_VERSION"))
            .input("in", Input::new().fields(["/trap"]))
            .output("out", Output::new())
            .lookup("revision")
    }

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    async fn process(&self, event: Event, wiki: &MediaWiki) -> Result<Outcome, Failure> {
        match event.json::<Doomed>()?.trap.as_deref() {
            None => Ok(event.patch().emit("out")),
            Some("panic") => panic!("as the event wants it"),
            Some("panic_after_lookup") => {
                wiki.revision("test.example.org", 1).await?;
                panic!("as the event wants it, after a lookup");
            }
            Some("ask_twice") => {
                let first = wiki.revision("first.example.org", 1).await?;
                wiki.revision("second.example.org", 2).await?;
                let patch = match first.slot("main") {
                    Some(Slot::Hidden) => event.patch().set("/content", &"hidden"),
                    _ => event.patch().set_string_blob("/content", first.content("main")?.body),
                };
                Ok(patch.emit("out"))
            }
            Some("abort") => std::process::abort(),
            Some("out_of_bounds") => Ok(Outcome::skip(["a", "b"][black_box(2)])),
            Some("stack") => Ok(Outcome::skip(deeper(black_box(0)).to_string())),
            Some("memory") => Ok(Outcome::skip(hoard().to_string())),
            Some(other) => Err(Failure::new("unknown_trap", format!("no trap is called {other}"))),
        }
    }
}

/// Calls itself until the stack is used up.
fn deeper(depth: u64) -> u64 {
    let ballast = black_box([depth; 64]);
    if black_box(true) { deeper(depth + 1) + ballast[0] } else { depth }
}

/// Allocates until there is no more; the allocator then aborts.
fn hoard() -> usize {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    while black_box(true) {
        hoard.push(vec![1; 1 << 20]);
    }
    hoard.len()
}

millrace_sdk::plugin!(Trap);

#[cfg(test)]
mod tests;
