//! Claims on names between processes: a locked file, which the system frees when its process is gone, however it went.
//! Ports are claimed the same way.

use std::fs::{self, File, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};

use crate::place;

/// A held claim.
#[derive(Debug)]
pub(crate) struct Claim {
    _locked: File,
}

impl Claim {
    /// The claim on `path`, or nothing when somebody else holds it.
    pub(crate) fn take(path: &Path) -> anyhow::Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _locked: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }

    /// The claim on `path`, as soon as nobody else holds it.
    pub(crate) fn wait(path: &Path) -> anyhow::Result<Self> {
        let file = open(path)?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Self { _locked: file })
    }
}

fn open(path: &Path) -> anyhow::Result<File> {
    let file = File::options().create(true).append(true).open(path);
    file.with_context(|| format!("cannot open {}", path.display()))
}

/// A free TCP port of the loopback interface, ours until it is dropped, also while nothing listens on it.
///
/// It lies below the range from which the system takes the ports of outgoing connections (32,768 and up): a client
/// that keeps trying to reach a stopped service must not take the service's own port for its end of the connection.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _claim: Claim,
}

const PORT_FIRST: u16 = 20_000;
const PORT_COUNT: u16 = 10_000;

impl Port {
    /// Claims one. Where the search begins differs from run to run, which only saves attempts.
    pub(crate) fn claim() -> anyhow::Result<Self> {
        let folder = place::services().join("ports");
        fs::create_dir_all(&folder)?;
        let start = arbitrary() % PORT_COUNT;
        for step in 0..PORT_COUNT {
            let number = PORT_FIRST + (start + step) % PORT_COUNT;
            let Some(claim) = Claim::take(&folder.join(number.to_string()))? else { continue };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _claim: claim });
            }
        }
        bail!("no port from {PORT_FIRST} on is free");
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

#[expect(clippy::disallowed_methods, reason = "only spreads where searches begin; nothing depends on the value")]
fn arbitrary() -> u16 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    u16::try_from((nanos / 1000) % u32::from(PORT_COUNT)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_is_held_by_one_and_free_again_once_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("name");
        let held = Claim::take(&path).unwrap();
        assert!(held.is_some());
        assert!(Claim::take(&path).unwrap().is_none());
        drop(held);
        assert!(Claim::take(&path).unwrap().is_some());
    }

    #[test]
    fn ports_differ_and_can_be_bound() {
        let ports: Vec<Port> = (0..20).map(|_| Port::claim().unwrap()).collect();
        let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 20);
        for number in numbers {
            TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
        }
    }
}
