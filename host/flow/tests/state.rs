//! The store of state against a naive model: a map of values and a map of timers. Only the public interface is used.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect has failed"
)]

use bytes::Bytes;
use millrace_flow::state::{
    BrokenBound, ChangelogRecord, DueTimer, ENTRIES_MAX, ENTRY_OVERHEAD_BYTES, EventTime, KEY_BYTES_MAX,
    KEY_OVERHEAD_BYTES, KeyState, NAME_BYTES_MAX, StateChanges, StateStore, TimerClock, VALUE_BYTES_MAX,
    WRITES_BYTES_MAX,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

const KEYS: [&str; 3] = ["", "a", "a long key"];
const NAMES: [&str; 3] = ["n", "name", "o"];
const STORES: [&str; 2] = ["counts", "held"];
const CLOCKS: [TimerClock; 2] = [TimerClock::EventTime, TimerClock::Wall];

#[derive(Clone, Debug)]
enum Write {
    Put { store: usize, name: usize, value: Vec<u8> },
    Delete { store: usize, name: usize },
    Set { name: usize, clock: usize, due_ms: u64 },
    Clear { name: usize, clock: usize },
}

/// How a ticket ends.
#[derive(Clone, Debug)]
enum End {
    /// With emit or skip, after so many runs that came to nothing.
    Kept { lost_runs: usize },
    /// With an error event.
    Failed,
}

#[derive(Clone, Debug)]
enum Step {
    Event {
        key: usize,
        writes: Vec<Write>,
        end: End,
    },
    Pass {
        event_ms: u64,
        wall_ms: u64,
        count: usize,
    },
    Fire {
        writes: Vec<Write>,
        end: End,
    },
    Commit,
    /// What is not committed is lost, and the rest is restored; `dropped` are the records that compaction removed.
    Crash {
        dropped: u64,
    },
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        3 => (0..2_usize, 0..3_usize, proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(store, name, value)| Write::Put { store, name, value }),
        1 => (0..2_usize, 0..3_usize).prop_map(|(store, name)| Write::Delete { store, name }),
        2 => (0..3_usize, 0..2_usize, 0..20_u64).prop_map(|(name, clock, due_ms)| Write::Set { name, clock, due_ms }),
        1 => (0..3_usize, 0..2_usize).prop_map(|(name, clock)| Write::Clear { name, clock }),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![4 => (0..3_usize).prop_map(|lost_runs| End::Kept { lost_runs }), 1 => Just(End::Failed)]
}

fn step() -> impl Strategy<Value = Step> {
    let writes = || proptest::collection::vec(write(), 0..6);
    prop_oneof![
        8 => (0..3_usize, writes(), end()).prop_map(|(key, writes, end)| Step::Event { key, writes, end }),
        3 => (0..8_u64, 0..8_u64, 1..4_usize)
            .prop_map(|(event_ms, wall_ms, count)| Step::Pass { event_ms, wall_ms, count }),
        4 => (writes(), end()).prop_map(|(writes, end)| Step::Fire { writes, end }),
        2 => Just(Step::Commit),
        1 => any::<u64>().prop_map(|dropped| Step::Crash { dropped }),
    ]
}

/// What is kept, naively.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    values: BTreeMap<(usize, usize, usize), Vec<u8>>,
    timers: BTreeMap<(usize, usize, usize), u64>,
}

impl Model {
    fn write(&mut self, key: usize, write: &Write) {
        match write.clone() {
            Write::Put { store, name, value } => drop(self.values.insert((key, store, name), value)),
            Write::Delete { store, name } => drop(self.values.remove(&(key, store, name))),
            Write::Set { name, clock, due_ms } => drop(self.timers.insert((key, name, clock), due_ms)),
            Write::Clear { name, clock } => drop(self.timers.remove(&(key, name, clock))),
        }
    }

