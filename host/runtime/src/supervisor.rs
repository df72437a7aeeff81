//! Runs a host: its threads, its pipelines, its admin server; starts a pipeline again that stopped by itself; ends on a
//! signal.

use crate::admin::{self, Health};
use crate::breadcrumb::Breadcrumbs;
use crate::clock::SystemClock;
use crate::config::{HostConfig, PipelineConfig, Source};
use crate::control::Controls;
use crate::group_parts::GroupParts;
use crate::job::PipelineId;
use crate::launch::{self, Launched};
use crate::metrics::HostMetrics;
use crate::pipeline::PipelineError;
use crate::registry::{self, Schemas};
use crate::reload::config::{PipelineConfigs, reread};
use crate::reload::file::FileWatch;
use crate::reload::store::PluginStore;
use crate::shutdown::{self, Signals};
use crate::worker::{self, Inbox, Message, Role, Shared};
use anyhow::Context as _;
use millrace_flow::clock::Clock;
use millrace_kafka::error::KafkaError;
use millrace_lookup::LookupService;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::watch;

/// Messages that may wait for a worker. Each carries a batch, and admission bounds what is in flight, so this is far
/// beyond what ever waits; it bounds the queue all the same.
const INBOX_MESSAGES_MAX: usize = 65_536;
/// The first wait before a pipeline is started again; it doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// The longest wait before a pipeline is started again.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A pipeline that ran this long had a good start: the next wait is the shortest again.
const BACKOFF_RESET: Duration = Duration::from_secs(120);

/// Whether a host may run on the demo's embedded broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddedBroker {
    /// It may: this is the demo, or a test.
    Allowed,
    /// It may not: an embedded broker keeps no promise.
    Refused,
}

/// What every pipeline of a host shares.
pub struct Host {
    /// The host's configuration.
    pub config: HostConfig,
    /// What it was read from, and the declared streams with it.
    pub source: Source,
    /// The workers' inboxes.
    pub workers: Vec<Sender<Message>>,
    /// The inboxes of their sidelines, where plugins are that use too much CPU time. Nobody sends events there directly.
    pub sidelines: Vec<Sender<Message>>,
    /// The compiler and runtime of plugins.
    pub engine: millrace_plugin::Engine,
    /// The bytes of plugins that run or ran lately.
    pub plugins: PluginStore,
    /// Notices that a plugin's file is another.
    pub files: FileWatch,
    /// The schemas of the pipelines' streams.
    pub schemas: Schemas,
    /// Answers what plugins ask.
    pub lookup: LookupService,
    /// Which part of the groups is this host's.
    pub group_parts: Arc<GroupParts>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// All metrics.
    pub metrics: Arc<HostMetrics>,
    /// What `/readyz` tells.
    pub health: Arc<Health>,
    /// What operators ordered.
    pub controls: Arc<Controls>,
    /// Which events were in hand when a host died.
    pub crumbs: Breadcrumbs,
    /// Whether the demo's embedded broker is taken for a Kafka.
    pub allow_embedded_broker: bool,
    /// True once the host stops.
    pub stop: watch::Receiver<bool>,
}

impl Host {
    /// The inboxes of all workers, the sidelines last: a station that is on its way there gets there before what follows.
    fn inboxes(&self) -> impl Iterator<Item = &Sender<Message>> {
        self.workers.iter().chain(&self.sidelines)
    }
}

