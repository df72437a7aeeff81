//! The state of one key in the hands of the event or timer that runs, per thread. What is kept is `host`'s business.

use crate::Clock;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Bytes of the name of a value or a timer.
const NAME_BYTES_MAX: usize = 1 << 10;

/// Bytes of a value.
const VALUE_BYTES_MAX: usize = 1_000_000;

/// Values and timers of a key.
const ENTRIES_MAX: usize = 4_096;

/// Values by store and name, and timers by name and clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyState {
    pub(super) values: BTreeMap<(String, String), Vec<u8>>,
    pub(super) timers: BTreeMap<(String, Clock), u64>,
}

/// What the ticket that runs may use.
#[derive(Default)]
struct Open {
    stores: Vec<String>,
    /// None: it has no key.
    state: Option<KeyState>,
}

thread_local! {
    static OPEN: RefCell<Open> = RefCell::default();
}

/// A ticket begins, with these stores and the state of its key.
pub(super) fn open(stores: Vec<String>, state: Option<KeyState>) {
    OPEN.set(Open { stores, state });
}

/// The ticket has ended: what the state of its key would be.
pub(super) fn close() -> Option<KeyState> {
    OPEN.take().state
}

pub(crate) fn state_get(_: u64, store: &str, name: &str) -> Option<Vec<u8>> {
    with(Some(store), |state| state.values.get(&(store.to_owned(), name.to_owned())).cloned())
}

pub(crate) fn state_put(_: u64, store: &str, name: &str, value: &[u8]) {
    demand(value.len() <= VALUE_BYTES_MAX, || {
        format!("a value of {} bytes, and {VALUE_BYTES_MAX} are the most", value.len())
    });
    with(Some(store), |state| {
        check_name(name);
        state.values.insert((store.to_owned(), name.to_owned()), value.to_vec());
    });
}

pub(crate) fn state_delete(_: u64, store: &str, name: &str) {
    with(Some(store), |state| {
        check_name(name);
        state.values.remove(&(store.to_owned(), name.to_owned()));
    });
}

pub(crate) fn timer_set(_: u64, name: &str, clock: Clock, at_ms: u64) {
    with(None, |state| {
        check_name(name);
        state.timers.insert((name.to_owned(), clock), at_ms);
    });
}

pub(crate) fn timer_clear(_: u64, name: &str, clock: Clock) {
    with(None, |state| {
        check_name(name);
        state.timers.remove(&(name.to_owned(), clock));
    });
}

fn check_name(name: &str) {
    demand((1..=NAME_BYTES_MAX).contains(&name.len()), || {
        format!("a name of {} bytes: 1 to {NAME_BYTES_MAX}", name.len())
    });
}

fn with<T>(store: Option<&str>, act: impl FnOnce(&mut KeyState) -> T) -> T {
    let mut open = OPEN.take();
    match store {
        Some(store) => {
            demand(open.stores.iter().any(|known| known == store), || format!("store {store} is not in `describe`"))
        }
        None => {
            demand(!open.stores.is_empty(), || "timers are kept with state, and no store is in `describe`".to_owned())
        }
    }
    demand(open.state.is_some(), || "the event has no key, so it has no state: give the test's record one".to_owned());
    let mut state = open.state.take().unwrap_or_default();
    let result = act(&mut state);
    let entries = state.values.len() + state.timers.len();
    demand(entries <= ENTRIES_MAX, || {
        format!("a key with {entries} values and timers, and {ENTRIES_MAX} are the most")
    });
    OPEN.set(Open { state: Some(state), ..open });
    result
}

/// The host's fault is a panic here, as it is a trap there.
#[expect(clippy::panic, reason = "stands for a trap")]
fn demand(holds: bool, otherwise: impl FnOnce() -> String) {
    if !holds {
        panic!("{}", otherwise());
    }
}
