//! Every misdeed by its name. Each has a file of its own, and beside it a `.json` that says what a host makes of it.

mod costly_edits;
mod empty_outcome;
mod ended_blob;
mod flood_of_answers;
mod flood_of_asks;
mod flood_of_edits;
mod flood_of_logs;
mod flood_of_metrics;
mod flood_of_outputs;
mod foreign_blob;
mod forged_header;
mod grow_at_once;
mod grow_slowly;
mod huge_output;
mod never_ends;
mod never_settles;
mod not_json;
mod number_asked_twice;
mod recurse;
mod repeated_blob;
mod set_over_cut;
mod sibling_fields;
pub(crate) mod spin;
mod spin_always;
mod spin_in_configure;
mod trap;
mod trap_always;
mod two_dones;
mod undeclared_lookup;
mod undeclared_output;
mod ungranted_state;
mod unknown_ticket;

use crate::scene::Scene;

/// One way to misbehave.
pub(crate) struct Misdeed {
    pub(crate) name: &'static str,
    pub(crate) whom: Whom,
    pub(crate) commit: fn(&mut Scene<'_>),
}

/// Who suffers it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Events whose field `hostile` is true.
    Culprit,
    /// Every event.
    Everyone,
    /// Whoever starts the plugin.
    Operator,
}

macro_rules! misdeeds {
    ($($name:ident: $whom:ident,)+) => {
        /// All of them.
        pub(crate) const ALL: &[Misdeed] =
            &[$(Misdeed { name: stringify!($name), whom: Whom::$whom, commit: $name::commit }),+];
    };
}

misdeeds! {
    costly_edits: Culprit,
    empty_outcome: Culprit,
    ended_blob: Culprit,
    flood_of_answers: Culprit,
    flood_of_asks: Culprit,
    flood_of_edits: Culprit,
    flood_of_logs: Culprit,
    flood_of_metrics: Culprit,
    flood_of_outputs: Culprit,
    foreign_blob: Culprit,
    forged_header: Culprit,
    grow_at_once: Culprit,
    grow_slowly: Everyone,
    huge_output: Culprit,
    never_ends: Culprit,
    never_settles: Culprit,
    not_json: Culprit,
    number_asked_twice: Culprit,
    recurse: Culprit,
    repeated_blob: Culprit,
    set_over_cut: Culprit,
    sibling_fields: Culprit,
    spin: Culprit,
    spin_always: Everyone,
    spin_in_configure: Operator,
    trap: Culprit,
    trap_always: Everyone,
    two_dones: Culprit,
    undeclared_lookup: Culprit,
    undeclared_output: Culprit,
    ungranted_state: Culprit,
    unknown_ticket: Culprit,
}
