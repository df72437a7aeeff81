//! Plays the faults of one target, each in its time. Every target has a player of its own, on a thread of its own, so that
//! a broker that takes long to come back holds up nobody else's faults.

use crate::evidence::Who;
use crate::full_disk::FullDisk;
use crate::journal::{Journal, now_ms};
use crate::scene::Scene;
use crate::schedule::{Fault, Kind};
use anyhow::{Context as _, bail, ensure};
use millrace_bed::enrichment::Enrichment;
use millrace_bed::host::{Host, millrace_binary};
use millrace_services::wait_until;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a process may take until it can be asked to end.
const ALIVE_MAX: Duration = Duration::from_secs(60);

/// How long a host may take to come to the place where it is to die.
const DEATH_MAX: Duration = Duration::from_secs(90);

/// What a process ends with that aborts.
const SIGABRT: i32 = 6;

/// Exit code of a host that was told to end and did.
const ENDED_IN_ORDER: Option<i32> = Some(0);

/// One of the hosts: a process that comes and goes, and the folder that stays.
pub(crate) struct HostPlayer<'a> {
    pub(crate) number: usize,
    pub(crate) enrichment: &'a Enrichment,
    pub(crate) journal: &'a Journal,
    folder: PathBuf,
    host: Option<Host>,
    /// The full disks of this run; they stay full as long as the run lasts.
    full_disks: Vec<FullDisk>,
}

impl<'a> HostPlayer<'a> {
    /// Starts host `number`, with its files below `folder`.
    pub(crate) fn start(
        number: usize,
        folder: PathBuf,
        enrichment: &'a Enrichment,
        journal: &'a Journal,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir(&folder)?;
        let mut player = Self { number, enrichment, journal, folder, host: None, full_disks: Vec::new() };
        player.launch(enrichment)?;
        Ok(player)
    }

    /// Plays faults, the first of which is due at `begin` plus its time.
    pub(crate) fn play(&mut self, begin: Instant, faults: impl Iterator<Item = Fault>) -> anyhow::Result<()> {
        for fault in faults {
            wait_for(begin, fault.at_ms);
            match fault.kind {
                Kind::Terminate => {
                    self.terminate()?;
                    rest(fault);
                    self.launch(self.enrichment)?;
                }
                Kind::Kill => self.kill_for(Duration::from_millis(fault.lasts_ms))?,
                Kind::Freeze => self.freeze_for(Duration::from_millis(fault.lasts_ms))?,
                Kind::FillDisk => {
                    self.kill()?;
                    rest(fault);
                    let full = self.with_full_disk()?;
                    self.launch(&full)?;
                }
            }
            self.journal.played();
        }
        Ok(())
    }

    /// Whether it runs, as it should whenever no fault is being played.
    pub(crate) fn is_running(&mut self) -> bool {
        self.host.as_mut().is_some_and(Host::is_running)
    }

