//! HTTPS in front of an API that only speaks HTTP: takes the encryption off and passes on what comes.

use anyhow::Context as _;
use native_tls::Identity;
use std::net::SocketAddr;
use std::path::Path;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_native_tls::TlsAcceptor;

/// A running front; it ends when the value is dropped.
pub struct TlsFront {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl TlsFront {
    /// Listens on a port of the system's choice on loopback, with a certificate and its key in PEM form, and passes on to
    /// `inside`.
    ///
    /// # Errors
    /// No port can be had, or the files are no certificate and key.
    pub async fn start(inside: SocketAddr, certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), inside, certificate, key).await
    }

    /// As [`TlsFront::start`], at an address of the caller's choice.
    ///
    /// # Errors
    /// The port cannot be had, or the files are no certificate and key.
    pub async fn start_at(
        address: SocketAddr,
        inside: SocketAddr,
        certificate: &Path,
        key: &Path,
    ) -> anyhow::Result<Self> {
        let identity = Identity::from_pkcs8(&std::fs::read(certificate)?, &std::fs::read(key)?)
            .context("the certificate and its key do not belong together")?;
        let acceptor = TlsAcceptor::from(native_tls::TlsAcceptor::new(identity)?);
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((outside, _)) = listener.accept().await {
                // A connection that fails shows in whoever opened it; it ends with the runtime at the latest.
                drop(tokio::spawn(pass(acceptor.clone(), outside, inside)));
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens, `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Somebody who hangs up in the middle of every handshake; it ends when the value is dropped.
pub struct Garbler {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Garbler {
    /// Listens on a port of the system's choice on loopback.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((mut outside, _)) = listener.accept().await {
                // Whoever has hung up first saw an outage just the same.
                drop(outside.write_all(b"this is no TLS\r\n").await);
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Frees the address.
    ///
    /// # Errors
    /// It panicked.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.task.abort();
        match (&mut self.task).await {
            Err(error) if error.is_panic() => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl Drop for Garbler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(acceptor: TlsAcceptor, outside: TcpStream, inside: SocketAddr) -> anyhow::Result<()> {
    let mut outside = acceptor.accept(outside).await?;
    let mut inside = TcpStream::connect(inside).await?;
    tokio::io::copy_bidirectional(&mut outside, &mut inside).await?;
    Ok(())
}
