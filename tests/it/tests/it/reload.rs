//! A plugin, its settings and its limits changed while events flow: each event ends on the version that started it, and
//! what cannot be used changes nothing.

use millrace_bed::events::{Change, Kind, Wiki};
use millrace_bed::host::{Host, guest};
use millrace_flow::record::{OutputRecord, Record};
use millrace_it::{Repeats, Stage, header, record, wait_for_metrics};
use millrace_services::wait_until;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";
const PATIENCE: Duration = Duration::from_secs(60);
const SWAPS: usize = 50;
/// Every so many swaps the file is no plugin.
const BAD_EVERY: usize = 5;
const PAGES: u64 = 200;

/// The flagship with a custom section behind it: another digest, the same behaviour.
fn variant(number: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = fs::read(guest("page-content-change")?)?;
    let name = format!("variant{number}");
    bytes.extend([0, u8::try_from(name.len() + 1)?, u8::try_from(name.len())?]);
    bytes.extend(name.bytes());
    Ok(bytes)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A plugin's file that is changed in each of the ways in which operators do: written in place, renamed over, and
/// swapped by a link to its folder.
struct Deployed {
    folder: PathBuf,
    swaps: usize,
}

impl Deployed {
    fn new(folder: &Path, bytes: &[u8]) -> anyhow::Result<Self> {
        let folder = folder.join("deployed");
        fs::create_dir_all(folder.join("..0"))?;
        fs::write(folder.join("..0/plugin.wasm"), bytes)?;
        symlink("..0", folder.join("..data"))?;
        symlink("..data/plugin.wasm", folder.join("plugin.wasm"))?;
        Ok(Self { folder, swaps: 0 })
    }

    fn file(&self) -> PathBuf {
        self.folder.join("plugin.wasm")
    }

    fn swap(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.swaps += 1;
        match self.swaps % 3 {
            0 => fs::write(self.file(), bytes)?,
            1 => {
                fs::write(self.folder.join("new.wasm"), bytes)?;
                fs::rename(self.folder.join("new.wasm"), self.folder.join("..data/plugin.wasm"))?;
            }
            _ => {
                let next = format!("..{}", self.swaps);
                fs::create_dir(self.folder.join(&next))?;
                fs::write(self.folder.join(&next).join("plugin.wasm"), bytes)?;
                symlink(&next, self.folder.join("..new"))?;
                fs::rename(self.folder.join("..new"), self.folder.join("..data"))?;
            }
        }
        Ok(())
    }
}

fn wait_for_count(host: &Host, name: &str, count: usize) -> anyhow::Result<()> {
    wait_for_metrics(host, &format!("{name} = {count}"), |metrics| metrics.sum(name, &[]) == count as f64)
}

/// Event number `number` of the load.
fn change(wiki: &Wiki, number: u64, kind: Kind) -> Change<'_> {
    Change { wiki, page_id: 1 + number % PAGES, edit: 2 + number / PAGES, kind, dt: DT }
}

/// By partition and offset of its input, the plugin that each output came from.
fn plugins_by_source(outputs: &[Record]) -> BTreeMap<(String, i64), String> {
    let of = |output: &Record| {
        let source = header(output, "millrace-src").unwrap();
        let (partition, offset) = source.rsplit_once('/').unwrap();
        ((partition.to_owned(), offset.parse().unwrap()), header(output, "millrace-plugin").unwrap())
    };
    outputs.iter().map(of).collect()
}