/// Runs a host until a signal stops it. A second signal ends the process at once.
///
/// # Errors
/// Whatever keeps the host from starting. Once it runs, a pipeline's error is its own: it is started again.
pub fn run(config: HostConfig, source: Source, broker: EmbeddedBroker) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.workers)
        .thread_name("millrace-io")
        .enable_all()
        .build()
        .context("the I/O threads could not be started")?;
    let result = runtime.block_on(serve(config, source, broker, runtime.handle().clone()));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(
    config: HostConfig,
    source: Source,
    broker: EmbeddedBroker,
    handle: tokio::runtime::Handle,
) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let hangups = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let (stop_host, stop) = watch::channel(false);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let metrics = Arc::new(HostMetrics::new()?);
    metrics.workers(config.workers);
    let names = config.pipelines.iter().map(|pipeline| pipeline.name.clone());
    let health = Arc::new(Health::with_metrics(names, Arc::clone(&metrics)));
    let lookup = LookupService::new(launch::lookups::lookup_config(&config), Arc::clone(&clock), handle.clone())?;
    metrics.watch_lookups(lookup.clone());
    let engine = millrace_plugin::Engine::new(engine_config(&config))?;
    let crumbs = Breadcrumbs::open(config.plugins.cache_dir.as_ref().map(|folder| folder.join("breadcrumbs")));
    let Workers { workers, sidelines, threads } = start_workers(config.workers, &lookup, &clock, &crumbs, &handle)?;
    let controls = Arc::new(Controls::new(config.pipelines.iter().map(|pipeline| pipeline.name.clone())));
    let shown = (Arc::clone(&metrics), Arc::clone(&health), Arc::clone(&controls));
    let admin = admin::serve(&config.admin, shown).await?;
    let shares = |pipeline: &PipelineConfig| !pipeline.lookups.kinds.is_empty() && pipeline.brokerless.is_none();
    let asking =
        (0..).map(PipelineId).zip(&config.pipelines).filter(|(_, pipeline)| shares(pipeline)).map(|(id, _)| id);
    let asking: Vec<PipelineId> = asking.collect();
    let host = Arc::new(Host {
        plugins: PluginStore::new(config.plugins.cache_dir.as_deref(), config.pipelines.len()),
        files: FileWatch::start(),
        schemas: Schemas::new(config.schemas.clone())?,
        config,
        source,
        workers,
        sidelines,
        engine,
        group_parts: GroupParts::new(lookup.clone(), asking),
        lookup,
        clock,
        metrics,
        health,
        controls,
        crumbs,
        allow_embedded_broker: broker == EmbeddedBroker::Allowed,
        stop,
    });

    let mut pipelines = tokio::task::JoinSet::new();
    let mut configs = PipelineConfigs::new();
    for (id, pipeline) in (0..).zip(host.config.pipelines.clone()) {
        let (send, config) = watch::channel(pipeline);
        configs.push(send);
        pipelines.spawn(keep_running(Arc::clone(&host), PipelineId(id), config));
    }
    let watching = tokio::spawn(registry::watch::keep_watch(Arc::clone(&host)));
    let rereading = tokio::spawn(reread_on_hangup(Arc::clone(&host), hangups, Arc::new(configs)));
    shutdown::wait(signals, stop_host, &mut pipelines).await;
    rereading.abort();
    watching.abort();
    admin.abort();
    for inbox in host.inboxes() {
        // A worker that is gone needs no telling.
        drop(inbox.send(Message::Stop).await);
    }
    tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join()))).await?;
    tracing::info!("Stopped.");
    Ok(())
}

fn engine_config(config: &HostConfig) -> millrace_plugin::EngineConfig {
    millrace_plugin::EngineConfig { cache_dir: config.plugins.cache_dir.clone(), ..Default::default() }
}

/// The threads that run plugins.
struct Workers {
    workers: Vec<Sender<Message>>,
    sidelines: Vec<Sender<Message>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

/// One OS thread per worker and one for its sideline, each with an inbox of its own. A sideline has one worker, because a
/// version has a station on each.
fn start_workers(
    count: usize,
    lookup: &LookupService,
    clock: &Arc<dyn Clock>,
    crumbs: &Breadcrumbs,
    handle: &tokio::runtime::Handle,
) -> anyhow::Result<Workers> {
    let start = |name: String, role: Role, own: &Inbox, inbox: Receiver<Message>, partner: &Inbox| {
        let shared = Shared { lookup: lookup.clone(), answers: Arc::new(own.clone()), clock: Arc::clone(clock) };
        let (handle, partner, crumb) = (handle.clone(), partner.clone(), crumbs.worker(&name));
        let run = move || {
            let _entered = handle.enter();
            let _last = EndsTheHost;
            worker::run(inbox, role, partner, shared, crumb);
        };
        std::thread::Builder::new().name(name).spawn(run).context("a worker thread could not be started")
    };
    let mut started = Workers { workers: Vec::new(), sidelines: Vec::new(), threads: Vec::new() };
    for number in 0..count {
        let (worker, worker_inbox) = mpsc::channel(INBOX_MESSAGES_MAX);
        let (sideline, sideline_inbox) = mpsc::channel(INBOX_MESSAGES_MAX);
        let [to_worker, to_sideline] = [&worker, &sideline].map(|sender| Inbox::new(sender.clone(), handle.clone()));
        let worker_name = format!("millrace-worker-{number}");
        let sideline_name = format!("millrace-sideline-{number}");
        started.threads.push(start(worker_name, Role::Ordinary, &to_worker, worker_inbox, &to_sideline)?);
        started.threads.push(start(sideline_name, Role::Sideline, &to_sideline, sideline_inbox, &to_worker)?);
        started.workers.push(worker);
        started.sidelines.push(sideline);
    }
    Ok(started)
}

/// A worker that ends in a fault of the host's own takes the host with it: its events would wait for ever, and whoever
/// runs the host starts it again.
struct EndsTheHost;

impl Drop for EndsTheHost {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("A worker ended in a fault of the host. The host ends too; what is open runs again.");
            std::process::exit(1);
        }
    }
}

