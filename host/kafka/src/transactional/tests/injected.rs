//! Every kind of request that a writer makes is refused once, in every way, at its first, second or third time. Whatever
//! happens, all transactions end up committed, each told once and in their order; what is told on the way is in the tables.
//!
//! One case: three stays, one after the other, with the transactions 1 to 3, 4 and 5. Where a stay ends before its time, the
//! partition is taken over once more, as a pipeline does. The first time of a request that writes is that of the start,
//! which the first takeover writes down; only then come transactions.

use super::stay::*;
use crate::delivery::DeliveryEvent;
use crate::error::KafkaError;
use crate::mock::{Refusal, Request};
use crate::transactional::TransactionEvent;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use Refusal::*;

/// The last transaction of each stay.
const STAYS: [u64; 3] = [3, 4, 5];

/// More producers than any case makes.
const PRODUCERS_MAX: usize = 50;

/// How many cases run at a time. They wait most of the time.
const AT_A_TIME: usize = 12;

/// One case.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) answers: Answers,
    /// What is told on the way: see [`play`]. A dot stands for nothing; `|` is between what may happen.
    pub(super) told: &'static str,
}

/// What is to be answered, by kind of request; none: what is asked is done.
pub(super) type Answers = Vec<(Request, Vec<Option<Refusal>>)>;

/// Plays one case. One letter for everything that is told on the way to five committed transactions:
///
/// - `a`: a transaction was aborted, and is written again. This may happen twice: after a batch was refused, librdkafka's
///   next one leaves a gap in the sequence, which the broker refuses in turn
/// - `r`: a transaction was refused for its outputs
/// - `f`: the partition is somebody else's
/// - `d`: people have to give an access right
/// - `m`: people have to make a topic
/// - `s`: the pipeline stops, and a supervisor starts it again
#[track_caller]
fn play(answers: &Answers) -> String {
    let bed = bed(1);
    for (request, answers) in answers {
        bed.answer(*request, answers);
    }
    // These count the producers that were made.
    bed.answer(Request::InitProducerId, &[None; PRODUCERS_MAX]);
    let (mut told, mut next, mut again) = (String::new(), 1, 0);
    for last in STAYS {
        while !stay(&bed, &mut next, last, &mut told) {
            again += 1;
            assert!(again <= 2, "it ends again and again: {told}");
        }
    }
    for (request, _) in answers {
        let unmet = if *request == Request::InitProducerId { PRODUCERS_MAX } else { 0 };
        assert!(bed.left(*request) <= unmet, "{request:?} was not asked so often; told: {told:?}");
    }
    told
}

/// One stay, up to the transaction `last`. False: it ended before that.
fn stay(bed: &Bed, next: &mut u64, last: u64, told: &mut String) -> bool {
    let (mut stay, taken) = match Stay::begin(bed, found(0, None)) {
        Ok(begun) => begun,
        Err(error) => {
            told.push(letter(&error));
            return false;
        }
    };
    // A transaction whose outcome nobody told was committed if it can be read.
    let written = settled(&taken).serial;
    let untold = told.ends_with(['f', 'd', 'm', 's']) && written == *next;
    assert!(written + 1 == *next || untold, "{written} is what was written last, {next} is due; told: {told:?}");
    *next = written + 1;
    while *next <= last {
        let transaction = transaction(*next);
        stay.deliver(&transaction);
        let event = loop {
            match stay.next() {
                DeliveryEvent::Transaction(TransactionEvent::Aborted(of, _)) if Arc::ptr_eq(&of, &transaction) => {
                    if !told.ends_with('a') {
                        told.push('a');
                    }
                }
                DeliveryEvent::Transaction(TransactionEvent::Refused(of, _)) if Arc::ptr_eq(&of, &transaction) => {
                    told.push('r');
                    stay.deliver(&transaction);
                }
                event => break event,
            }
        };
        match event {
            DeliveryEvent::Transaction(TransactionEvent::Committed(of)) if Arc::ptr_eq(&of, &transaction) => *next += 1,
            DeliveryEvent::Transaction(TransactionEvent::Fenced(of)) if Arc::ptr_eq(&of, &transaction) => {
                told.push('f');
                let producers = bed.left(Request::InitProducerId);
                stay.ends();
                assert_eq!(bed.left(Request::InitProducerId), producers, "nobody fences back");
                return false;
            }
            DeliveryEvent::Fatal(error) => {
                told.push(letter(&error));
                stay.ends();
                return false;
            }
            other => panic!("{other:?} was told while transaction {next} was under way; before that: {told:?}"),
        }
    }
    stay.release();
    true
}