    fn bytes(&self) -> usize {
        let keys: BTreeSet<usize> =
            self.values.keys().map(|(key, ..)| *key).chain(self.timers.keys().map(|k| k.0)).collect();
        let keys: usize = keys.iter().map(|key| KEYS[*key].len() + KEY_OVERHEAD_BYTES).sum();
        let values: usize = self.values.iter().map(|((.., name), value)| NAMES[*name].len() + value.len()).sum();
        let timers: usize = self.timers.keys().map(|(_, name, _)| NAMES[*name].len()).sum();
        keys + values + timers + (self.values.len() + self.timers.len()) * ENTRY_OVERHEAD_BYTES
    }
}

struct World {
    bytes_max: usize,
    store: StateStore,
    model: Model,
    /// The changelog, as far as it is committed.
    log: Vec<ChangelogRecord>,
    committed: Model,
    pending: Vec<ChangelogRecord>,
    /// Timers that were handed out and wait in their lanes.
    fired: VecDeque<DueTimer>,
    event_ms: u64,
    wall_ms: u64,
}

fn key(number: usize) -> Bytes {
    Bytes::from_static(KEYS[number].as_bytes())
}

fn play(state: &mut KeyState, writes: &[Write]) {
    for write in writes {
        match write {
            Write::Put { store, name, value } => {
                state.put(&Arc::from(STORES[*store]), NAMES[*name], value.clone().into()).unwrap();
            }
            Write::Delete { store, name } => state.delete(&Arc::from(STORES[*store]), NAMES[*name]).unwrap(),
            Write::Set { name, clock, due_ms } => state.set_timer(NAMES[*name], CLOCKS[*clock], *due_ms).unwrap(),
            Write::Clear { name, clock } => state.clear_timer(NAMES[*name], CLOCKS[*clock]).unwrap(),
        }
    }
}

