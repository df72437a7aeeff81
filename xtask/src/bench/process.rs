//! What the kernel knows of a process: CPU time, memory, and how its threads share the CPU. Linux only.

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// CPU time of a process, all threads, user and system, in seconds.
///
/// # Errors
/// The process is gone.
pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
    ticks(&stat).map(seconds).context("/proc/PID/stat has another form than expected")
}

/// The most resident memory that a process had, in MB of 10^6 bytes.
///
/// # Errors
/// The process is gone.
pub(crate) fn rss_peak_mb(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("/proc/PID/status has no VmHWM")?;
    let kib: f64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).context("VmHWM is no number")?;
    Ok(kib * 1024.0 / 1e6)
}

/// CPU seconds by thread name, digits at the end left out, so that a pool is one line.
///
/// # Errors
/// The process is gone.
pub(crate) fn cpu_by_thread(pid: u32) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut shares = BTreeMap::new();
    let tasks: PathBuf = format!("/proc/{pid}/task").into();
    for task in std::fs::read_dir(tasks).context("the process is gone")? {
        // A thread may end between the listing and the look.
        let Ok(stat) = std::fs::read_to_string(task?.path().join("stat")) else { continue };
        let name = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("?", |(name, _)| name);
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
        *shares.entry(name.to_owned()).or_insert(0.0) += ticks(&stat).map_or(0.0, seconds);
    }
    Ok(shares)
}

/// User and system ticks of a `stat` line: fields 14 and 15, counted behind the name, which may have spaces in it.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Linux reports ticks of 1/100 s to user space on every architecture that matters here.
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_behind_a_name_with_spaces() {
        let line = "1 (a b) c) S 1 1 1 0 -1 4 100 0 0 0 250 50 0 0 20 0 1 0 5 1000 10";
        assert_eq!(ticks(line), Some(300));
    }

    #[test]
    fn this_process_has_memory_and_threads() {
        let pid = std::process::id();
        assert!(rss_peak_mb(pid).unwrap() > 0.5);
        assert!(!cpu_by_thread(pid).unwrap().is_empty());
    }
}