#[test]
fn fifty_swaps_under_load_lose_nothing_and_keep_order() -> anyhow::Result<()> {
    let mut stage = Stage::set("swapped", "page-content-change", 2, Duration::from_millis(20))?;
    let mut deployed = Deployed::new(stage.folder(), &variant(0)?)?;
    stage.enrichment.plugin = deployed.file();
    let host = stage.start()?;
    let wiki = Wiki::numbered(0);
    let (enough, mut digests, mut refused) = (AtomicBool::new(false), vec![digest(&variant(0)?)], 0);
    let fed = std::thread::scope(|scope| {
        let feeder = scope.spawn(|| {
            let mut fed = 0;
            while !enough.load(Ordering::Relaxed) {
                stage.feed((fed..fed + PAGES).map(|number| change(&wiki, number, Kind::Edit)))?;
                fed += PAGES;
                wait_for_metrics(&host, "room for more events", |metrics| {
                    metrics.sum("millrace_events_in_flight", &[]) < 1_000.0
                })?;
            }
            anyhow::Ok(fed)
        });
        let swapped = (1..=SWAPS).try_for_each(|number| {
            let bytes = variant(number)?;
            if number % BAD_EVERY == 0 {
                deployed.swap(bytes.get(..bytes.len() / 2).unwrap())?;
                refused += 1;
                return wait_for_count(&host, "millrace_plugin_reloads_refused_total", refused);
            }
            deployed.swap(&bytes)?;
            digests.push(digest(&bytes));
            wait_for_count(&host, "millrace_plugin_swaps_total", digests.len() - 1)
        });
        enough.store(true, Ordering::Relaxed);
        let fed = feeder.join().unwrap()?;
        swapped.map(|()| fed)
    })?;
    stage.committed_to_the_end(i64::try_from(fed)?)?;
    let (_, readiness) = host.get("/readyz")?;
    assert!(readiness.contains("not valid") && readiness.contains("\"ready\":true"), "{readiness}");
    assert!(readiness.contains(digests.last().unwrap()), "{readiness}");
    wait_for_count(&host, "millrace_plugin_versions", 1)?;
    let pauses = host.metrics()?.sum("millrace_plugin_swap_pause_seconds_count", &[]);
    assert!(pauses > 0.0, "records waited at some of the boundaries");
    assert_eq!(host.terminate()?, Some(0));

    let outputs = stage.outputs()?;
    assert_eq!(Repeats::count(&outputs)?, Repeats { events: usize::try_from(fed)?, repeats: 0 });
    let mut newest: BTreeMap<String, usize> = BTreeMap::new();
    for ((partition, offset), plugin) in plugins_by_source(&outputs) {
        let number = digests.iter().position(|digest| *digest == plugin).unwrap();
        let before = newest.insert(partition.clone(), number).unwrap_or(0);
        assert!(before <= number, "{partition}/{offset} ran on version {number} after {before}");
    }
    for progress in stage.committed()?.into_values() {
        let named: Vec<String> = progress
            .versions
            .unwrap()
            .versions()
            .map(|(_, plugin)| plugin.iter().map(|b| format!("{b:02x}")).collect())
            .collect();
        assert_eq!(named, [digests.last().unwrap().clone()]);
    }
    assert_eq!(stage.errors()?.len(), 0);
    Ok(())
}

/// What came out after a kill between two versions.
struct AfterKill {
    /// The digests of the versions, older first.
    digests: [String; 2],
    /// By source, the plugin that the output came from.
    plugins: BTreeMap<(String, i64), String>,
    host: Host,
    _stage: Stage,
}

