//! Rule 5 of the checker: what may come out more than once.

use super::{Appended, Breach, Committed, Findings, Promise};
use crate::evidence::{Evidence, Tenure, Who};

/// A tenure with the moment from which on it was not rightful any more.
#[derive(Clone, Copy, Debug)]
struct Lost {
    tenure: Tenure,
    /// When the host let go or died, or when the next owner was assigned, whichever came first.
    at_ms: i64,
}

/// Checks every output beyond the first of its event.
pub(super) fn check(
    evidence: &Evidence,
    promise: &Promise,
    appended: &Appended,
    committed: &Committed,
    breaches: &mut Vec<Breach>,
) -> Findings {
    let lost = losses(&evidence.tenures);
    let mut findings = Findings { takeovers: lost.len(), ..Findings::default() };
    for (source, times) in appended {
        let committed_ms = committed.get(source).copied();
        let of_partition: Vec<&Lost> = lost.iter().filter(|lost| lost.tenure.partition == source.partition).collect();
        for pair in times.windows(2) {
            let [first_ms, again_ms] = *pair else { continue };
            findings.doubles += 1;
            let is_late = |at_ms: i64| {
                let unaware = |lost: &&&Lost| is_unaware(evidence, promise, lost, at_ms, committed_ms);
                of_partition.iter().any(|lost| unaware(&lost))
            };
            if let Some(committed_ms) = committed_ms.filter(|committed_ms| *committed_ms < again_ms) {
                if is_late(again_ms) {
                    findings.late_doubles += 1;
                } else {
                    breaches.push(Breach::DoubledAfterCommit { source: *source, committed_ms, again_ms });
                }
                continue;
            }
            let age_ms = of_partition.iter().filter_map(|lost| age(evidence, promise, lost, first_ms)).min();
            match age_ms {
                Some(age_ms) if age_ms <= promise.commit_interval_ms + promise.slack_ms => {
                    findings.oldest_double_ms = findings.oldest_double_ms.max(age_ms);
                }
                _ if is_late(first_ms) || is_late(again_ms) => {}
                _ => breaches.push(Breach::DoubledTooOld { source: *source, first_ms, again_ms, age_ms }),
            }
        }
    }
    findings
}

/// Every tenure that another one of the same partition followed.
fn losses(tenures: &[Tenure]) -> Vec<Lost> {
    let followed = |tenure: &Tenure| {
        let next = tenures.iter().filter(|next| next.partition == tenure.partition && next.from_ms > tenure.from_ms);
        next.map(|next| next.from_ms).min()
    };
    let lost = tenures.iter().filter_map(|tenure| {
        let next_ms = followed(tenure)?;
        Some(Lost { tenure: *tenure, at_ms: next_ms.min(tenure.left_ms) })
    });
    lost.collect()
}

/// How old an output of `first_ms` was when the tenure in which it was written was lost, standstills aside. Writes that
/// were on their way then count as new.
fn age(evidence: &Evidence, promise: &Promise, lost: &Lost, first_ms: i64) -> Option<i64> {
    let is_on_its_way = first_ms > lost.at_ms
        && awake_ms(evidence, promise, lost.tenure.host, lost.at_ms, first_ms) <= promise.in_flight_ms;
    match first_ms {
        _ if is_on_its_way => Some(0),
        _ if lost.tenure.from_ms <= first_ms && first_ms <= lost.at_ms => {
            Some(awake_ms(evidence, promise, lost.tenure.host, first_ms, lost.at_ms))
        }
        _ => None,
    }
}

/// Whether the former owner may have written at `at_ms` what it did not know to be another's business: it had not let go
/// yet, or its last writes were still on their way. What was committed while it was the owner, it knows.
fn is_unaware(evidence: &Evidence, promise: &Promise, lost: &Lost, at_ms: i64, committed_ms: Option<i64>) -> bool {
    let knows_of_commit = committed_ms.is_some_and(|committed_ms| committed_ms < lost.at_ms);
    let until_ms = lost.tenure.left_ms;
    lost.at_ms <= at_ms
        && !knows_of_commit
        && (at_ms <= until_ms || awake_ms(evidence, promise, lost.tenure.host, until_ms, at_ms) <= promise.in_flight_ms)
}

/// How much of a stretch of time a host could use: it was not frozen, and the broker was there.
fn awake_ms(evidence: &Evidence, promise: &Promise, host: usize, from_ms: i64, to_ms: i64) -> i64 {
    let mut asleep: Vec<(i64, i64)> = Vec::new();
    for standstill in &evidence.standstills {
        match standstill.who {
            Who::Broker => asleep.push((standstill.from_ms, standstill.to_ms + promise.recovery_ms)),
            Who::Host(frozen) if frozen == host => asleep.push((standstill.from_ms, standstill.to_ms)),
            Who::Host(_) => {}
        }
    }
    asleep.sort_unstable();
    let (mut awake_ms, mut at_ms) = (0, from_ms);
    for (begin_ms, end_ms) in asleep {
        awake_ms += (begin_ms.min(to_ms) - at_ms).max(0);
        at_ms = at_ms.max(end_ms.min(to_ms));
    }
    awake_ms + (to_ms - at_ms).max(0)
}