    /// Everything that its processes logged.
    pub(crate) fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.folder.join("millrace.log"))?)
    }

    /// The last lines of what its processes logged.
    pub(crate) fn log_tail(&self) -> String {
        self.host.as_ref().map_or_else(|| "it does not run".to_owned(), Host::log_tail)
    }

    /// Ends it, and empties the disks that it filled.
    pub(crate) fn finish(&mut self) -> anyhow::Result<()> {
        self.terminate()?;
        self.full_disks.drain(..).try_for_each(FullDisk::remove)
    }

    /// SIGTERM, the end, and a new start.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        self.terminate()?;
        self.launch(self.enrichment)
    }

    /// SIGKILL, and a new start after a while.
    pub(crate) fn kill_for(&mut self, away: Duration) -> anyhow::Result<()> {
        self.kill()?;
        std::thread::sleep(away);
        self.launch(self.enrichment)
    }

    /// SIGSTOP, and SIGCONT after a while.
    pub(crate) fn freeze_for(&mut self, lasts: Duration) -> anyhow::Result<()> {
        let host = self.host.as_ref().with_context(|| format!("host {} does not run", self.number))?;
        let from_ms = now_ms();
        host.signal("STOP")?;
        std::thread::sleep(lasts);
        host.signal("CONT")?;
        self.journal.stood_still(Who::Host(self.number), from_ms);
        Ok(())
    }

    /// Ends in order, and starts to die at a place on the way of records (`PLACE:TIME`). Returns when it is dead.
    pub(crate) fn die_at(&mut self, at: &str) -> anyhow::Result<()> {
        self.terminate()?;
        let arguments = ["--die-at", at];
        let host = Host::start_with(&millrace_binary()?, &self.folder, &self.enrichment.yaml(), &arguments)?;
        let status = host.wait_end(DEATH_MAX)?;
        self.journal.ended(self.number, now_ms());
        ensure!(status.signal() == Some(SIGABRT), "host {} ended with {status}:\n{}", self.number, self.log()?);
        Ok(())
    }

    /// Starts one that is dead.
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        self.launch(self.enrichment)
    }

    /// Starts a process, and waits until it listens to signals.
    fn launch(&mut self, enrichment: &Enrichment) -> anyhow::Result<()> {
        let mut host = Host::start(&millrace_binary()?, &self.folder, &enrichment.yaml())?;
        let is_alive = || host.get("/healthz").is_ok_and(|(status, _)| status == 200) || !host.is_running();
        wait_until("a host that answers", ALIVE_MAX, is_alive).map_err(|late| late.context(host.log_tail()))?;
        ensure!(host.is_running(), "host {} ended by itself:\n{}", self.number, host.log_tail());
        self.host = Some(host);
        Ok(())
    }

    fn terminate(&mut self) -> anyhow::Result<()> {
        let host = self.running()?;
        let code = host.terminate()?;
        self.journal.ended(self.number, now_ms());
        ensure!(code == ENDED_IN_ORDER, "host {} ended with {code:?} on SIGTERM:\n{}", self.number, self.log()?);
        Ok(())
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        let host = self.running()?;
        self.journal.ended(self.number, now_ms());
        host.kill()
    }

    /// The configuration with a plugin cache on a disk that is full.
    fn with_full_disk(&mut self) -> anyhow::Result<Enrichment> {
        let folder = self.folder.join(format!("full-disk-{}", self.full_disks.len()));
        let disk = FullDisk::at(&folder, &self.enrichment.cache_dir)?;
        let full = Enrichment { cache_dir: disk.folder().to_owned(), ..self.enrichment.clone() };
        self.full_disks.push(disk);
        Ok(full)
    }

    fn running(&mut self) -> anyhow::Result<Host> {
        let host = self.host.take();
        host.ok_or_else(|| anyhow::anyhow!("host {} does not run", self.number))
    }
}

/// Plays the faults of the broker.
pub(crate) fn play_broker(
    scene: &Scene,
    journal: &Journal,
    begin: Instant,
    faults: impl Iterator<Item = Fault>,
) -> anyhow::Result<()> {
    for fault in faults {
        wait_for(begin, fault.at_ms);
        let from_ms = now_ms();
        scene.with_kafka(|kafka| match fault.kind {
            Kind::Terminate => kafka.stop(0).and_then(|()| {
                rest(fault);
                kafka.restart(0)
            }),
            Kind::Kill => kafka.kill(0).and_then(|()| {
                rest(fault);
                kafka.restart(0)
            }),
            Kind::Freeze => kafka.freeze(0).and_then(|()| {
                rest(fault);
                kafka.thaw(0)
            }),
            Kind::FillDisk => bail!("the disk of the broker is not filled by any schedule"),
        })?;
        journal.stood_still(Who::Broker, from_ms);
        journal.played();
    }
    Ok(())
}

/// Waits until a fault is due: the schedule is in real time, because the processes that it is played to are.
fn wait_for(begin: Instant, at_ms: u64) {
    let due = begin + Duration::from_millis(at_ms);
    std::thread::sleep(due.saturating_duration_since(Instant::now()));
}

/// Waits for as long as a fault lasts.
fn rest(fault: Fault) {
    std::thread::sleep(Duration::from_millis(fault.lasts_ms));
}
