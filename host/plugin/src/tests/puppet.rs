//! The stage for `puppet.wat`: makes components of text, runs crews of them, and answers what they ask.

use crate::{Crew, Effect, Engine, EngineConfig, Event, FaultKind, Limits, Payload, Plugin, Report, Ticket};
use bytes::Bytes;
use millrace_flow::lookup::{Answer, Ask, Reply};
use millrace_flow::outcome::Outcome;
use millrace_flow::record::TopicPartition;
use millrace_flow::state::StateChanges;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

pub(super) const PUPPET: &str = include_str!("puppet.wat");

/// The engine of all tests but those that want another.
pub(super) static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(EngineConfig::default()).unwrap());

static PLUGIN: LazyLock<Plugin> = LazyLock::new(|| ENGINE.load(&component(PUPPET)).unwrap());

/// The contract.
pub(super) fn contract() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/plugin.wit")).unwrap()
}

/// Makes a component of the contract's world of a core module in text.
pub(super) fn component(core: &str) -> Vec<u8> {
    component_of(core, &contract())
}

/// The same for the world `plugin` of another contract.
pub(super) fn component_of(core: &str, wit: &str) -> Vec<u8> {
    let mut module = wat::parse_str(core).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("plugin.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// An event whose key is a script for the puppet.
pub(super) fn scripted(script: &str) -> Event {
    Event {
        input: "in".into(),
        source: TopicPartition::new("topic", 0),
        offset: 7,
        timestamp_ms: 1_000,
        key: Some(Bytes::copy_from_slice(script.as_bytes())),
        value: Some(Payload::Inline(Bytes::from_static(b"{}"))),
        headers: Vec::new(),
        attempt: 1,
    }
}

pub(super) fn good(blobs: &[&'static str]) -> Answer {
    let blobs =
        blobs.iter().map(|text| millrace_flow::blob::Blob::plain(Bytes::from_static(text.as_bytes()))).collect();
    Ok(Reply { document: Bytes::from_static(b"{}"), blobs })
}

/// A crew of puppets and everything that it wanted done.
pub(super) struct Stage {
    pub(super) crew: Crew,
    pub(super) now_ms: u64,
    /// Asks that were not answered yet, in their order.
    pub(super) asks: Vec<(Ticket, Ask)>,
    /// How tickets ended, in that order.
    pub(super) ends: Vec<(Ticket, End, Report)>,
    /// What tickets changed, of those that changed anything.
    pub(super) changes: Vec<(Ticket, StateChanges)>,
    /// Asks in all.
    pub(super) asked: usize,
}

/// How a ticket ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    Done(Outcome),
    Fault(FaultKind, String, Option<String>),
}

impl Stage {
    pub(super) fn new(limits: Limits) -> Self {
        Self::of(&PLUGIN, limits)
    }

    pub(super) fn of(plugin: &Plugin, limits: Limits) -> Self {
        let crew = Crew::new(plugin, "{}", limits).unwrap();
        Self { crew, now_ms: 1_000, asks: vec![], ends: vec![], changes: vec![], asked: 0 }
    }

    pub(super) fn start(&mut self, script: &str) -> Ticket {
        self.crew.start(scripted(script))
    }

    /// One round.
    pub(super) fn round(&mut self) {
        let mut effects = Vec::new();
        self.crew.run(self.now_ms, Duration::MAX, &mut effects);
        for effect in effects {
            match effect {
                Effect::Ask { ticket, ask } => {
                    self.asked += 1;
                    self.asks.push((ticket, ask));
                }
                Effect::Done { ticket, outcome, report, changes } => {
                    self.ends.push((ticket, End::Done(outcome), report));
                    if !changes.is_empty() {
                        self.changes.push((ticket, changes));
                    }
                }
                Effect::Fault { ticket, fault, report } => {
                    self.ends.push((ticket, End::Fault(fault.kind, fault.message, fault.stack), report));
                }
            }
        }
    }

    /// Rounds until nothing is left to do but to wait for answers.
    #[track_caller]
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.crew.has_work() {
                return;
            }
            self.round();
        }
        panic!("the crew never comes to rest");
    }

    /// Answers what this ticket asks.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: &Answer) {
        let (mine, others) = std::mem::take(&mut self.asks).into_iter().partition(|(whose, _)| *whose == ticket);
        self.asks = others;
        let mine: Vec<(Ticket, Ask)> = mine;
        for (ticket, ask) in mine {
            self.crew.answer(ticket, ask.id, answer.clone());
        }
    }

    /// How `ticket` ended.
    #[track_caller]
    pub(super) fn end(&self, ticket: Ticket) -> &End {
        let mut ends = self.ends.iter().filter(|(whose, ..)| *whose == ticket);
        let (_, end, _) = ends.next().expect("the ticket has not ended");
        assert!(ends.next().is_none(), "the ticket ended twice");
        end
    }

    pub(super) fn report(&self, ticket: Ticket) -> &Report {
        self.ends.iter().find(|(whose, ..)| *whose == ticket).map(|(.., report)| report).unwrap()
    }

    #[track_caller]
    pub(super) fn assert_skipped(&self, ticket: Ticket) {
        assert_eq!(*self.end(ticket), End::Done(Outcome::Skip("reason".to_owned())));
    }

    /// Expects that `ticket` ended with a fault that says `message`.
    #[track_caller]
    pub(super) fn assert_fault(&self, ticket: Ticket, kind: FaultKind, message: &str) {
        match self.end(ticket) {
            End::Fault(found, said, _) => {
                assert_eq!(*found, kind, "{said}");
                assert!(said.contains(message), "{said}");
                assert!(said.starts_with("plugin puppet 1.2.3 failed on this event: "), "{said}");
            }
            End::Done(outcome) => panic!("it ended well: {outcome:?}"),
        }
    }
}

/// An engine with a directory for compiled code.
pub(super) fn caching_engine(dir: &Path) -> Engine {
    Engine::new(EngineConfig { cache_dir: Some(dir.to_owned()), ..EngineConfig::default() }).unwrap()
}

/// Limits under which a loop ends soon.
pub(super) fn impatient() -> Limits {
    Limits { turn_base_ms: 10, ..Limits::default() }
}