/// Reads the configuration again with every SIGHUP.
async fn reread_on_hangup(host: Arc<Host>, mut hangups: Signal, configs: Arc<PipelineConfigs>) {
    while hangups.recv().await.is_some() {
        let file = host.config.file.display();
        // It may ask servers for what is declared: beside the I/O threads.
        let (of_task, configs) = (Arc::clone(&host), Arc::clone(&configs));
        let read = tokio::task::spawn_blocking(move || reread(&of_task.config, &of_task.source, &configs)).await;
        match read.unwrap_or_else(|fault| Err(fault.to_string())) {
            Ok(()) => tracing::info!(%file, "The configuration was read again."),
            Err(mistakes) => {
                tracing::error!(%file, mistakes, "The configuration has mistakes; what runs goes on as it is.");
            }
        }
    }
}

/// Starts a pipeline again, with backoff, whenever it stops by itself.
async fn keep_running(host: Arc<Host>, id: PipelineId, config: watch::Receiver<PipelineConfig>) {
    let name = config.borrow().name.clone();
    let mut backoff = BACKOFF_MIN;
    let mut stop = host.stop.clone();
    loop {
        let started = tokio::time::Instant::now();
        let Err(error) = run_guarded(&host, id, config.clone()).await else {
            let why = if *host.stop.borrow() { "stopped with the host" } else { "everything was read" };
            host.health.stopped(&name, why);
            return;
        };
        if started.elapsed() > BACKOFF_RESET {
            backoff = BACKOFF_MIN;
        }
        host.health.stopped(&name, &format!("{error:#}"));
        if matches!(error.downcast_ref(), Some(PipelineError::Kafka(KafkaError::SameInstance { .. }))) {
            // To start it again would put the other host out, which would do the same in turn.
            let error = format!("{error:#}");
            tracing::error!(pipeline = name, error, "The pipeline stopped, and is not started again.");
            // It fails once nobody is left who could say so.
            drop(stop.wait_for(|stopping| *stopping).await);
            return;
        }
        tracing::error!(
            pipeline = name,
            error = format!("{error:#}"),
            again_in_s = backoff.as_secs(),
            "The pipeline stopped."
        );
        host.metrics.pipeline_restarted(&name);
        tokio::select! {
            () = tokio::time::sleep(backoff) => {}
            _ = stop.wait_for(|stopping| *stopping) => return,
        }
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// Runs a pipeline once, in a task of its own, so that a fault of the host in it is an error like any other; then the
/// workers forget it.
async fn run_guarded(host: &Arc<Host>, id: PipelineId, config: watch::Receiver<PipelineConfig>) -> anyhow::Result<()> {
    let of_task = Arc::clone(host);
    let running = tokio::spawn(async move { run_once(&of_task, id, config).await });
    let ended = running.await.context("the pipeline ended in a fault of the host");
    for inbox in host.inboxes() {
        // A worker that is gone has nothing to forget.
        drop(inbox.send(Message::Detach(id)).await);
    }
    ended?
}

async fn run_once(host: &Arc<Host>, id: PipelineId, config: watch::Receiver<PipelineConfig>) -> anyhow::Result<()> {
    let mut stop = host.stop.clone();
    let name = config.borrow().name.clone();
    let Launched { pipeline, reloader, mut status } = tokio::select! {
        launched = launch::launch(host, id, config) => launched?,
        // Nothing is in flight yet: whoever asks the host to end need not wait for a cluster that does not answer.
        _ = stop.wait_for(|stopping| *stopping) => return Ok(()),
    };
    let health = Arc::clone(&host.health);
    let watcher = tokio::spawn(async move {
        while status.changed().await.is_ok() {
            if let Some(status) = status.borrow_and_update().clone() {
                health.running(&name, status);
            }
        }
    });
    let ended = tokio::select! {
        ended = pipeline.run() => ended,
        never = reloader.run() => match never {},
    };
    watcher.abort();
    Ok(ended?)
}
