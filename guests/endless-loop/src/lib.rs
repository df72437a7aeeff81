//! Never comes back from an event whose field `loop` is true; the others pass. For tests of the CPU deadline of a turn.

use millrace_sdk::{Describe, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin};
use serde::Deserialize;
use std::hint::black_box;

struct EndlessLoop;

#[derive(Deserialize)]
struct Doomed {
    #[serde(default)]
    r#loop: bool,
}

impl Plugin for EndlessLoop {
    type Settings = ();

    fn describe() -> Describe {
        Describe::new("endless-loop", env!("CARGO_PKG_VERSION"))
            .input("in", Input::new().fields(["/loop"]))
            .output("out", Output::new())
    }

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
        let mut rounds: u64 = 0;
        while black_box(event.json::<Doomed>()?.r#loop) {
            rounds = black_box(rounds.wrapping_add(1));
        }
        Ok(event.patch().emit("out"))
    }
}

millrace_sdk::plugin!(EndlessLoop);

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_sdk::json;
    use millrace_sdk::testing::Host;

    #[test]
    fn an_event_that_does_not_ask_for_the_loop_passes() {
        let mut host = Host::<EndlessLoop>::new(json!({})).unwrap();
        for event in [json!({"a": 1}), json!({"loop": false})] {
            assert_eq!(host.run("in", &event).documents(), [event]);
        }
    }
}