/// Events that wait for the API on the first version, a second version with events of its own, and a kill, after which
/// `meanwhile` may do something to the host's folder.
fn killed_between_two_versions(
    name: &str,
    meanwhile: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<AfterKill> {
    const EACH: u64 = 20;
    let mut stage = Stage::set(name, "page-content-change", 1, Duration::from_millis(1))?;
    let mut deployed = Deployed::new(stage.folder(), &variant(0)?)?;
    stage.enrichment.plugin = deployed.file();
    stage.enrichment.limits.push("commit_interval: 50 ms".to_owned());
    let wiki = Wiki::numbered(0);
    stage.api.go_out();
    let host = stage.start()?;
    stage.feed((0..EACH).map(|number| change(&wiki, number, Kind::Edit)))?;
    wait_for_count(&host, "millrace_events_in_flight", usize::try_from(EACH)?)?;
    deployed.swap(&variant(1)?)?;
    wait_for_count(&host, "millrace_plugin_swaps_total", 1)?;
    stage.feed((EACH..2 * EACH).map(|number| change(&wiki, number, Kind::Edit)))?;
    stage.feed((2 * EACH..3 * EACH).map(|number| change(&wiki, number, Kind::Delete)))?;
    wait_for_count(&host, "millrace_events_emitted_total", usize::try_from(EACH)?)?;
    let named = || {
        let progress = stage.committed().ok()?.into_values().next()?;
        Some((progress.versions?.versions().count(), progress.settled.contains(3 * i64::try_from(EACH).ok()? - 1)))
    };
    wait_until("progress that names both versions", PATIENCE, || named() == Some((2, true)))?;
    host.kill()?;
    meanwhile(stage.folder())?;

    let host = stage.start()?;
    stage.api.come_back();
    stage.committed_to_the_end(3 * i64::try_from(EACH)?)?;
    let outputs = stage.outputs()?;
    assert_eq!(Repeats::count(&outputs)?, Repeats { events: 3 * usize::try_from(EACH)?, repeats: 0 });
    let digests = [digest(&variant(0)?), digest(&variant(1)?)];
    Ok(AfterKill { digests, plugins: plugins_by_source(&outputs), host, _stage: stage })
}

#[test]
fn after_a_kill_events_end_on_the_version_that_started_them() -> anyhow::Result<()> {
    let after = killed_between_two_versions("killed-between", |_| Ok(()))?;
    let [first, second] = after.digests;
    for ((_, offset), plugin) in after.plugins {
        assert_eq!(plugin, if offset < 20 { first.clone() } else { second.clone() }, "offset {offset}");
    }
    Ok(())
}

#[test]
fn a_version_whose_bytes_are_gone_is_replaced_by_the_present_one() -> anyhow::Result<()> {
    let AfterKill { digests: [_, second], plugins, host, _stage } =
        killed_between_two_versions("gone-between", |folder| {
            let kept = folder.join("plugin-cache/plugins");
            fs::remove_file(kept.join(format!("{}.wasm", digest(&variant(0)?))))?;
            Ok(())
        })?;
    assert!(plugins.values().all(|plugin| *plugin == second), "{plugins:?}");
    assert_eq!(host.metrics()?.sum("millrace_plugin_versions_gone_total", &[]), 1.0);
    assert!(host.log().contains("cannot be had any more"), "{}", host.log());
    Ok(())
}

/// An edit whose SHA-1 is not that of its content.
fn mismatching(stage: &Stage, wiki: &Wiki, number: u64) -> OutputRecord {
    let change = change(wiki, number, Kind::Edit);
    let sha1 = &stage.world.text(change.rev_id(), 0).sha1;
    let event = change.event(&stage.world).replace(sha1.as_str(), "0000000000000000000000000000000");
    record(&stage.enrichment.input, Some(change.key().into_bytes()), Some(event.into_bytes()))
}

#[test]
fn settings_and_limits_are_taken_over_on_sighup() -> anyhow::Result<()> {
    let mut stage = Stage::set("hung-up", "page-content-change", 1, Duration::from_millis(1))?;
    let mut host = stage.start()?;
    let wiki = Wiki::numbered(0);
    let file = stage.folder().join("millrace.yaml");
    let write = |stage: &Stage, host: &Host| {
        fs::write(&file, stage.enrichment.yaml().replace("{admin}", &host.admin().to_string()))?;
        host.signal("HUP")
    };
    stage.feed_records([mismatching(&stage, &wiki, 0)])?;
    stage.settle(&mut host, 1)?;

    stage.enrichment.settings = "{ sha1_mismatch: fail }".to_owned();
    stage.enrichment.limits.push("event_bytes: 4 KiB".to_owned());
    write(&stage, &host)?;
    wait_for_count(&host, "millrace_plugin_swaps_total", 1)?;
    let large = record(&stage.enrichment.input, None, Some(vec![b' '; 5_000]));
    stage.feed_records([mismatching(&stage, &wiki, 1), large])?;
    let metrics = stage.settle(&mut host, 3)?;
    assert_eq!(metrics.sum("millrace_events_emitted_total", &[]), 1.0, "before, a mismatch passed");
    assert_eq!(metrics.sum("millrace_events_failed_total", &["sha1_mismatch"]), 1.0);
    assert_eq!(metrics.sum("millrace_events_failed_total", &[]), 2.0, "and what is larger than the limit fails");

    stage.enrichment.settings = "{ sha1_mismatch: perhaps }".to_owned();
    write(&stage, &host)?;
    wait_for_count(&host, "millrace_plugin_reloads_refused_total", 1)?;
    assert!(host.get("/readyz")?.1.contains("perhaps"), "the reason is told");
    stage.enrichment.settings = "{ sha1_mismatch: fail".to_owned();
    write(&stage, &host)?;
    stage.wait_for_log(&host, &["The configuration has mistakes"])?;
    stage.enrichment.settings = "{ sha1_mismatch: fail }".to_owned();
    stage.enrichment.order = "partition";
    write(&stage, &host)?;
    stage.wait_for_log(&host, &["need a restart", "more than `plugin`, `settings`, `limits` and `backfill`"])?;
    wait_for_count(&host, "millrace_plugin_reload_refused", 0)?;
    stage.feed_records([mismatching(&stage, &wiki, 2)])?;
    stage.settle(&mut host, 4)?;
    assert_eq!(stage.errors()?.len(), 3, "the settings before go on");
    Ok(())
}
