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
    /// What is told on the way: see [`play`].
    pub(super) told: String,
}

/// What is to be answered, by kind of request; none: what is asked is done.
pub(super) type Answers = Vec<(Request, Vec<Option<Refusal>>)>;

/// Plays one case. One letter for everything that is told on the way to five committed transactions:
///
/// - `a`: a transaction was aborted, and is written again
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
        let producers = bed.left(Request::InitProducerId);
        stay.deliver(&transaction);
        let event = loop {
            match stay.next() {
                DeliveryEvent::Transaction(TransactionEvent::Aborted(of, _)) if Arc::ptr_eq(&of, &transaction) => {
                    told.push('a');
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
                    if told.as_ref() != Ok(&expected) {
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

/// What is told where a request is refused at its first, second and third time; a dot stands for nothing.
type Row = (Refusal, [&'static str; 3]);

#[track_caller]
fn check(request: Request, rows: &[Row]) {
    let case = |(refusal, told): &Row| {
        let answers = |position| [vec![None; position], vec![Some(*refusal)]].concat();
        let case = |(position, told): (usize, &&str)| {
            let name = format!("{request:?} {refusal:?} at {}", position + 1);
            Case { name, answers: vec![(request, answers(position))], told: told.replace('.', "") }
        };
        told.iter().enumerate().map(case).collect::<Vec<_>>()
    };
    check_all(&rows.iter().flat_map(case).collect::<Vec<_>>());
}

const ALL: [Refusal; 12] = [
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

pub(super) fn all() -> impl Iterator<Item = Refusal> {
    ALL.into_iter()
}

fn silent() -> Vec<Row> {
    ALL.iter().map(|refusal| (*refusal, [".", ".", "."])).collect()
}

#[test]
fn api_versions() {
    check(Request::ApiVersions, &silent());
}
#[test]
fn find_coordinator() {
    check(Request::FindCoordinator, &silent());
}
#[test]
fn init_producer_id() {
    check(Request::InitProducerId, &silent());
}
#[test]
fn list_offsets() {
    check(Request::ListOffsets, &silent());
}
#[test]
fn fetch() {
    check(Request::Fetch, &silent());
}
#[test]
fn add_partitions() {
    check(Request::AddPartitionsToTxn, &silent());
}
#[test]
fn produce() {
    let mut rows = silent();
    for more in [OutOfOrderSequence, UnknownProducerId, RecordTooLarge, InvalidRecord, NotLeader, NotEnoughReplicas, StorageError] {
        rows.push((more, [".", ".", "."]));
    }
    check(Request::Produce, &rows);
}
#[test]
fn end_txn() {
    check(Request::EndTxn, &silent());
}
