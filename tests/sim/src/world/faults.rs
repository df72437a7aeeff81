//! What goes wrong with hosts and members, and how hosts come back.

use super::{Awaited, World};
use crate::action::Doing;
use crate::fact::Fact;
use crate::host::{Host, Life};

impl World {
    pub(super) fn change_life(&mut self, number: usize, doing: Doing) {
        let plan = &self.plan;
        let Some(host) = self.hosts.get_mut(number) else { return };
        match doing {
            Doing::Crash => {
                self.notes.count(Fact::Crash);
                // Its member stays in the group until that misses it; what it sent is still on its way.
                *host = Host::new(number, plan);
                host.life = Life::Down;
            }
            Doing::Freeze => {
                self.notes.count(Fact::Freeze);
                host.life = Life::Frozen;
            }
            _ => host.life = Life::Up,
        }
    }

    /// A host stands still for so long that the group gives it up.
    pub(super) fn stall(&mut self, number: usize) {
        self.change_life(number, Doing::Freeze);
        if let Some(member) = self.hosts.get(number).and_then(|host| host.member) {
            self.expel(member);
        }
    }

    /// A host goes on as if nothing had been. Where it stood still for long, all that it waited for has timed out.
    pub(super) fn wake(&mut self, number: usize) {
        let Some(host) = self.hosts.get_mut(number) else { return };
        host.life = Life::Up;
        host.deaf_steps = self.random.pick(&[0, 30, 200]).unwrap_or_default();
        self.notes.count(Fact::Wake);
        let waiting: Vec<_> =
            host.owned.iter().map(|(partition, owned)| (*partition, owned.pending, owned.pending_commit)).collect();
        if self.random.chance(20) {
            return;
        }
        for (partition, pending, pending_commit) in waiting {
            pending.into_iter().for_each(|_| self.time_out(number, partition, Awaited::Answer));
            pending_commit.into_iter().for_each(|_| self.time_out(number, partition, Awaited::Commit));
        }
    }

    pub(super) fn expel(&mut self, member: u64) {
        let lives = |host: &&Host| host.life != Life::Down && host.member == Some(member);
        if self.hosts.iter().any(|host| lives(&host)) {
            self.notes.count(Fact::Expulsion);
        }
        self.group.expel(member);
    }
}
