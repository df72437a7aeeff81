//! Places at which a host can be told to die, for tests that show what a death there leaves behind. Nothing happens unless
//! a place was armed, which the hidden option `--die-at` of `millrace run` does; passing one that is not costs a load.

use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A place on the way of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failpoint {
    /// Records were polled, and are not admitted yet.
    Polled,
    /// A worker begins a round: events are in their plugins.
    InTurn,
    /// An answer to a lookup has come in.
    Answered,
    /// A transaction was begun, nothing of it is sent.
    Begun,
    /// Some of a transaction's outputs are handed to the client.
    Sending,
    /// All of it is handed over, the progress record included, and nothing is known of it.
    Sent,
    /// All of it is acknowledged; the commit is not asked for.
    Flushed,
    /// The commit is on its way, and its answer is not here.
    Committing,
    /// It is committed, and nobody but the writer knows.
    Committed,
    /// It is settled; the group has no copy yet.
    Settled,
    /// A worker begins with the event at this offset: an event that kills whoever runs it.
    Event(i64),
}

/// Every place, in the order of a record's way.
pub const FAILPOINTS: [(Failpoint, &str); 10] = [
    (Failpoint::Polled, "polled"),
    (Failpoint::InTurn, "in-turn"),
    (Failpoint::Answered, "answered"),
    (Failpoint::Begun, "begun"),
    (Failpoint::Sending, "sending"),
    (Failpoint::Sent, "sent"),
    (Failpoint::Flushed, "flushed"),
    (Failpoint::Committing, "committing"),
    (Failpoint::Committed, "committed"),
    (Failpoint::Settled, "settled"),
];

/// Where to die, and how often the place is passed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DieAt {
    /// The place.
    pub place: Failpoint,
    /// The host dies when it comes there for this time, counted from 1.
    pub time: u32,
}

impl FromStr for DieAt {
    type Err = String;

    /// Reads `PLACE`, `PLACE:TIME` or `event:OFFSET`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, time) = text.split_once(':').unwrap_or((text, "1"));
        if name == "event" {
            let offset = time.parse().map_err(|_no_number| "an event is named by its offset")?;
            return Ok(Self { place: Failpoint::Event(offset), time: 1 });
        }
        let names = || FAILPOINTS.map(|(_, name)| name).join(", ");
        let place = FAILPOINTS.iter().find(|(_, known)| *known == name).map(|(place, _)| *place);
        let place = place.ok_or_else(|| format!("no such place; there are {}", names()))?;
        let time = time.parse().ok().filter(|time| *time > 0).ok_or("the number of times is a number from 1")?;
        Ok(Self { place, time })
    }
}

static ARMED: OnceLock<(Failpoint, AtomicU32)> = OnceLock::new();

/// The process dies at this place. Once per process.
pub fn arm(at: DieAt) {
    // The first one counts.
    drop(ARMED.set((at.place, AtomicU32::new(at.time))));
}

/// The process comes to a place.
pub fn pass(place: Failpoint) {
    if is_time(place) {
        std::process::abort();
    }
}

/// A worker begins with an event.
pub fn pass_event(offset: i64) {
    pass(Failpoint::Event(offset));
}

/// Calls `act`, and the process dies meanwhile if it is time for this place.
pub(crate) fn during<T>(place: Failpoint, act: impl FnOnce() -> T) -> T {
    if is_time(place) {
        // How far the call has come by then differs from one time to the next, which is what is wanted.
        std::thread::spawn(|| {
            std::thread::park_timeout(std::time::Duration::from_millis(1));
            std::process::abort();
        });
    }
    act()
}

fn is_time(place: Failpoint) -> bool {
    let Some((armed, left)) = ARMED.get() else { return false };
    *armed == place && left.fetch_sub(1, Ordering::Relaxed) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_with_the_time_at_which_it_kills() {
        assert_eq!("sent".parse(), Ok(DieAt { place: Failpoint::Sent, time: 1 }));
        assert_eq!("event:17".parse(), Ok(DieAt { place: Failpoint::Event(17), time: 1 }));
        assert_eq!("in-turn:7".parse(), Ok(DieAt { place: Failpoint::InTurn, time: 7 }));
        for wrong in ["", "nowhere", "sent:0", "sent:x", "sent:1:2"] {
            assert!(wrong.parse::<DieAt>().is_err(), "{wrong:?}");
        }
    }
}