impl World {
    fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            store: StateStore::new(bytes_max),
            model: Model::default(),
            log: Vec::new(),
            committed: Model::default(),
            pending: Vec::new(),
            fired: VecDeque::new(),
            event_ms: 0,
            wall_ms: 0,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Event { key: number, writes, end } => {
                let state = self.store.open(&key(number));
                self.run(number, &state, self.model.clone(), &writes, &end, None);
            }
            Step::Pass { event_ms, wall_ms, count } => {
                self.event_ms += event_ms;
                self.wall_ms += wall_ms;
                let due = self.store.take_due(Some(self.event_ms), self.wall_ms, count);
                assert!(due.is_sorted() && due.len() <= count);
                for timer in &due {
                    assert!(self.is_due(timer.clock, timer.due_ms), "{timer:?} is early");
                    let state = self.store.open(&timer.key);
                    assert_eq!(state.timer(&timer.name, timer.clock), Some(timer.due_ms), "it was moved or cleared");
                }
                let gave_all = due.len() < count;
                self.fired.extend(due);
                self.nothing_is_forgotten(gave_all);
            }
            Step::Fire { writes, end } => self.fire(&writes, &end),
            Step::Commit => {
                self.log.append(&mut self.pending);
                self.committed = self.model.clone();
            }
            Step::Crash { dropped } => self.crash(dropped),
        }
        self.agrees();
    }

    fn is_due(&self, clock: TimerClock, due_ms: u64) -> bool {
        due_ms <= if clock == TimerClock::Wall { self.wall_ms } else { self.event_ms }
    }

    /// Every timer that is due has been handed out.
    fn nothing_is_forgotten(&self, gave_all: bool) {
        for ((number, name, clock), due_ms) in &self.model.timers {
            let (name, clock) = (Arc::from(NAMES[*name]), CLOCKS[*clock]);
            let timer = DueTimer { due_ms: *due_ms, key: key(*number), name, clock };
            assert!(!gave_all || !self.is_due(clock, *due_ms) || self.fired.contains(&timer), "{timer:?} is forgotten");
        }
    }

    fn fire(&mut self, writes: &[Write], end: &End) {
        let Some(timer) = self.fired.pop_front() else { return };
        let number = KEYS.iter().position(|key| key.as_bytes() == timer.key).unwrap();
        let name = NAMES.iter().position(|name| **name == *timer.name).unwrap();
        let clock = CLOCKS.iter().position(|clock| *clock == timer.clock).unwrap();
        let is_set = self.model.timers.get(&(number, name, clock)) == Some(&timer.due_ms);
        let state = self.store.open_timer(&timer);
        assert_eq!(state.is_some(), is_set, "{timer:?}");
        let Some(state) = state else { return };
        assert_eq!(state.timer(&timer.name, timer.clock), None);
        let mut without = self.model.clone();
        without.timers.remove(&(number, name, clock));
        self.run(number, &state, without, writes, end, Some(&timer));
    }

    /// Runs a ticket. `model` is what is there before its writes.
    fn run(
        &mut self,
        number: usize,
        state: &KeyState,
        model: Model,
        writes: &[Write],
        end: &End,
        timer: Option<&DueTimer>,
    ) {
        let lost_runs = if let End::Kept { lost_runs } = end { *lost_runs } else { 1 };
        for lost in 0..lost_runs {
            play(&mut state.clone(), &writes[..writes.len().min(lost + 1)]);
        }
        let mut wanted = model.clone();
        writes.iter().for_each(|write| wanted.write(number, write));
        let changes = match end {
            End::Failed => None,
            End::Kept { .. } => {
                let mut run = state.clone();
                play(&mut run, writes);
                let changes = run.into_changes();
                let is_full = wanted.bytes() > self.bytes_max && wanted.bytes() > self.model.bytes();
                let applied = self.store.apply(&changes);
                assert_eq!(applied.is_err(), is_full, "{applied:?}");
                applied.is_ok().then_some(changes)
            }
        };
        match (changes, timer) {
            (Some(changes), _) => {
                self.pending.extend(changes.records());
                self.model = wanted;
            }
            (None, Some(timer)) => {
                self.store.apply(&timer.spent()).unwrap();
                self.pending.extend(timer.spent().records());
                self.model = model;
            }
            (None, None) => {}
        }
    }

    fn crash(&mut self, dropped: u64) {
        let log = compacted(&self.log, dropped);
        self.store = restored(&log, self.bytes_max);
        self.model = self.committed.clone();
        self.pending.clear();
        self.fired.clear();
        self.event_ms = 0;
        self.log = log;
    }

    fn agrees(&self) {
        for (number, text) in KEYS.iter().enumerate() {
            let state = self.store.open(&key(number));
            for (name, clock) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)] {
                let expected = self.model.values.get(&(number, clock, name)).map(Vec::as_slice);
                assert_eq!(state.get(STORES[clock], NAMES[name]).map(Bytes::as_ref), expected, "{text}");
                let expected = self.model.timers.get(&(number, name, clock)).copied();
                assert_eq!(state.timer(NAMES[name], CLOCKS[clock]), expected, "{text}");
            }
        }
        assert_eq!(self.store.bytes(), self.model.bytes());
        let all = [self.log.as_slice(), &self.pending].concat();
        assert_eq!(restored(&all, 0).records(), self.store.records());
    }
}

fn restored(log: &[ChangelogRecord], bytes_max: usize) -> StateStore {
    let mut store = StateStore::new(bytes_max);
    log.iter().for_each(|record| store.restore(&record.key, record.value.as_deref()).unwrap());
    store
}

