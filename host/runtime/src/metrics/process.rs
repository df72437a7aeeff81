//! What the process itself uses, as Linux tells it. Elsewhere there is nothing to tell, and zeros are shown.

/// What the process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// Resident memory.
    pub(crate) resident_bytes: u64,
    /// CPU time, user and system, since the process began.
    pub(crate) cpu_seconds: f64,
}

/// Reads it.
pub(crate) fn usage() -> Usage {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    Usage {
        resident_bytes: resident_bytes(&status).unwrap_or_default(),
        cpu_seconds: cpu_seconds(&stat).unwrap_or_default(),
    }
}

/// The memory that the process may use: that of its control group, or of the machine. None where nobody tells.
pub(crate) fn memory_bytes() -> Option<u64> {
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_bytes(&text));
    group.into_iter().chain(machine).min()
}

/// `MemTotal:     1234 kB`.
fn total_bytes(meminfo: &str) -> Option<u64> {
    kibibytes(meminfo, "MemTotal:")
}

/// `VmRSS:     1234 kB`.
fn resident_bytes(status: &str) -> Option<u64> {
    kibibytes(status, "VmRSS:")
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// The 14th and 15th word, in hundredths of a second. The second word is in parentheses and may have spaces in it.
fn cpu_seconds(stat: &str) -> Option<f64> {
    /// Linux shows these times in this unit on every architecture (`USER_HZ`).
    const TICKS_PER_SECOND: f64 = 100.0;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut words = after_name.split_whitespace().skip(11);
    let user: f64 = words.next()?.parse().ok()?;
    let system: f64 = words.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_are_read_from_what_linux_says() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t  2048 kB\n"), Some(2 << 20));
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!((resident_bytes(""), cpu_seconds("nothing")), (None, None));
    }
}
