//! Pipelines without a broker: events from files and from EventStreams, outputs in files, and what a kill leaves of them.

use anyhow::{Context as _, ensure};
use millrace_bed::api::StandIn;
use millrace_bed::event_streams::EventStreams;
use millrace_bed::events::{Change, Kind, Wiki, mixed_kind};
use millrace_bed::host::{Host, guest, millrace_binary, root};
use millrace_bed::world::World;
use millrace_services::wait_until;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

/// How long anything may take to happen; on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a configuration, an API, and no Kafka.
struct Desk {
    folder: tempfile::TempDir,
    world: Arc<World>,
    api: StandIn,
    runtime: tokio::runtime::Runtime,
    plugin: PathBuf,
}

impl Desk {
    fn new(latency: Duration) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let world = Arc::new(World::new(16, 2_000));
        let api = runtime.block_on(StandIn::start(Arc::clone(&world), latency))?;
        Ok(Self { folder: tempfile::tempdir()?, world, api, runtime, plugin: guest("page-content-change")? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `count` events of the usual mix, each of a page of its own.
    fn events(&self, count: u64) -> Vec<String> {
        let change = |number: u64| {
            let wiki = Wiki::numbered(usize::try_from(number % 3).unwrap());
            let kind = mixed_kind(number);
            Change { wiki: &wiki, page_id: number + 1, edit: 1, kind, dt: "2026-02-03T04:05:06Z" }.event(&self.world)
        };
        (0..count).map(change).collect()
    }

    fn write(&self, name: &str, events: &[String]) -> anyhow::Result<()> {
        Ok(std::fs::write(self.path(name), format!("{}\n", events.join("\n")))?)
    }

    fn yaml(&self, source: &str) -> String {
        format!(
            r#"admin: {{ listen: "{{admin}}" }}
schemas: {{ repositories: ["{schemas}"] }}
mediawiki:
  wikis: ["*.wikipedia.org"]
  endpoint: "{api}"
  contact: "mailto:tests@example.org"
plugins: {{ cache_dir: plugin-cache }}
pipelines:
  - name: enrichment
    plugin: "{plugin}"
    source: {source}
    sink: {{ file: {{ dir: out }} }}
    inputs:
      page_change: {{ stream: mediawiki.page_change.v1 }}
    outputs:
      page_content_change:
        stream: mediawiki.page_content_change.v1
        schema: /mediawiki/page/change/1.2.0
    lookups: {{ kinds: [revision] }}
    limits: {{ commit_interval: 100 ms }}
"#,
            schemas = root().join("examples/schemas/jsonschema").display(),
            api = self.api.url(),
            plugin = self.plugin.display(),
        )
    }

    /// Runs to the end of the files.
    fn run(&self, source: &str) -> anyhow::Result<Output> {
        let file = self.path("host.yaml");
        std::fs::write(&file, self.yaml(source).replace("{admin}", "127.0.0.1:0"))?;
        Ok(Command::new(millrace_binary()?).arg("run").arg(&file).current_dir(self.folder.path()).output()?)
    }

    /// Runs to the end of the files, and checks that it ended well.
    fn run_well(&self, source: &str) -> anyhow::Result<()> {
        let output = self.run(source)?;
        let log = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {log}", output.status);
        Ok(())
    }

    /// The page ids of the outputs in their order.
    fn pages(&self) -> anyhow::Result<Vec<u64>> {
        read(&self.path("out/mediawiki.page_content_change.v1.jsonl"))?
            .iter()
            .map(|event| event["page"]["page_id"].as_u64().context("no page"))
            .collect()
    }

    /// The pages of which an output or an error event is expected.
    fn expected(&self, count: u64) -> BTreeSet<u64> {
        (0..count).filter(|number| mixed_kind(*number) != Kind::Canary).map(|number| number + 1).collect()
    }
}

/// The events in a file; none where it is not there.
fn read(path: &Path) -> anyhow::Result<Vec<Value>> {
    match std::fs::read_to_string(path) {
        Ok(text) => text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn distinct(pages: &[u64]) -> BTreeSet<u64> {
    pages.iter().copied().collect()
}

const FILE: &str = "{ file: { paths: [events.jsonl] } }";

#[test]
fn a_file_is_enriched_once_and_the_run_ends() -> anyhow::Result<()> {
    let desk = Desk::new(Duration::ZERO)?;
    let mut events = desk.events(100);
    desk.write("events.jsonl", &events)?;
    desk.run_well(FILE)?;
    let pages = desk.pages()?;
    assert_eq!(distinct(&pages), desk.expected(100));
    assert_eq!(pages.len(), distinct(&pages).len());
    let first = read(&desk.path("out/mediawiki.page_content_change.v1.jsonl"))?.remove(0);
    assert_eq!(first["meta"]["stream"], "mediawiki.page_content_change.v1");
    assert_eq!(first["$schema"], "/mediawiki/page/change/1.2.0");
    assert!(read(&desk.path("out/enrichment.error.jsonl"))?.is_empty());

    desk.run_well(FILE)?;
    assert_eq!(desk.pages()?, pages, "a second run adds nothing");

    let more = desk.events(120).split_off(100);
    events.extend(more);
    events.push("{half".to_owned());
    desk.write("events.jsonl", &events)?;
    desk.run_well(FILE)?;
    let all = desk.pages()?;
    assert_eq!((distinct(&all), all.len()), (desk.expected(120), desk.expected(120).len()));
    let errors = read(&desk.path("out/enrichment.error.jsonl"))?;
    assert_eq!((errors.len(), &errors[0]["raw_event"]), (1, &Value::from("{half")));
    Ok(())
}

#[test]
fn a_killed_run_loses_nothing() -> anyhow::Result<()> {
    let desk = Desk::new(Duration::from_millis(20))?;
    desk.write("events.jsonl", &desk.events(2_000))?;
    let host = Host::start(&millrace_binary()?, desk.folder.path(), &desk.yaml(FILE))?;
    wait_until("some outputs", PATIENCE, || desk.pages().is_ok_and(|pages| pages.len() > 100))?;
    // Kills it.
    drop(host);
    let before = desk.pages().map_or(0, |pages| pages.len());
    assert!(before < desk.expected(2_000).len(), "it was killed in the middle");
    desk.run_well(FILE)?;
    let pages = desk.pages()?;
    assert_eq!(distinct(&pages), desk.expected(2_000));
    Ok(())
}

#[test]
fn event_streams_are_enriched_over_broken_connections_and_restarts() -> anyhow::Result<()> {
    let desk = Desk::new(Duration::ZERO)?;
    let events: Vec<Value> = desk.events(60).iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let (first, rest) = events.split_at(40);
    let server = desk.runtime.block_on(EventStreams::start("mediawiki.page_change.v1", first.to_vec(), 13))?;
    let url = format!("{}mediawiki.page_change.v1", server.url());
    let source = format!("{{ sse: {{ url: \"{url}\", since: 2026-01-01T00:00:00Z }} }}");
    let all_of = |count: u64| {
        let expected = desk.expected(count);
        move |pages: &[u64]| distinct(pages).is_superset(&expected)
    };
    let mut host = Host::start(&millrace_binary()?, desk.folder.path(), &desk.yaml(&source))?;
    host.wait_ready()?;
    let done = all_of(40);
    wait_until("the first events", PATIENCE, || desk.pages().is_ok_and(|pages| done(&pages)))
        .map_err(|late| late.context(host.log_tail()))?;
    assert_eq!(host.terminate()?, Some(0));
    let before = desk.pages()?;
    assert_eq!(before.len(), desk.expected(40).len(), "no event twice over broken connections");

    rest.iter().for_each(|event| server.add(event.clone()));
    let host = Host::start(&millrace_binary()?, desk.folder.path(), &desk.yaml(&source))?;
    let done = all_of(60);
    wait_until("the other events", PATIENCE, || desk.pages().is_ok_and(|pages| done(&pages)))
        .map_err(|late| late.context(host.log_tail()))?;
    assert_eq!(host.terminate()?, Some(0));
    assert_eq!(desk.pages()?.len(), desk.expected(60).len(), "a restart goes on where it stopped");
    Ok(())
}

#[test]
fn a_position_of_other_files_is_refused() -> anyhow::Result<()> {
    let desk = Desk::new(Duration::ZERO)?;
    desk.write("events.jsonl", &desk.events(3))?;
    desk.write("others.jsonl", &desk.events(3))?;
    desk.run_well(FILE)?;
    let host = Host::start(&millrace_binary()?, desk.folder.path(), &desk.yaml("{ file: { paths: [others.jsonl] } }"))?;
    wait_until("the refusal", PATIENCE, || host.log().contains("remove the file to begin anew"))
        .map_err(|late| late.context(host.log_tail()))?;
    assert_eq!(host.terminate()?, Some(0));
    Ok(())
}
