//! Where the declarations of the Event Platform come from: stream configuration ([`Streams`]) and schemas ([`Schemas`]),
//! from files or over HTTP, kept in memory and on disk so that an outage of their servers stops nothing that runs. What
//! they mean is `platform`'s business; nothing here is on the path of a record.

mod disk;
pub mod schemas;
pub mod streams;
pub mod watch;

#[cfg(test)]
mod tests;

pub use schemas::{Repository, SchemaLookupError, Schemas, SchemasConfig};
pub use streams::{Freshness, Streams, StreamsOrigin, StreamsSource};

use anyhow::Context as _;
use millrace_lookup::fetch::{FetchConfig, Fetcher};
use std::future::Future;
use std::path::Path;
use std::time::Duration;

/// Runs `work` to its end for a caller that is on no async runtime, or must not block one: on a thread of its own.
///
/// # Errors
/// The thread or its runtime cannot be had, or `work` ended in a fault.
pub fn wait_for<T: Send>(work: impl Future<Output = T> + Send) -> anyhow::Result<T> {
    let run = || -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(runtime.context("no thread for reading configured documents can be had")?.block_on(work))
    };
    std::thread::scope(|scope| scope.spawn(run).join())
        .unwrap_or_else(|_panic| anyhow::bail!("reading configured documents ended in a fault"))
}

/// A client for configured documents.
fn fetcher(ca_file: Option<&Path>, host: Option<&str>, deadline: Duration) -> anyhow::Result<Fetcher> {
    let config = FetchConfig {
        ca_file: ca_file.map(Path::to_owned),
        host: host.map(str::to_owned),
        deadline,
        agent: millrace_lookup::config::Agent::default(),
    };
    Ok(Fetcher::new(&config)?)
}