fn letter(error: &KafkaError) -> char {
    match error {
        KafkaError::Denied { .. } => 'd',
        KafkaError::TopicMissing { .. } => 'm',
        _ => 's',
    }
}

/// Plays all cases, some at a time, and holds what was told against what is expected. All that differ are shown.
#[track_caller]
pub(super) fn check_all(cases: &[Case]) {
    let (taken, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = cases.get(taken.fetch_add(1, Ordering::Relaxed)) {
                    let Case { name, answers, told: expected } = case.clone();
                    let told = thread::spawn(move || play(&answers));
                    let told = told.join().map_err(|panic| match panic.downcast::<String>() {
                        Ok(message) => *message,
                        Err(_) => "panicked".to_owned(),
                    });
                    let as_expected =
                        |told: &String| expected.split('|').any(|expected| expected.replace('.', "") == *told);
                    if !told.as_ref().is_ok_and(as_expected) {
                        wrong.lock().unwrap().push(format!("{name}: expected {expected:?}, told {told:?}"));
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What is told where a request is refused at its first, second and third time.
type Row = (Refusal, [&'static str; 3]);

#[track_caller]
fn check(request: Request, rows: &[Row]) {
    assert!(ALL.iter().all(|refusal| rows.iter().any(|(known, _)| known == refusal)), "a way to refuse is left out");
    let case = |(refusal, told): &Row| {
        let answers = |position| [vec![None; position], vec![Some(*refusal)]].concat();
        let case = |(position, told): (usize, &&'static str)| {
            let name = format!("{request:?} {refusal:?} at {}", position + 1);
            Case { name, answers: vec![(request, answers(position))], told }
        };
        told.iter().enumerate().map(case).collect::<Vec<_>>()
    };
    check_all(&rows.iter().flat_map(case).collect::<Vec<_>>());
}

/// The ways in which every request is refused.
pub(super) const ALL: [Refusal; 12] = [
    Disconnect,
    RequestTimedOut,
    ServerError,
    CoordinatorLoading,
    NotCoordinator,
    ConcurrentTransactions,
    InvalidTxnState,
    InvalidProducerIdMapping,
    ProducerFenced,
    InvalidProducerEpoch,
    TransactionalIdUnauthorised,
    Unauthorised,
];

const NEVER: [&str; 3] = [".", ".", "."];
const STOPS: [&str; 3] = ["s", "s", "s"];
const DENIED: [&str; 3] = ["d", "d", "d"];
/// What the takeover meets is tried again; in a transaction it is an abort.
const ABORTS: [&str; 3] = [".", "a", "a"];
const FENCES: [&str; 3] = [".", "f", "f"];

/// The connection is made again.
#[test]
fn the_versions_that_a_broker_knows() {
    check(Request::ApiVersions, &ALL.map(|refusal| (refusal, NEVER)));
}

/// It is asked again until it is told.
#[test]
fn the_coordinator() {
    let told = |refusal| match refusal {
        // The second and third time may be those of the client that reads, which has no such id.
        TransactionalIdUnauthorised => ["d", ".|d", ".|d"],
        _ => NEVER,
    };
    check(Request::FindCoordinator, &ALL.map(|refusal| (refusal, told(refusal))));
}

/// Each stay becomes a producer once. A fence here is another host that takes the partition over at the same time: it is
/// taken over again until the group decides.
#[test]
fn becoming_a_producer() {
    let told = |refusal| if refusal == TransactionalIdUnauthorised { DENIED } else { NEVER };
    check(Request::InitProducerId, &ALL.map(|refusal| (refusal, told(refusal))));
}

/// What reading progress meets, its ends or its records. What no broker answers to these requests stops the pipeline: a
/// takeover never goes on without having read.
fn reading() -> [Row; 12] {
    [
        (Disconnect, NEVER),
        (RequestTimedOut, NEVER),
        (ServerError, STOPS),
        (CoordinatorLoading, NEVER),
        (NotCoordinator, NEVER),
        (ConcurrentTransactions, NEVER),
        (InvalidTxnState, STOPS),
        (InvalidProducerIdMapping, STOPS),
        (ProducerFenced, STOPS),
        (InvalidProducerEpoch, STOPS),
        (TransactionalIdUnauthorised, DENIED),
        (Unauthorised, DENIED),
    ]
}

#[test]
fn the_ends_of_the_progress_topic() {
    check(Request::ListOffsets, &reading());
}

#[test]
fn the_records_of_the_progress_topic() {
    check(Request::Fetch, &reading());
}

#[test]
fn telling_the_coordinator_of_partitions() {
    check(
        Request::AddPartitionsToTxn,
        &[
            (Disconnect, NEVER),
            (RequestTimedOut, ABORTS),
            (ServerError, ABORTS),
            (CoordinatorLoading, NEVER),
            (NotCoordinator, NEVER),
            (ConcurrentTransactions, NEVER),
            // Fatal to librdkafka: a new producer looks what became of the transaction, and finds nothing of it. But this
            // broker does not hide what was aborted: where the third request is that of the outputs, progress may have been
            // written, is found, and counts.
            (InvalidTxnState, [".", "a", "a|."]),
            // KIP-360: the abort takes a new epoch.
            (InvalidProducerIdMapping, ABORTS),
            (ProducerFenced, FENCES),
            (InvalidProducerEpoch, FENCES),
            // Fatal as well. A broker that means it does not let the new producer in, which is told then.
            (TransactionalIdUnauthorised, ["d", "a", "a|."]),
            (Unauthorised, DENIED),
        ],
    );
}

#[test]
fn writing() {
    check(
        Request::Produce,
        &[
            (Disconnect, NEVER),
            (RequestTimedOut, NEVER),
            (ServerError, ABORTS),
            (CoordinatorLoading, NEVER),
            (NotCoordinator, NEVER),
            (ConcurrentTransactions, ABORTS),
            (InvalidTxnState, ABORTS),
            (InvalidProducerIdMapping, ABORTS),
            // Leaders say a fence by the epoch; this is an error like any other to librdkafka. Where it is a fence, the
            // coordinator says so to the abort.
            (ProducerFenced, ABORTS),
            (InvalidProducerEpoch, FENCES),
            (TransactionalIdUnauthorised, DENIED),
            (Unauthorised, DENIED),
            (NotLeader, NEVER),
            (NotEnoughReplicas, NEVER),
            (StorageError, NEVER),
            (UnknownProducerId, ABORTS),
            // Fatal to librdkafka. The new producer finds the transaction's progress where only the output was refused,
            // because the embedded cluster hides nothing that was not committed.
            (OutOfOrderSequence, [".", ".|a", ".|a"]),
            // Chance decides whether the output or the progress record is written first. The one is replaced by the
            // pipeline; without the other there are no transactions.
            (RecordTooLarge, ["s", "s|ra", "s|ra"]),
            (InvalidRecord, ["s", "s|ra", "s|ra"]),
        ],
    );
}

/// The embedded cluster shows what was never committed, so every look at what became of a transaction finds it.
#[test]
fn committing() {
    check(
        Request::EndTxn,
        &[
            (Disconnect, NEVER),
            // librdkafka lets a transaction be aborted that the coordinator may be committing. The coordinator then refuses
            // the abort (INVALID_TXN_STATE), and a new producer looks.
            (RequestTimedOut, ABORTS),
            (ServerError, ABORTS),
            (CoordinatorLoading, NEVER),
            (NotCoordinator, NEVER),
            (ConcurrentTransactions, NEVER),
            // Fatal to librdkafka: a new producer looks.
            (InvalidTxnState, NEVER),
            (InvalidProducerIdMapping, ABORTS),
            (ProducerFenced, FENCES),
            (InvalidProducerEpoch, FENCES),
            // As for the partitions.
            (TransactionalIdUnauthorised, ["d", ".", "."]),
            (Unauthorised, DENIED),
        ],
    );
}