/// Compaction: of each key the last record stays, any before it may be gone, and so may a tombstone before which nothing of
/// its key is left.
fn compacted(log: &[ChangelogRecord], mut dropped: u64) -> Vec<ChangelogRecord> {
    let mut drops = move || {
        dropped = dropped.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        dropped >> 63 == 1
    };
    let is_last = |at: usize, record: &ChangelogRecord| !log.iter().skip(at + 1).any(|later| later.key == record.key);
    let mut kept: Vec<ChangelogRecord> = Vec::new();
    for (at, record) in log.iter().enumerate() {
        let may_go = match is_last(at, record) {
            false => true,
            true => record.value.is_none() && !kept.iter().any(|earlier| earlier.key == record.key),
        };
        if !(may_go && drops()) {
            kept.push(record.clone());
        }
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_what_the_tickets_kept_and_so_is_what_is_restored(
        bytes_max in prop_oneof![Just(usize::MAX), 500..3_000_usize],
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let mut world = World::new(bytes_max);
        steps.into_iter().for_each(|step| world.step(step));
    }
}

fn store(text: &str) -> Arc<str> {
    Arc::from(text)
}

/// The changes of an event that does this.
fn changes(kept: &StateStore, key: &'static str, write: impl FnOnce(&mut KeyState)) -> StateChanges {
    let mut state = kept.open(&Bytes::from_static(key.as_bytes()));
    write(&mut state);
    state.into_changes()
}

#[test]
fn an_event_sees_its_own_writes_and_changes_only_what_is_different_in_the_end() {
    let mut kept = StateStore::new(usize::MAX);
    let held = store("held");
    let first = changes(&kept, "k", |state| {
        state.put(&held, "a", Bytes::from_static(b"1")).unwrap();
        assert_eq!(state.get("held", "a").map(Bytes::as_ref), Some(b"1".as_slice()));
        assert_eq!(state.get("other", "a"), None);
        state.set_timer("t", TimerClock::Wall, 5).unwrap();
        state.put(&held, "gone", Bytes::new()).unwrap();
        state.delete(&held, "gone").unwrap();
        assert_eq!(state.get("held", "gone"), None);
    });
    assert_eq!(first.iter().count(), 2);
    kept.apply(&first).unwrap();
    let same = changes(&kept, "k", |state| {
        state.put(&held, "a", Bytes::from_static(b"2")).unwrap();
        state.put(&held, "a", Bytes::from_static(b"1")).unwrap();
        state.set_timer("t", TimerClock::Wall, 5).unwrap();
        state.clear_timer("t", TimerClock::EventTime).unwrap();
        state.delete(&held, "absent").unwrap();
    });
    assert!(same.is_empty(), "{same:?}");
}

#[test]
fn what_does_not_fit_is_refused_whole_and_what_makes_room_is_taken() {
    let mut kept = StateStore::new(1_000);
    let fits = changes(&kept, "k", |state| state.put(&store("held"), "a", vec![0; 500].into()).unwrap());
    kept.apply(&fits).unwrap();
    let too_much = changes(&kept, "k", |state| {
        state.put(&store("counts"), "n", Bytes::from_static(b"1")).unwrap();
        state.put(&store("held"), "b", vec![0; 500].into()).unwrap();
    });
    let full = kept.apply(&too_much).unwrap_err();
    let wanted = kept.bytes() + 2 * ENTRY_OVERHEAD_BYTES + 503;
    let expected = format!(
        "a write to the store `held` would bring the state of this partition from {} to {wanted} bytes, and it may have \
         1000; delete what is no longer needed, or allow more",
        kept.bytes()
    );
    assert_eq!(full.to_string(), expected);
    assert_eq!(kept.open(&Bytes::from_static(b"k")).get("counts", "n"), None);
    // The limit is lower after a restart.
    let mut lower = StateStore::new(100);
    kept.records().iter().for_each(|record| lower.restore(&record.key, record.value.as_deref()).unwrap());
    let smaller = changes(&lower, "k", |state| state.put(&store("held"), "a", vec![0; 400].into()).unwrap());
    lower.apply(&smaller).unwrap();
    let larger = changes(&lower, "k", |state| state.put(&store("held"), "a", vec![0; 401].into()).unwrap());
    assert!(lower.apply(&larger).is_err());
    let nothing = changes(&lower, "k", |state| state.delete(&store("held"), "a").unwrap());
    lower.apply(&nothing).unwrap();
    assert_eq!((lower.bytes(), lower.keys()), (0, 0));
}

#[track_caller]
fn check_bound(key: usize, write: impl FnOnce(&mut KeyState) -> Result<(), BrokenBound>, expected: Option<&str>) {
    let said = write(&mut KeyState::empty(vec![0; key].into())).map_err(|broken| broken.to_string());
    match expected {
        None => assert_eq!(said, Ok(())),
        Some(words) => assert!(said.as_ref().is_err_and(|said| said.contains(words)), "{said:?}"),
    }
}

#[test]
fn one_event_and_one_key_have_bounds() {
    let held = store("held");
    let put = |state: &mut KeyState, name: &str, bytes| state.put(&store("held"), name, vec![0; bytes].into());
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    check_bound(KEY_BYTES_MAX, |state| put(state, &long[1..], VALUE_BYTES_MAX), None);
    check_bound(KEY_BYTES_MAX + 1, |state| put(state, "a", 0), Some("the key of this event has 16385 bytes"));
    check_bound(1, |state| put(state, &long, 0), Some("1025 bytes; it must have 1 to 1024"));
    check_bound(1, |state| state.delete(&held, ""), Some("1 to 1024"));
    check_bound(1, |state| state.set_timer("", TimerClock::Wall, 1), Some("1 to 1024"));
    check_bound(1, |state| state.clear_timer(&long, TimerClock::Wall), Some("1 to 1024"));
    check_bound(1, |state| put(state, "a", VALUE_BYTES_MAX + 1), Some("the store `held` has 1000001 bytes"));
    let names = || (0..ENTRIES_MAX).map(|number| number.to_string());
    let full = |state: &mut KeyState| names().try_for_each(|name| state.set_timer(&name, TimerClock::Wall, 1));
    check_bound(1, full, None);
    check_bound(1, |state| full(state).and_then(|()| put(state, "a", 0)), Some("more than 4096 values and timers"));
    check_bound(1, |state| full(state).and_then(|()| full(state)), None);
    let rewrite = |state: &mut KeyState| (0..100).try_for_each(|_| put(state, "a", VALUE_BYTES_MAX));
    check_bound(1, rewrite, None);
    let large = |state: &mut KeyState| {
        (0..=WRITES_BYTES_MAX / VALUE_BYTES_MAX).try_for_each(|n| put(state, &n.to_string(), VALUE_BYTES_MAX))
    };
    check_bound(1, large, Some("one event wrote more than"));
    let churn = |state: &mut KeyState| {
        (0..=ENTRIES_MAX).try_for_each(|n| {
            put(state, &n.to_string(), 0)?;
            state.delete(&store("held"), &n.to_string())
        })
    };
    check_bound(1, churn, Some("to more than 4096 entries"));
}

fn timers(kept: &mut StateStore, due: &[(&str, TimerClock, u64)]) {
    let set = changes(kept, "k", |state| {
        due.iter().for_each(|(name, clock, due_ms)| state.set_timer(name, *clock, *due_ms).unwrap());
    });
    kept.apply(&set).unwrap();
}

#[test]
fn timers_fire_by_their_own_clock_in_the_order_of_their_times() {
    let mut kept = StateStore::new(usize::MAX);
    let (event, wall) = (TimerClock::EventTime, TimerClock::Wall);
    timers(
        &mut kept,
        &[("c", event, 3), ("a", wall, 3), ("a", event, 3), ("b", wall, 2), ("late", event, 9), ("z", wall, 8)],
    );
    assert_eq!(kept.next_wall_ms(), Some(2));
    let names = |due: Vec<DueTimer>| due.iter().map(|due| (due.name.to_string(), due.clock)).collect::<Vec<_>>();
    let named = |name: &str, clock| (name.to_owned(), clock);
    assert!(kept.take_due(None, 1, 9).is_empty(), "there is no event time before the first record");
    assert_eq!(names(kept.take_due(Some(3), 7, 2)), [named("b", wall), named("a", event)]);
    assert_eq!(names(kept.take_due(Some(3), 7, 9)), [named("a", wall), named("c", event)]);
    assert_eq!(kept.next_wall_ms(), Some(8));
}

#[test]
fn a_timer_that_is_set_again_by_its_own_ticket_fires_again_also_at_the_same_time() {
    let mut kept = StateStore::new(usize::MAX);
    timers(&mut kept, &[("t", TimerClock::Wall, 3)]);
    for due_ms in [3, 3, 5] {
        let due = kept.take_due(None, 9, 9);
        let [timer] = due.as_slice() else { panic!("{due:?}") };
        let mut state = kept.open_timer(timer).unwrap();
        state.set_timer("t", TimerClock::Wall, due_ms).unwrap();
        kept.apply(&state.into_changes()).unwrap();
    }
    assert_eq!(kept.take_due(None, 9, 9).len(), 1);
}

#[test]
fn event_time_is_that_of_the_latest_record_and_not_of_the_future() {
    let mut time = EventTime::default();
    time.observe(-1, 100);
    assert_eq!(time.at_ms(), None);
    for (timestamp_ms, expected) in [(5, 5), (3, 5), (99, 99), (1_000, 100), (i64::MAX, 100)] {
        time.observe(timestamp_ms, 100);
        assert_eq!(time.at_ms(), Some(expected));
    }
}

/// Expects that a record is refused with these words.
#[track_caller]
fn check_refused(key: &[u8], value: Option<&[u8]>, words: &str) {
    let error = StateStore::new(0).restore(key, value).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[test]
fn records_of_a_newer_release_and_of_nobody_are_refused() {
    let newer = "version 2, and this host knows 1; run the newer Millrace that wrote it";
    let value_key = b"\x01\x01\0\0\0\x01k\x04heldname".as_slice();
    let timer_key = b"\x01\x02\0\0\0\x01k\x02name".as_slice();
    let mut kept = StateStore::new(0);
    kept.restore(value_key, Some(b"\x01value")).unwrap();
    kept.restore(timer_key, Some(b"\x01\0\0\0\0\0\0\x01\0")).unwrap();
    let state = kept.open(&Bytes::from_static(b"k"));
    assert_eq!(state.get("held", "name").map(Bytes::as_ref), Some(b"value".as_slice()));
    assert_eq!(state.timer("name", TimerClock::Wall), Some(256));
    check_refused(b"\x02 and whatever that means", None, newer);
    check_refused(value_key, Some(b"\x02 and whatever that means"), newer);
    for (key, value) in [
        (b"".as_slice(), None),
        (b"\0", None),
        (b"\x01", None),
        (b"\x01\x03\0\0\0\0", None),
        (b"\x01\x01\0\0\0\x02k", None),
        (b"\x01\x01\0\0\0\x01k", None),
        (b"\x01\x01\0\0\0\x01k\x05held", None),
        (b"\x01\x01\0\0\0\x01k\x04held\xff", None),
        (b"\x01\x02\0\0\0\x01k", None),
        (b"\x01\x02\0\0\0\x01k\x03name", None),
        (value_key, Some(b"".as_slice())),
        (timer_key, Some(b"\x01\0")),
    ] {
        check_refused(key, value, "that no Millrace wrote");
    }
}

#[test]
fn a_timer_that_was_handed_out_and_did_not_run_is_due_again() {
    let mut store = StateStore::new(1 << 20);
    let set = |store: &mut StateStore, due_ms| {
        let mut state = store.open(&"k".into());
        state.set_timer("t", TimerClock::Wall, due_ms).unwrap();
        store.apply(&state.into_changes()).unwrap();
    };
    set(&mut store, 5);
    let timer = store.take_due(None, 5, 1).remove(0);
    assert!(store.take_due(None, 5, 1).is_empty());
    store.put_back(timer.clone());
    assert_eq!(store.take_due(None, 5, 1), std::slice::from_ref(&timer));
    set(&mut store, 9);
    store.put_back(timer);
    assert!(store.take_due(None, 8, 1).is_empty(), "it was moved");
}
