//! Ways out of trouble that meet trouble themselves: an abort, a new epoch of the producer, a look at what became of a
//! transaction. As in `injected`, and told by the same letters.

use super::injected::{Case, all, check_all};
use crate::mock::{Refusal, Request};

use Refusal::*;

/// The start is written down first, so the first transaction is the second time of every request that writes.
const FIRST_TRANSACTION: usize = 1;

fn at(times_before: usize, refusal: Refusal) -> Vec<Option<Refusal>> {
    [vec![None; times_before], vec![Some(refusal)]].concat()
}

/// What is told where the first transaction meets `trouble`, and the way out of it `again`.
#[track_caller]
fn check(name: &str, trouble: (Request, Refusal), request: Request, times_before: usize, rows: &[(Refusal, &str)]) {
    let case = |(refusal, told): &(Refusal, &str)| Case {
        name: format!("{name}: {refusal:?}"),
        answers: vec![(trouble.0, at(FIRST_TRANSACTION, trouble.1)), (request, at(times_before, *refusal))],
        told: told.replace('.', ""),
    };
    check_all(&rows.iter().map(case).collect::<Vec<_>>());
}

fn silent() -> Vec<(Refusal, &'static str)> {
    all().map(|refusal| (refusal, ".")).collect()
}

#[test]
fn an_abort() {
    // The transaction is aborted by the coordinator's second order to end one.
    check("abort", (Request::Produce, ServerError), Request::EndTxn, 1, &silent());
}

#[test]
fn a_new_epoch() {
    check("epoch", (Request::AddPartitionsToTxn, InvalidProducerIdMapping), Request::InitProducerId, 1, &silent());
}

#[test]
fn a_new_producer() {
    check("look", (Request::EndTxn, InvalidTxnState), Request::InitProducerId, 1, &silent());
}

#[test]
fn what_was_written() {
    check("offsets", (Request::EndTxn, InvalidTxnState), Request::ListOffsets, 2, &silent());
    check("fetch", (Request::EndTxn, InvalidTxnState), Request::Fetch, 0, &silent());
}
