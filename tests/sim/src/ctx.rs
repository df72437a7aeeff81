//! What a step of a host may look at beside the host itself.

use crate::fact::Notes;
use crate::group::Group;
use crate::input::Input;
use crate::mutant::Mutant;
use crate::oracle::Oracle;
use crate::plan::{Mode, Plan};
use std::time::Instant;

pub(crate) struct Ctx<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) input: &'a Input,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) group: &'a mut Group,
    pub(crate) notes: &'a mut Notes,
    pub(crate) oracle: &'a mut Oracle,
    pub(crate) now: Instant,
}

impl Ctx<'_> {
    /// Whether this rule is broken in this run.
    pub(crate) fn breaks(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(crate) fn is_exactly_once(&self) -> bool {
        self.plan.mode == Mode::ExactlyOnce
    }
}
