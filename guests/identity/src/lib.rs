//! Emits every event as it came, tombstones included: the least that a plugin can do, and what a turn costs at least.

use millrace_sdk::{Describe, Emission, Event, Failure, Input, MediaWiki, Outcome, Output, Plugin};

struct Identity;

impl Plugin for Identity {
    type Settings = ();

    fn describe() -> Describe {
        // It reads no field: the patch of nothing is the whole document, which never leaves the host.
        let nothing: [&str; 0] = [];
        Describe::new("identity", env!("CARGO_PKG_VERSION"))
            .input("in", Input::new().fields(nothing).tombstones())
            .output("out", Output::new())
    }

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
        if event.is_tombstone() {
            return Ok(Emission::tombstone("out").into());
        }
        Ok(event.patch().emit("out"))
    }
}

millrace_sdk::plugin!(Identity);

#[cfg(test)]
mod tests;
