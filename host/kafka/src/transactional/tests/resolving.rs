//! Ways out of trouble that meet trouble themselves: an abort, a new epoch of the producer, a look at what became of a
//! transaction. As in `injected`, and told by the same letters.

use super::injected::{ALL, Case, check_all};
use crate::mock::{Refusal, Request};

use Refusal::*;

/// The start is written down first, so the first transaction is the second time of every request that writes.
const FIRST_TRANSACTION: usize = 1;

/// How often a takeover or a look asks for an end of the progress topic's one partition: for both ends of all that is there,
/// and of what is committed.
const READING: usize = 4;

fn at(times_before: usize, refusal: Refusal) -> Vec<Option<Refusal>> {
    [vec![None; times_before], vec![Some(refusal)]].concat()
}

/// What is told where the first transaction meets `trouble`, and the way out of it is refused at `request`, after so many
/// that were answered.
#[track_caller]
fn check(trouble: (Request, Refusal), request: Request, times_before: usize, told: fn(Refusal) -> &'static str) {
    let case = |refusal| Case {
        name: format!("{trouble:?}, then {request:?} {refusal:?}"),
        answers: vec![(trouble.0, at(FIRST_TRANSACTION, trouble.1)), (request, at(times_before, refusal))],
        told: told(refusal),
    };
    check_all(&ALL.map(case));
}

/// Whatever becomes of the abort, nothing of the transaction was written.
#[test]
fn an_abort_that_is_refused() {
    check((Request::AddPartitionsToTxn, RequestTimedOut), Request::EndTxn, 1, |refusal| match refusal {
        ProducerFenced | InvalidProducerEpoch => "f",
        _ => "a",
    });
}

/// KIP-360: an abort that takes a new epoch.
#[test]
fn a_new_epoch_that_is_refused() {
    check(
        (Request::AddPartitionsToTxn, InvalidProducerIdMapping),
        Request::InitProducerId,
        1,
        |refusal| match refusal {
            ProducerFenced | InvalidProducerEpoch => "f",
            _ => "a",
        },
    );
}

/// The outcome of a transaction is unknown, and who looks becomes a producer first.
#[test]
fn a_new_producer_that_is_refused() {
    check((Request::EndTxn, InvalidTxnState), Request::InitProducerId, 1, |refusal| match refusal {
        ProducerFenced | InvalidProducerEpoch => "f",
        TransactionalIdUnauthorised => "d",
        _ => ".",
    });
}

/// As where a takeover reads: nothing is told of the transaction before it was read.
fn reading(refusal: Refusal) -> &'static str {
    match refusal {
        Disconnect | RequestTimedOut | CoordinatorLoading | NotCoordinator | ConcurrentTransactions => ".",
        TransactionalIdUnauthorised | Unauthorised => "d",
        _ => "s",
    }
}

#[test]
fn a_look_at_the_ends_that_is_refused() {
    for question in 0..READING {
        check((Request::EndTxn, InvalidTxnState), Request::ListOffsets, READING + question, reading);
    }
}

#[test]
fn a_look_at_the_records_that_is_refused() {
    check((Request::EndTxn, InvalidTxnState), Request::Fetch, 0, reading);
}
