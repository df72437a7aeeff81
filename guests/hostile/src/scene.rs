//! What a misdeed has at hand: the ticket that suffers it, and the words in which a plugin speaks.

use crate::contract::millrace::plugin::types::{Ask, Change, Document, Done, Edit, Emission, Outcome, Output, Piece};
use crate::contract::millrace::plugin::{log, metrics};

/// A ticket in flight.
pub(crate) struct Open {
    pub(crate) is_hostile: bool,
    domain: String,
    pub(crate) rev_id: u64,
    /// The body of its latest answer.
    pub(crate) blob: Option<u64>,
    /// How often it asked.
    pub(crate) asked: u32,
    pub(crate) is_over: bool,
}

impl Open {
    pub(crate) fn new(is_hostile: bool, domain: String, rev_id: u64) -> Self {
        Self { is_hostile, domain, rev_id, blob: None, asked: 0, is_over: false }
    }

    /// Asks for the revision that is `further` beyond the event's own.
    pub(crate) fn ask(&mut self, ticket: u64, further: u64) -> Output {
        let params = format!("{{\"domain\":\"{}\",\"rev_id\":{}}}", self.domain, self.rev_id + further);
        self.asked += 1;
        Output::Ask(Ask { ticket, id: self.asked, kind: "revision".to_owned(), params, body: Vec::new() })
    }
}

/// One ticket at the moment of its answer.
pub(crate) struct Scene<'a> {
    pub(crate) ticket: u64,
    pub(crate) open: &'a mut Open,
    /// A blob of another ticket, if one is at hand.
    pub(crate) foreign_blob: Option<u64>,
    /// A blob of a ticket that is over, if there was one.
    pub(crate) ended_blob: Option<u64>,
    pub(crate) said: &'a mut Vec<Output>,
}

impl Scene<'_> {
    /// Asks for the revision that is `further` beyond the event's own.
    pub(crate) fn ask(&mut self, further: u64) {
        let ask = self.open.ask(self.ticket, further);
        self.said.push(ask);
    }

    /// Ends the ticket.
    pub(crate) fn done(&mut self, outcome: Outcome) {
        self.open.is_over = true;
        self.said.push(Output::Done(Done { ticket: self.ticket, outcome }));
    }

    /// Emits one document and ends the ticket.
    pub(crate) fn emit(&mut self, document: Document) {
        self.done(Outcome::Emit(vec![emission("out", document)]));
    }

    /// Emits the input with one field set to `pieces`, and ends the ticket.
    pub(crate) fn set(&mut self, path: &str, pieces: Vec<Piece>) {
        let edit = Edit { path: path.to_owned(), change: Change::Set(pieces) };
        self.emit(Document::Patch(vec![edit]));
    }

    /// What a bystander does: it is counted, logged, and passes as it came.
    pub(crate) fn pass(&mut self) {
        metrics::count(Some(self.ticket), "passed", &[], 1);
        log::write(Some(self.ticket), log::Level::Info, "passed");
        self.emit(Document::Patch(Vec::new()));
    }
}

/// One event for an output.
pub(crate) fn emission(output: &str, document: Document) -> Emission {
    Emission { output: output.to_owned(), key: None, document, headers: Vec::new() }
}

/// Bytes as they are.
pub(crate) fn bytes(text: &str) -> Piece {
    Piece::Bytes(text.as_bytes().to_vec())
}
