//! What goes wrong with hosts and members, and how hosts come back.

use super::World;
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

    pub(super) fn expel(&mut self, member: u64) {
        let lives = |host: &&Host| host.life != Life::Down && host.member == Some(member);
        if self.hosts.iter().any(|host| lives(&host)) {
            self.notes.count(Fact::Expulsion);
        }
        self.group.expel(member);
    }
}
