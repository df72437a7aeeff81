//! `./x demo`: page_change events come out of Kafka, go through the flagship plugin, and return as page_content_change
//! events. With the embedded broker and the API stand-in, which need nothing set up; `--real` takes the real ones.

mod real;
mod show;
mod stage;

use crate::{product, progress};
use millrace_bed::enrichment::Enrichment;
use millrace_bed::host::{Host, guest, millrace_binary};
use show::Summary;
use stage::Fed;
use std::time::{Duration, Instant};

/// Arguments of `./x demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Use a real Kafka and a real MediaWiki instead of the embedded stand-ins.
    #[arg(long)]
    real: bool,
    /// Leave everything running and say how to read it.
    #[arg(long)]
    keep: bool,
    /// How many events are fed.
    #[arg(long, default_value_t = 2_400)]
    events: u64,
}

/// Everything must be through by then.
const DONE_MAX: Duration = Duration::from_secs(60);

/// Runs the demo.
///
/// # Errors
/// Something did not start, or the events did not come out again.
pub(crate) fn run(args: DemoArgs) -> anyhow::Result<()> {
    product::build()?;
    let folder = tempfile::tempdir()?;
    if args.real {
        let stage = real::Stage::set()?;
        let fed = stage.feed(args.events.min(600))?;
        return play(&args, folder.path(), stage.enrichment()?, &stage.cluster(), fed, || stage.calls());
    }
    let stage = stage::Stage::set()?;
    let fed = stage.feed(args.events)?;
    play(&args, folder.path(), stage.enrichment()?, &stage.cluster(), fed, || Some(stage.calls()))
}

/// Starts the host, reads what comes out, sums it up.
fn play(
    args: &DemoArgs,
    folder: &std::path::Path,
    mut enrichment: Enrichment,
    cluster: &millrace_kafka::config::ClusterConfig,
    fed: Fed,
    calls: impl Fn() -> Option<u64>,
) -> anyhow::Result<()> {
    enrichment.plugin = guest("page-content-change")?;
    progress::say("Starting millrace with the page-content-change plugin.");
    let mut host = Host::start_with(&millrace_binary()?, folder, &enrichment.yaml(), &["--allow-embedded-broker"])?;
    host.wait_ready()?;
    let begin = Instant::now();
    let seen = show::read(cluster, &enrichment, &host, fed.count, DONE_MAX)?;
    let summary = Summary::of(&host.metrics()?, fed.count, seen, calls(), begin.elapsed());
    progress::say(&summary.text());
    if args.keep {
        keep(&host, &enrichment, folder)?;
    }
    let code = host.terminate()?;
    anyhow::ensure!(code == Some(0), "millrace ended with exit code {code:?} instead of 0");
    summary.check()
}

/// Leaves everything up until Ctrl-C.
fn keep(host: &Host, enrichment: &Enrichment, folder: &std::path::Path) -> anyhow::Result<()> {
    let brokers = &enrichment.brokers;
    progress::say(&format!(
        "\nEverything stays up until Ctrl-C. In another terminal (apt-get install kcat):\n\
         \x20 kcat -b {brokers} -L\n\
         \x20 kcat -b {brokers} -C -t {out} -o beginning -e -c 3 -f 'key %k\\nheaders %h\\n%s\\n\\n'\n\
         \x20 kcat -b {brokers} -C -t {errors} -o beginning -e -f '%s\\n'\n\
         \x20 kcat -b {brokers} -C -t {input} -o beginning -e -c 1 | kcat -b {brokers} -P -t {input}    # once more\n\
         \x20 curl http://{admin}/metrics\n\
         The stand-in for the MediaWiki API: {api}\n\
         The host's configuration and log: {folder}\n\
         A plugin and a pipeline of your own on this broker: examples/quickstart/README.md, or in Python:\n\
         examples/python-enrichment/README.md",
        api = enrichment.api,
        out = enrichment.output,
        errors = enrichment.errors,
        input = enrichment.input,
        admin = host.admin(),
        folder = folder.display(),
    ));
    stage::until_interrupted()
}
