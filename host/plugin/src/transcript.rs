//! The asks and answers of one ticket, in order, kept until it settles. A re-run is answered from here without asking
//! anybody again, but for answers whose seal is broken: what they show may have become forbidden.

use crate::bindings::types;
use millrace_flow::lookup::{Ask, SealedAnswer};

/// A ticket's exchanges may outnumber its asks when re-runs ask other questions; beyond this many times the limit of
/// asks the plugin is no function of its inputs.
pub(crate) const EXCHANGES_PER_ASK_MAX: usize = 4;

/// One question and what became of it.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// As the plugin asked it, with its own number.
    pub(crate) ask: Ask,
    /// None while the question is open.
    pub(crate) answer: Option<SealedAnswer>,
    /// The rank of the answer among the ticket's answers.
    rank: u32,
    /// Whether the plugin has asked this in the current run.
    asked: bool,
    /// The numbers that the current instance knows the answer's large parts by; first the document, if it is large.
    pub(crate) document: Option<types::Blob>,
    /// The answer's blobs by number.
    pub(crate) blobs: Vec<types::Blob>,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Somebody must answer it, under this number.
    Afresh(u32),
    /// An earlier run asked it, and its answer is still to come.
    Pending,
    /// An earlier run has its answer: this exchange, whose answer had this rank.
    Answered {
        /// The exchange.
        exchange: u32,
        /// Answers are given again in the order of their ranks.
        rank: u32,
    },
}

/// The asks and answers of one ticket.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    exchanges: Vec<Exchange>,
    answers: u32,
    /// Questions of the current run that the plugin has no answer to yet.
    open: usize,
    /// Questions of the current run.
    asked: usize,
}

impl Transcript {
    /// Questions of the current run that the plugin has no answer to yet.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Questions of the current run.
    pub(crate) fn asked(&self) -> usize {
        self.asked
    }

    /// Questions of all runs.
    pub(crate) fn len(&self) -> usize {
        self.exchanges.len()
    }

    /// Whether the plugin used the number `id` for another question of the current run.
    pub(crate) fn uses(&self, id: u32) -> bool {
        self.exchanges.iter().any(|exchange| exchange.asked && exchange.ask.id == id)
    }

    /// Notes a question of the current run. One that an earlier run asked as well, equal in id, kind, params and body,
    /// is the same question.
    pub(crate) fn ask(&mut self, ask: Ask) -> Asked {
        self.open += 1;
        self.asked += 1;
        for (number, exchange) in (0..).zip(&mut self.exchanges) {
            if !exchange.asked && exchange.ask == ask {
                exchange.asked = true;
                return match exchange.answer {
                    Some(_) => Asked::Answered { exchange: number, rank: exchange.rank },
                    None => Asked::Pending,
                };
            }
        }
        let number = u32::try_from(self.exchanges.len()).unwrap_or(u32::MAX);
        self.exchanges.push(Exchange { ask, answer: None, rank: 0, asked: true, document: None, blobs: Vec::new() });
        Asked::Afresh(number)
    }

    /// Notes the answer to exchange `number`. True: the plugin waits for it in the current run. A second answer and
    /// one to an unknown number are ignored.
    pub(crate) fn answer(&mut self, number: u32, answer: SealedAnswer) -> bool {
        let Some(exchange) = self.exchange_mut(number) else { return false };
        if exchange.answer.is_some() {
            return false;
        }
        exchange.answer = Some(answer);
        let asked = exchange.asked;
        self.answers += 1;
        let rank = self.answers;
        if let Some(exchange) = self.exchange_mut(number) {
            exchange.rank = rank;
        }
        asked
    }

    /// Throws the answer to exchange `number` away if its seal is broken, and returns the question, which somebody must
    /// answer anew. To be called each time before the answer is given.
    pub(crate) fn withdraw_forbidden(&mut self, number: u32) -> Option<Ask> {
        let exchange = self.exchange_mut(number)?;
        if exchange.answer.as_ref()?.holds() {
            return None;
        }
        exchange.answer = None;
        Some(Ask { id: number, ..exchange.ask.clone() })
    }

