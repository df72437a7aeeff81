//! A service's process with everything it starts: one process group that is killed when its owner lets go of it, and
//! also when its owner dies in whatever way.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::place;

/// The guard reads a pipe that only the owner can write to and nobody ever does: its end is the end of the owner.
/// It kills the group then, itself included. The shell becomes the service, so that the process id is the service's.
const GUARD: &str = r#"exec 3<&0; (read -r never <&3; kill -KILL 0) & exec "$@" </dev/null 3<&-"#;

/// `command` in a process group of its own that ends with whoever started it: killed, crashed or interrupted. The
/// started process's standard input must be kept as long as it is to live.
#[must_use]
pub fn guarded(command: &Command) -> Command {
    let mut guarded = Command::new("sh");
    guarded.args(["-c", GUARD, "sh"]).arg(command.get_program()).args(command.get_args());
    for (variable, value) in command.get_envs() {
        match value {
            Some(value) => guarded.env(variable, value),
            None => guarded.env_remove(variable),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        guarded.current_dir(folder);
    }
    guarded.stdin(Stdio::piped()).process_group(0);
    guarded
}

/// Waits until `done` answers true, for what tells nobody when it happens: a file, a log line, a metric.
///
/// # Errors
/// When `deadline` passes first; the message is `what`.
pub fn wait_until(what: &str, deadline: Duration, mut done: impl FnMut() -> bool) -> anyhow::Result<()> {
    let started = Instant::now();
    while !done() {
        ensure!(started.elapsed() < deadline, "{what}: not after {} s", deadline.as_secs());
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// How often something that cannot be waited for is looked at.
const POLL: Duration = Duration::from_millis(20);

/// A running service.
#[derive(Debug)]
pub(crate) struct Service {
    name: String,
    child: Child,
    log: PathBuf,
    _alive: Option<ChildStdin>,
}

impl Service {
    /// Starts `command`; what it prints is added to the file `log`.
    pub(crate) fn start(name: &str, command: &Command, log: &Path) -> anyhow::Result<Self> {
        let printed = File::options().create(true).append(true).open(log)?;
        let mut guarded = guarded(command);
        guarded.stdout(printed.try_clone()?).stderr(printed);
        let mut child = guarded.spawn().with_context(|| format!("cannot start {name}"))?;
        let alive = child.stdin.take();
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), _alive: alive })
    }

    /// The process id, which is the group's too.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `ready` answers true.
    ///
    /// # Errors
    /// When the service ends or `deadline` passes first; the message ends with the service's last words.
    pub(crate) fn wait_ready(&mut self, deadline: Duration, mut ready: impl FnMut() -> bool) -> anyhow::Result<()> {
        let started = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} instead of starting:\n{}", self.name, self.last_words());
            }
            if started.elapsed() > deadline {
                bail!("{} is not ready after {} s:\n{}", self.name, deadline.as_secs(), self.last_words());
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Asks the service to end (SIGTERM to its main process) and waits for it; SIGKILL after `patience`.
    pub(crate) fn stop(mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let started = Instant::now();
        while started.elapsed() < patience {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(POLL);
        }
        bail!("{} did not end within {} s of SIGTERM:\n{}", self.name, patience.as_secs(), self.last_words());
    }

    /// Sends a signal to the service's main process.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        if let Some(pid) = self.pid() {
            kill_process(pid, signal).with_context(|| format!("cannot send {signal:?} to {}", self.name))?;
        }
        Ok(())
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.id()).ok()?)
    }

    fn last_words(&self) -> String {
        place::tail(&fs::read_to_string(&self.log).unwrap_or_default())
    }
}

/// SIGKILL to the whole group: the way a service ends unless it was stopped, and what is left of one that was.
impl Drop for Service {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            // The group may be gone already, which is what was wanted.
            kill_process_group(pid, Signal::KILL).ok();
        }
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(script: &str) -> (tempfile::TempDir, Service) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let service = Service::start("sleeper", Command::new("sh").args(["-c", script]), &log).unwrap();
        (folder, service)
    }

    fn is_running(pid: &str) -> bool {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    }

    #[track_caller]
    fn check_happens(what: &str, done: impl FnMut() -> bool) {
        wait_until(what, Duration::from_secs(20), done).unwrap();
    }

    #[test]
    fn waiting_for_what_never_happens_ends_and_names_it() {
        let text = wait_until("the moon", Duration::from_millis(1), || false).unwrap_err().to_string();
        assert!(text.starts_with("the moon: not after"), "{text}");
    }

    #[test]
    fn service_that_ends_early_says_its_last_words() {
        let (_folder, mut service) = started("echo no room left; exit 4");
        let text = service.wait_ready(Duration::from_secs(20), || false).unwrap_err().to_string();
        assert!(text.contains("exit status: 4") && text.contains("no room left"), "{text}");
    }

    #[test]
    fn dropping_kills_what_the_service_started() {
        let (folder, mut service) = started("sleep 600 & echo $!; wait");
        let log = folder.path().join("log");
        let grandchild = || fs::read_to_string(&log).unwrap().trim().to_owned();
        service.wait_ready(Duration::from_secs(20), || !grandchild().is_empty()).unwrap();
        assert!(is_running(&grandchild()));
        drop(service);
        check_happens("the end of the grandchild", || !is_running(&grandchild()));
    }

    #[test]
    fn the_group_ends_when_its_owner_is_gone() {
        let (folder, mut service) = started("sleep 600 & echo $!; wait");
        let log = folder.path().join("log");
        let grandchild = || fs::read_to_string(&log).unwrap().trim().to_owned();
        service.wait_ready(Duration::from_secs(20), || !grandchild().is_empty()).unwrap();
        // What the system does to the pipe of a process that was killed.
        drop(service._alive.take());
        check_happens("the end of the service", || service.child.try_wait().unwrap().is_some());
        check_happens("the end of the grandchild", || !is_running(&grandchild()));
    }

    #[test]
    fn stopping_waits_for_the_end() {
        let (folder, mut service) = started("trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done");
        let log = folder.path().join("log");
        service.wait_ready(Duration::from_secs(20), || fs::read_to_string(&log).unwrap().contains("up")).unwrap();
        assert_eq!(service.stop(Duration::from_secs(20)).unwrap().code(), Some(7));
    }
}
