//! The real `millrace` binary as a child process: written a configuration, started, watched, stopped.

use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long a host may take to become ready; compiling a plugin is part of it.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long a host may take to end after SIGTERM: its drain deadline, and some.
const END_MAX: Duration = Duration::from_secs(30);

/// A running host. It is killed when the value is dropped, and when the process that started it ends in whatever way.
pub struct Host {
    child: Child,
    admin: SocketAddr,
    log: PathBuf,
    _alive: Option<ChildStdin>,
}

impl Host {
    /// Writes `yaml` to `dir/millrace.yaml` and starts `binary run` on it. `{admin}` in the text becomes the address of the
    /// admin server. Log lines go to `dir/millrace.log`.
    ///
    /// # Errors
    /// The file cannot be written or the binary cannot be started.
    pub fn start(binary: &Path, dir: &Path, yaml: &str) -> anyhow::Result<Self> {
        Self::start_with(binary, dir, yaml, &[])
    }

    /// As [`Host::start`], with more arguments behind the file.
    ///
    /// # Errors
    /// The file cannot be written or the binary cannot be started.
    pub fn start_with(binary: &Path, dir: &Path, yaml: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        let admin = free_address()?;
        let file = dir.join("millrace.yaml");
        std::fs::write(&file, yaml.replace("{admin}", &admin.to_string()))?;
        let log = dir.join("millrace.log");
        let output = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = Command::new(binary);
        command.arg("run").arg(&file).args(arguments).current_dir(dir);
        let mut guarded = millrace_services::guarded(&command);
        guarded.stdout(output.try_clone()?).stderr(output);
        let mut child = guarded.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let alive = child.stdin.take();
        Ok(Self { child, admin, log, _alive: alive })
    }

    /// Waits until every pipeline has its partitions.
    ///
    /// # Errors
    /// The host ended, or did not become ready in time; the end of its log is part of the error.
    pub fn wait_ready(&mut self) -> anyhow::Result<()> {
        let until = Instant::now() + READY_MAX;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                bail!("millrace ended with {status}:\n{}", self.log_tail());
            }
            if let Ok((200, _)) = self.get("/readyz") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        bail!("millrace did not become ready:\n{}", self.log_tail())
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its admin server listens.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends by itself, and answers how.
    ///
    /// # Errors
    /// It does not end in time; the end of its log is part of the error.
    pub fn wait_end(mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("millrace did not end by itself within {} s:\n{}", patience.as_secs(), self.log_tail())
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
    }

    /// The whole log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// One GET of the admin server: status and body.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.admin, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no HTTP status")?;
        Ok((status, body.to_owned()))
    }

    /// All metrics: `name{labels}` to value.
    ///
    /// # Errors
    /// Nobody answers.
    pub fn metrics(&self) -> anyhow::Result<Metrics> {
        let (_, body) = self.get("/metrics")?;
        Ok(Metrics::parse(&body))
    }

    /// SIGTERM, and the exit code.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn terminate(mut self) -> anyhow::Result<Option<i32>> {
        self.signal("TERM")?;
        let until = Instant::now() + END_MAX;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("millrace did not end on SIGTERM:\n{}", self.log_tail())
    }

    /// SIGKILL, as a machine that loses power would do.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal, by its name without `SIG`.
    ///
    /// # Errors
    /// There is no `kill` on this machine.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status()?;
        anyhow::ensure!(status.success(), "kill -{name} failed");
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        Self(
            samples
                .filter_map(|line| line.rsplit_once(' '))
                .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
                .collect(),
        )
    }

    /// The sum of all samples of a metric whose labels contain all of `labels` (`reason="tombstone"`).
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let matching = self.0.iter().filter(|(sample, _)| {
            let bare = sample.split('{').next().unwrap_or(sample);
            bare == name && labels.iter().all(|label| sample.contains(label))
        });
        matching.map(|(_, value)| value).sum()
    }

    /// Every sample whose name begins with `prefix`.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.iter().filter(move |(name, _)| name.starts_with(prefix)).map(|(name, value)| (name.as_str(), *value))
    }
}

/// A free address on loopback, of the system's choice.
///
/// # Errors
/// No port can be had.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The repository's root.
pub fn root() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path.pop();
    path
}

/// The built `millrace` binary, beside the running test or tool.
///
/// # Errors
/// It was not built.
pub fn millrace_binary() -> anyhow::Result<PathBuf> {
    let mut path = std::env::current_exe()?;
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.push("millrace");
    if !path.exists() {
        bail!("{} is not built; run `cargo build --release -p millrace-runtime`", path.display());
    }
    Ok(path)
}

/// A built guest, by name.
///
/// # Errors
/// It was not built.
pub fn guest(name: &str) -> anyhow::Result<PathBuf> {
    let path = root().join("guests/target/components").join(format!("{name}.wasm"));
    if !path.exists() {
        bail!("{} is not built; run `./x guests`", path.display());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_label() {
        let metrics = Metrics::parse("# HELP a b\na_total{x=\"1\",y=\"2\"} 3\na_total{x=\"2\",y=\"2\"} 4\nb 1.5\n");
        assert_eq!(metrics.sum("a_total", &[]), 7.0);
        assert_eq!(metrics.sum("a_total", &["x=\"2\""]), 4.0);
        assert_eq!(metrics.sum("b", &[]), 1.5);
        assert_eq!(metrics.sum("c", &[]), 0.0);
    }
}