    /// Notes that the plugin gets the answer of an exchange with its next turn.
    pub(crate) fn deliver(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// Exchange `number`.
    pub(crate) fn exchange(&self, number: u32) -> Option<&Exchange> {
        self.exchanges.get(usize::try_from(number).ok()?)
    }

    /// Exchange `number`.
    pub(crate) fn exchange_mut(&mut self, number: u32) -> Option<&mut Exchange> {
        self.exchanges.get_mut(usize::try_from(number).ok()?)
    }

    /// Begins another run: nothing has been asked yet.
    pub(crate) fn restart(&mut self) {
        self.open = 0;
        self.asked = 0;
        for exchange in &mut self.exchanges {
            exchange.asked = false;
            exchange.document = None;
            exchange.blobs.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use millrace_flow::lookup::{Reply, Seal};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn ask(id: u32, params: &str) -> Ask {
        Ask { id, kind: "revision".to_owned(), params: params.to_owned(), body: vec![] }
    }

    fn answer(text: &'static str) -> SealedAnswer {
        Ok(Reply { document: Bytes::from_static(text.as_bytes()), blobs: vec![] }).into()
    }

    #[derive(Debug)]
    struct Breakable(Arc<AtomicBool>);

    impl Seal for Breakable {
        fn holds(&self) -> bool {
            !self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_re_run_gets_its_answers_in_their_first_order() {
        let mut transcript = Transcript::default();
        assert_eq!(transcript.ask(ask(1, "a")), Asked::Afresh(0));
        assert_eq!(transcript.ask(ask(2, "b")), Asked::Afresh(1));
        assert_eq!(transcript.ask(ask(3, "c")), Asked::Afresh(2));
        assert!(transcript.answer(1, answer("second")));
        assert!(transcript.answer(0, answer("first")));
        transcript.restart();
        assert_eq!(transcript.ask(ask(1, "a")), Asked::Answered { exchange: 0, rank: 2 });
        assert_eq!(transcript.ask(ask(2, "b")), Asked::Answered { exchange: 1, rank: 1 });
        assert_eq!(transcript.ask(ask(3, "c")), Asked::Pending);
        assert!(transcript.answer(2, answer("third")));
    }

    #[test]
    fn another_question_under_the_same_number_goes_out_afresh_and_the_old_answer_is_ignored() {
        let mut transcript = Transcript::default();
        transcript.ask(ask(1, "a"));
        transcript.restart();
        assert_eq!(transcript.ask(ask(1, "other")), Asked::Afresh(1));
        assert!(!transcript.answer(0, answer("old")));
        assert!(transcript.answer(1, answer("new")));
        assert_eq!((transcript.open(), transcript.asked(), transcript.len()), (1, 1, 2));
    }

    #[test]
    fn every_part_of_a_question_counts() {
        for other in [
            ask(2, "a"),
            ask(1, "b"),
            Ask { kind: "html".to_owned(), ..ask(1, "a") },
            Ask { body: vec![millrace_flow::blob::Piece::Bytes(Bytes::new())], ..ask(1, "a") },
        ] {
            let mut transcript = Transcript::default();
            transcript.ask(ask(1, "a"));
            transcript.answer(0, answer("x"));
            transcript.restart();
            assert_eq!(transcript.ask(other), Asked::Afresh(1));
        }
    }

    #[test]
    fn a_second_answer_and_an_answer_to_nothing_are_ignored() {
        let mut transcript = Transcript::default();
        transcript.ask(ask(1, "a"));
        assert!(transcript.answer(0, answer("x")));
        assert!(!transcript.answer(0, answer("y")));
        assert!(!transcript.answer(7, answer("z")));
        assert_eq!(transcript.exchange(0).unwrap().answer.as_ref().unwrap().answer, answer("x").answer);
    }

    #[test]
    fn an_answer_whose_seal_is_broken_is_asked_for_anew() {
        let broken = Arc::new(AtomicBool::new(false));
        let sealed = SealedAnswer { seal: Some(Arc::new(Breakable(Arc::clone(&broken)))), ..answer("text") };
        let mut transcript = Transcript::default();
        transcript.ask(ask(7, "a"));
        transcript.ask(ask(8, "b"));
        assert!(transcript.answer(0, sealed));
        assert!(transcript.answer(1, answer("other")));
        assert_eq!(transcript.withdraw_forbidden(0), None);
        broken.store(true, Ordering::Relaxed);
        assert_eq!(transcript.withdraw_forbidden(0), Some(ask(0, "a")));
        assert_eq!(transcript.withdraw_forbidden(0), None, "it is asked for already");
        assert_eq!(transcript.withdraw_forbidden(1), None, "nothing seals it");
        assert!(transcript.answer(0, answer("hidden")));
        assert_eq!(transcript.exchange(0).unwrap().answer.as_ref().unwrap().answer, answer("hidden").answer);
    }
}
