//! The host dies at each place on the way of a record, in the middle of an exactly-once pipeline on a real broker. Another
//! one goes on, and readers of committed records never learn of it.

use anyhow::{Context as _, ensure};
use millrace_bed::events::Wiki;
use millrace_bed::host::Host;
use millrace_it::{Repeats, Stage, edits, settled, settled_offsets};
use millrace_kafka::failpoint::FAILPOINTS;
use millrace_services::wait_until;
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

const PAGES: u64 = 75;
const EVENTS: u64 = 1_500;
/// Events are fed in portions of so many, each when half of the one before it has come out: so there are many batches,
/// rounds and transactions, however fast the machine is.
const PORTION: u64 = 50;
const PATIENCE: Duration = Duration::from_secs(60);
/// Deaths side by side: most of their time is the wait until the group misses the dead.
const AT_ONCE: usize = 5;
/// What `abort` ends a process with.
const SIGABRT: i32 = 6;

/// What a death leaves behind that can be known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// A transaction with outputs: whoever takes over aborts it.
    Open,
    /// Nothing: what was begun is committed, or has nothing in it.
    Nothing,
    /// A transaction that is committed, and of which the group has no copy.
    Uncopied,
    /// One or the other, as time will have it.
    Either,
}

/// A death.
#[derive(Clone, Copy, Debug)]
struct Death {
    place: &'static str,
    /// How often the place is passed before, and once more. All are passed for the first time while the first events are
    /// on their way, and often enough before the last ones are fed.
    time: u32,
    partitions: i32,
    left: Left,
}

const fn death(place: &'static str, time: u32, partitions: i32, left: Left) -> Death {
    Death { place, time, partitions, left }
}

/// One partition where what is left is to be known: another one might have a transaction of its own under way.
const DEATHS: [Death; 10] = [
    death("polled", 20, 2, Left::Either),
    death("in-turn", 40, 2, Left::Either),
    death("answered", 700, 2, Left::Either),
    death("begun", 10, 1, Left::Nothing),
    death("sending", 700, 2, Left::Either),
    death("sent", 10, 2, Left::Either),
    death("flushed", 10, 1, Left::Open),
    death("committing", 10, 2, Left::Either),
    death("committed", 10, 1, Left::Uncopied),
    death("settled", 10, 1, Left::Uncopied),
];

#[test]
fn a_death_at_any_place_leaves_each_output_once() -> anyhow::Result<()> {
    let places: BTreeSet<&str> = FAILPOINTS.iter().map(|(_, name)| *name).collect();
    assert_eq!(DEATHS.iter().map(|death| death.place).collect::<BTreeSet<_>>(), places, "every place has its death");
    let folder = tempfile::tempdir()?;
    // Made by the first host, for itself alone.
    let cache = folder.path().join("plugin-cache");
    let queue = Mutex::new(DEATHS.into_iter());
    let next = || queue.lock().unwrap().next();
    let take_turns = || -> anyhow::Result<()> {
        while let Some(death) = next() {
            println!("{}", judge(&death, &cache).with_context(|| format!("{death:?}"))?);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let players: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(take_turns)).collect();
        players.into_iter().try_for_each(|player| player.join().unwrap())
    })
}

/// Answers what was seen.
fn judge(death: &Death, cache: &Path) -> anyhow::Result<String> {
    let name = format!("death-{}", death.place);
    let mut stage = Stage::set_exactly_once(&name, "page-content-change", death.partitions, Duration::from_millis(20))?;
    stage.enrichment.cache_dir = cache.to_owned();
    let wiki = Wiki::numbered(0);
    let at = format!("{}:{}", death.place, death.time);
    let fed = feed_to_death(&stage, &wiki, stage.start_to_die(&at)?)?;
    ensure!(fed < EVENTS, "it died in the middle");

    let before = Repeats::count(&stage.committed_outputs()?)?;
    ensure!(before.events > 0 && before.repeats == 0, "after the death: {before:?}");
    let end = i64::try_from(EVENTS)?;
    let copied: usize = stage.committed()?.values().map(|progress| settled_offsets(progress, end)).sum();
    ensure!(copied <= before.events, "the group's copy has {copied} of {} events that came out", before.events);
    if death.left == Left::Uncopied {
        ensure!(copied < before.events, "the group has a copy of what it was to die before");
    }

    let host = stage.start()?;
    stage.feed(edits(&wiki, PAGES, fed..EVENTS))?;
    stage.committed_to_the_end(end).map_err(|late| late.context(host.log_tail()))?;
    ensure!(host.terminate()? == Some(0), "it ends in order");
    let outputs = stage.committed_outputs()?;
    let came = Repeats::count(&outputs)?;
    ensure!((came.events, came.repeats) == (usize::try_from(EVENTS)?, 0), "each event once: {came:?}");
    ensure!(stage.errors()?.is_empty(), "no event failed");
    let aborted = stage.outputs()?.len() - outputs.len();
    match death.left {
        Left::Open => ensure!(aborted > 0, "the open transaction had outputs, and they were aborted"),
        Left::Nothing | Left::Uncopied => ensure!(aborted == 0, "{aborted} outputs were aborted"),
        Left::Either => {}
    }
    Ok(format!("{at}: {} of {EVENTS} events were out, {aborted} outputs were aborted", before.events))
}

/// Feeds a host until it dies, and answers how many events it was fed.
fn feed_to_death(stage: &Stage, wiki: &Wiki, mut host: Host) -> anyhow::Result<u64> {
    let (mut fed, mut lives) = (0, true);
    while lives && fed < EVENTS {
        stage.feed(edits(wiki, PAGES, fed..fed + PORTION))?;
        fed += PORTION;
        let enough = (fed - PORTION / 2) as f64;
        wait_until("half of a portion", PATIENCE, || {
            lives = host.is_running();
            !lives || host.metrics().is_ok_and(|metrics| settled(&metrics) >= enough)
        })
        .map_err(|late| late.context(host.log_tail()))?;
    }
    let status = host.wait_end(PATIENCE)?;
    ensure!(status.signal() == Some(SIGABRT), "it ended with {status}");
    Ok(fed)
}
