//! The same where a progress record counts and not what the group has committed. The records are written by hand here, as
//! the owner of a partition would.

use crate::command::millrace;
use anyhow::Context as _;
use millrace_bed::events::{Change as PageChange, Kind, Wiki};
use millrace_flow::progress::Progress;
use millrace_flow::progress_record::{ProgressKey, ProgressRecord};
use millrace_flow::record::{OutputRecord, TopicPartition};
use millrace_it::{Stage, kafka, settled, wait_for_metrics};
use millrace_kafka::commit::PartitionProgress;
use millrace_kafka::config::ProducerConfig;
use millrace_kafka::exclusive::{ExclusiveError, ExclusiveWriter};
use millrace_kafka::newest::newest_values;
use millrace_runtime::audit::finding::Defect;
use millrace_runtime::audit::judge::{Repeats, Silence};
use millrace_runtime::audit::report::Report;
use millrace_runtime::audit::session::{Plan, run as audit};
use millrace_runtime::audit::window::Window;
use millrace_runtime::clock::SystemClock;
use millrace_runtime::config::HostConfig;
use millrace_runtime::offsets::change::Change;
use millrace_runtime::offsets::session::{Target, Wish, apply, look, plan};
use millrace_runtime::pipelines::find_pipeline;
use millrace_runtime::standing::{Origin, Place, Truth};
use millrace_services::Topic;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const DT: &str = "2026-06-22T09:48:10Z";
const EVENTS: u64 = 20;
const PATIENCE: Duration = Duration::from_secs(30);

/// A stage with a progress topic of its own, and its configuration.
struct Scene {
    stage: Stage,
    topic: String,
    config: HostConfig,
}

impl Scene {
    fn set(name: &str) -> anyhow::Result<Self> {
        let stage = Stage::set(name, "page-content-change", 1, Duration::ZERO)?;
        let wiki = Wiki::numbered(0);
        let change = |number| PageChange { wiki: &wiki, page_id: 1 + number, edit: 2, kind: Kind::Edit, dt: DT };
        stage.feed((0..EVENTS).map(change))?;
        let topic = format!("{name}.progress");
        kafka()?.create_topics(&[Topic::new(&topic, 3, &[("cleanup.policy", "compact")])])?;
        let file = stage.folder().join("host.yaml");
        std::fs::write(&file, stage.enrichment.yaml().replace("{admin}", "127.0.0.1:0"))?;
        let config = HostConfig::load(&file)?;
        Ok(Self { stage, topic, config })
    }

    fn truth(&self) -> Truth {
        Truth::Records { topic: self.topic.clone() }
    }

    fn partition(&self) -> TopicPartition {
        TopicPartition::new(self.stage.enrichment.input.as_str(), 0)
    }

    /// Becomes the owner of the partition, as a host does.
    fn owner(&self, key: &ProgressKey) -> anyhow::Result<ExclusiveWriter> {
        let config = ProducerConfig::new(self.stage.cluster.clone());
        Ok(ExclusiveWriter::open(&config, &key.transactional_id(), PATIENCE)?)
    }

    /// A progress record.
    fn record(&self, key: &ProgressKey, progress: &Progress) -> OutputRecord {
        let value = ProgressRecord::of(progress, None).encode();
        millrace_it::record(&self.topic, Some(key.encode().into_bytes()), Some(value.into_bytes()))
    }

    /// The newest progress record.
    fn newest(&self, key: &ProgressKey) -> anyhow::Result<Progress> {
        let key = key.encode().into();
        let values = newest_values(&self.stage.cluster, &self.topic, &BTreeSet::from([Clone::clone(&key)]), PATIENCE)?;
        let value = values.get(&key).and_then(|values| values.first()).context("no record")?;
        Ok(ProgressRecord::decode(value)?.progress()?)
    }

