//! A plugin that breaks one rule, the one that its setting `misdeed` names: `misdeeds.rs` lists them, and each has a file.
//! Events whose field `hostile` is true suffer it. All others are bystanders: they ask for a revision, are counted, and
//! pass. Written against the contract itself, because the SDK would keep the rules.

mod contract;
mod misdeeds;
mod scene;

use contract::millrace::plugin::types::{Answer, Event, Input, Output, Payload};
use misdeeds::{Misdeed, Whom};
use scene::{Open, Scene};
use serde::Deserialize;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What the plugin says of itself.
const DESCRIBE: &str = r#"{
    "name": "hostile", "version": "0.1.0",
    "inputs": {"in": {"fields": ["/hostile", "/meta/domain", "/revision/rev_id"]}},
    "outputs": {"out": {}},
    "lookups": ["revision"],
    "settings": {"type": "object", "required": ["misdeed"], "properties": {"misdeed": {"type": "string"}}}
}"#;

#[derive(Deserialize)]
struct Settings {
    misdeed: String,
}

/// What is read of an event.
#[derive(Deserialize)]
struct Seen {
    #[serde(default)]
    hostile: bool,
    meta: Meta,
    revision: Revision,
}

#[derive(Deserialize)]
struct Meta {
    domain: String,
}

#[derive(Deserialize)]
struct Revision {
    rev_id: u64,
}

/// One instance.
#[derive(Default)]
struct Instance {
    misdeed: Option<&'static Misdeed>,
    open: BTreeMap<u64, Open>,
    /// A blob of a ticket that is over in this turn: it ends with the turn.
    ending_blob: Option<u64>,
    /// A blob of a ticket that was over before this turn.
    ended_blob: Option<u64>,
}

impl Instance {
    fn turn(&mut self, inputs: Vec<Input>) -> Vec<Output> {
        let mut said = Vec::new();
        self.ended_blob = self.ending_blob.take().or(self.ended_blob);
        for input in inputs {
            match input {
                Input::Event(event) => self.event(&event, &mut said),
                Input::Answer(answer) => self.answer(&answer, &mut said),
                Input::Cancel(ticket) => drop(self.open.remove(&ticket)),
                Input::Timer(_) => {}
            }
        }
        said
    }

    /// Every event asks for its revision first, so that it has an answer and blobs when it misbehaves.
    fn event(&mut self, event: &Event, said: &mut Vec<Output>) {
        let Some(Payload::Inline(document)) = &event.value else { return };
        let Ok(seen) = serde_json::from_slice::<Seen>(document) else { return };
        let everyone = self.misdeed.is_some_and(|misdeed| misdeed.whom == Whom::Everyone);
        let mut open = Open::new(seen.hostile || everyone, seen.meta.domain, seen.revision.rev_id);
        said.push(open.ask(event.ticket, 0));
        self.open.insert(event.ticket, open);
    }

    fn answer(&mut self, answer: &Answer, said: &mut Vec<Output>) {
        let others = self.open.iter().filter(|(ticket, _)| **ticket != answer.ticket);
        let foreign_blob = others.filter_map(|(_, open)| open.blob).next_back();
        let ended_blob = self.ended_blob;
        let Some(open) = self.open.get_mut(&answer.ticket) else { return };
        if let Ok(reply) = &answer.result {
            open.blob = reply.blobs.first().map(|blob| blob.id).or(open.blob);
        }
        let mut scene = Scene { ticket: answer.ticket, open, foreign_blob, ended_blob, said };
        match self.misdeed.filter(|_| scene.open.is_hostile) {
            Some(misdeed) => (misdeed.commit)(&mut scene),
            None => scene.pass(),
        }
        if open.is_over {
            self.ending_blob = open.blob;
            self.open.remove(&answer.ticket);
        }
    }
}

thread_local! {
    static INSTANCE: RefCell<Instance> = RefCell::default();
}

/// What the host calls.
struct Component;

impl contract::exports::millrace::plugin::processor::Guest for Component {
    fn describe() -> String {
        DESCRIBE.to_owned()
    }

    fn configure(settings: String) -> Result<(), String> {
        let Settings { misdeed } = serde_json::from_str(&settings).map_err(|error| error.to_string())?;
        let known = misdeeds::ALL.iter().find(|known| known.name == misdeed);
        let misdeed = known.ok_or_else(|| format!("no misdeed is called {misdeed}"))?;
        if misdeed.whom == Whom::Operator {
            misdeeds::spin::forever();
        }
        INSTANCE.with_borrow_mut(|instance| instance.misdeed = Some(misdeed));
        Ok(())
    }

    fn turn(_now_ms: u64, inputs: Vec<Input>) -> Vec<Output> {
        INSTANCE.with_borrow_mut(|instance| instance.turn(inputs))
    }
}

#[cfg(target_arch = "wasm32")]
#[allow(unreachable_pub, reason = "generated")]
const _: () = {
    contract::export_component!(Component with_types_in contract);
};

#[cfg(not(target_arch = "wasm32"))]
const _: fn(String) -> Result<(), String> =
    <Component as contract::exports::millrace::plugin::processor::Guest>::configure;
