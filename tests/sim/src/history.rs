//! What happened to a partition before the run: in some seeds a part of its events was settled, as at-least-once leaves it
//! behind, with or without an older phase of exactly-once before.

use crate::input::{Input, Output, Part};
use crate::plan::Plan;
use crate::random::Random;
use millrace_flow::ledger::{Admitted, Ledger};
use millrace_flow::progress::Progress;
use millrace_flow::progress_record::ProgressRecord;
use std::collections::BTreeSet;

/// What is there when the run begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// What the group has.
    pub(crate) committed: Option<ProgressRecord>,
    /// What the progress topic has, with a lower serial.
    pub(crate) written: Option<ProgressRecord>,
    /// The results of what is settled.
    pub(crate) outputs: Vec<Output>,
}

impl History {
    pub(crate) fn of(partition: Part, input: &Input, plan: &Plan, random: &mut Random) -> Self {
        let mut history = Self::default();
        if !random.chance(30) {
            return history;
        }
        let is_written = random.chance(50);
        let mut ledger = Ledger::resume(Progress::default(), plan.budget(0));
        let mut open_keys = BTreeSet::new();
        let count = random.below(20);
        for (index, event) in input.from(partition, 0).iter().take(count).enumerate() {
            if index == count / 2 && is_written {
                history.written = next(&mut ledger);
            }
            if !ledger.may_admit() || ledger.admit(event.offset) != Admitted::New {
                break;
            }
            // In order per key: once one is open, so are those behind it.
            if open_keys.contains(&event.key) || random.chance(30) || !ledger.may_deliver(event.offset) {
                open_keys.insert(event.key);
                continue;
            }
            ledger.deliver(event.offset);
            ledger.settle(event.offset);
            let is_refused = event.expected() == [(event.error(0).kind, event.error(0).id)];
            let error = vec![event.error(event.content())];
            history.outputs.extend(if is_refused { error } else { event.outputs(event.content()) });
        }
        history.committed = next(&mut ledger).or_else(|| history.written.clone());
        history
    }
}

fn next(ledger: &mut Ledger) -> Option<ProgressRecord> {
    ledger.progress().map(|progress| ProgressRecord::of(&progress, None))
}