    fn within<T>(&self, work: impl FnOnce(&Place<'_>, &ProgressKey) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let pipeline = self.config.pipelines.first().context("no pipeline")?;
        let place = Place::find(pipeline, self.truth())?;
        work(&place, &place.key(&self.partition()))
    }
}

fn at(prefix: i64, serial: u64) -> Progress {
    Progress { serial, ..Progress::at(prefix) }
}

fn plan_set(place: &Place<'_>, offset: i64) -> anyhow::Result<Vec<Change>> {
    plan(place, &look(place)?, &Wish::Set { target: Target::Offset(offset), partitions: Vec::new() })
}

#[test]
fn a_progress_record_counts_and_is_changed_with_the_groups_copy() -> anyhow::Result<()> {
    let scene = Scene::set("offsets-records")?;
    scene.within(|place, key| {
        let owner = scene.owner(key)?;
        owner.write(&[scene.record(key, &at(3, 1))])?;
        let before = at(12, 1).with_settled(14).context("open")?;
        owner.write(&[scene.record(key, &before)])?;
        let copy = PartitionProgress {
            partition: scene.partition(),
            offset: 9,
            leader_epoch: None,
            metadata: at(9, 1).encode(),
        };
        place.group()?.commit(&[copy])?;

        let found = look(place)?;
        assert_eq!(found[0].standing.progress(), (Origin::Record, Some(&before)));
        assert_eq!(found[0].lag(), Some(EVENTS - 13));
        let changes = plan_set(place, 5)?;
        assert_eq!((changes.len(), changes[0].repeated, changes[0].passed_over), (1, 8, 0));
        let mut made = 0;
        apply(place, &changes, &SystemClock, |_| made += 1)?;
        assert_eq!((made, scene.newest(key)?), (1, at(5, before.serial + 1)));
        assert_eq!(scene.stage.committed()?.remove(&scene.partition()), Some(at(5, before.serial + 1)));

        let fenced = owner.write(&[scene.record(key, &at(13, before.serial + 1))]);
        assert!(matches!(fenced, Err(ExclusiveError::Overtaken { .. })), "{fenced:?}");
        assert_eq!(scene.newest(key)?.prefix, 5, "a host that nobody knew of can write no more");
        Ok(())
    })
}

#[test]
fn a_pipeline_that_moved_since_the_plan_was_made_is_left_alone() -> anyhow::Result<()> {
    let scene = Scene::set("offsets-moved")?;
    scene.within(|place, key| {
        scene.owner(key)?.write(&[scene.record(key, &at(12, 4))])?;
        let changes = plan_set(place, 5)?;
        scene.owner(key)?.write(&[scene.record(key, &at(13, 5))])?;
        let refused = apply(place, &changes, &SystemClock, |_| {});
        assert!(refused.is_err_and(|error| error.to_string().contains("has moved on")));
        assert_eq!(scene.newest(key)?, at(13, 5));
        Ok(())
    })
}

#[test]
fn a_phase_of_at_least_once_that_came_later_counts() -> anyhow::Result<()> {
    let scene = Scene::set("offsets-phases")?;
    scene.within(|place, key| {
        scene.owner(key)?.write(&[scene.record(key, &at(12, 4))])?;
        let later = at(15, 6);
        let committed = PartitionProgress {
            partition: scene.partition(),
            offset: later.prefix,
            leader_epoch: None,
            metadata: later.encode(),
        };
        place.group()?.commit(&[committed])?;
        assert_eq!(look(place)?[0].standing.progress(), (Origin::Group, Some(&later)));
        let point = millrace_runtime::audit::window::Point { partition: scene.partition(), offset: 15 };
        let changes = plan(place, &look(place)?, &Wish::Skip(vec![point]))?;
        apply(place, &changes, &SystemClock, |_| {})?;
        assert_eq!(scene.newest(key)?, at(16, 7));
        Ok(())
    })
}

fn audit_of(scene: &Scene) -> anyhow::Result<Report> {
    let pipeline = find_pipeline(scene.config.clone(), scene.stage.folder(), &scene.stage.enrichment.name)?;
    let plan = Plan {
        pipeline,
        truth: scene.truth(),
        schemas: scene.config.schemas.clone(),
        window: Window::default(),
        outputs_since_ms: None,
        silence: Silence::Found,
        repeats: Repeats::Found,
        findings_max: 100,
    };
    audit(&plan, &AtomicBool::new(false))
}

#[test]
fn an_audit_finds_results_that_no_progress_record_contains() -> anyhow::Result<()> {
    let scene = Scene::set("audit-records")?;
    let mut host = scene.stage.start()?;
    scene.stage.settle(&mut host, EVENTS)?;
    scene.stage.committed_to_the_end(i64::try_from(EVENTS)?)?;
    assert_eq!(host.terminate()?, Some(0));
    scene.within(|_, key| {
        let owner = scene.owner(key)?;
        let serial = scene.stage.committed()?.remove(&scene.partition()).context("nothing is committed")?.serial;
        let all = i64::try_from(EVENTS)?;
        owner.write(&[scene.record(key, &at(all, serial))])?;
        let report = audit_of(&scene)?;
        assert!(report.is_clean(), "{}", report.text());
        // Events 15 and 17 are not in it.
        let less = at(15, serial).with_settled(16).and_then(|less| less.with_settled(18)).context("open")?;
        let less = less.with_settled(19).context("open")?;
        owner.write(&[scene.record(key, &less)])?;
        let report = audit_of(&scene)?;
        let offsets: Vec<i64> =
            report.findings.kept().filter_map(|found| Some(found.source.as_ref()?.offset)).collect();
        assert_eq!((report.findings.count(Defect::Uncovered), offsets), (2, vec![15, 17]), "{}", report.text());
        Ok(())
    })
}

#[test]
fn a_real_run_is_clean_until_somebody_sets_its_offsets_back() -> anyhow::Result<()> {
    let stage = Stage::set_exactly_once("offsets-once", "page-content-change", 1, Duration::from_millis(50))?;
    super::feed(&stage)?;
    let killed = stage.start()?;
    wait_for_metrics(&killed, "first events", |metrics| settled(metrics) >= 5.0)?;
    killed.kill()?;
    let host = stage.start()?;
    stage.committed_to_the_end(i64::try_from(super::EVENTS)?)?;
    let running = super::offsets(&stage, "set", &["--to-offset", "10", "--apply"])?;
    assert!(running.code == Some(1) && running.said.contains("is running"), "{running:?}");
    assert_eq!(host.terminate()?, Some(0));
    let clean = millrace(&stage, "audit", &["--json", "--every-event"])?;
    assert_eq!((clean.code, &clean.result["delivery"]), (Some(0), &json!("exactly_once")), "{clean:?}");

    let shown = &super::done(&stage, "show", &[])?["partitions"][0];
    assert_eq!((&shown["from"], &shown["lag"]), (&json!("progress record"), &json!(0)), "{shown}");
    super::done(&stage, "set", &["--to-offset", "10", "--apply"])?;
    let back = millrace(&stage, "audit", &["--json"])?;
    assert_eq!((back.code, &back.result["counts"]["uncovered"]), (Some(1), &json!(super::EVENTS - 10)), "{back:?}");
    let host = stage.start()?;
    stage.committed_to_the_end(i64::try_from(super::EVENTS)?)?;
    assert_eq!(host.terminate()?, Some(0));
    let again = millrace(&stage, "audit", &["--json"])?;
    assert_eq!((again.code, &again.result["counts"]["doubled"]), (Some(1), &json!(super::EVENTS - 10)), "{again:?}");
    Ok(())
}
