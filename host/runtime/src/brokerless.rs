//! Pipelines without a broker, for whoever writes a plugin: events come from files or from EventStreams, outputs go to
//! files. The path of a record is the same as with Kafka; only its two ends are here, beside the consumer and the delivery
//! of the `kafka` crate.
//!
//! At-least-once: the position is written behind the outputs that it counts on. There is one host per folder, no
//! rebalance, and nothing that survives the loss of a disk.

mod files;
mod intake;
mod outlet;
mod position;
mod route;
mod sse;

pub use intake::{BrokerlessIntake, Intake};
pub use outlet::{FileOutlet, Outlet};
pub use position::{Position, Trail};

use crate::config::{BrokerlessConfig, PipelineConfig, SourceConfig};
use anyhow::Context as _;
use millrace_flow::clock::Clock;
use millrace_kafka::consumer::SourceEvent;
use millrace_kafka::delivery::DeliveryEvent;
use millrace_platform::StreamsConfig;
use route::Routes;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// What takes the place of the cluster's id in the ids of outputs.
pub const CLUSTER_ID: &str = "brokerless";
/// The longest event that is read, in bytes: the platform's largest messages, and some.
const EVENT_BYTES_MAX: usize = 20 << 20;

/// Opens both ends of a pipeline.
///
/// # Errors
/// The folder cannot be written, its position is of another source, or the source cannot be opened.
pub fn open(
    pipeline: &PipelineConfig,
    config: &BrokerlessConfig,
    streams: Option<&StreamsConfig>,
    clock: &Arc<dyn Clock>,
    sink: Sender<SourceEvent>,
    reports: Sender<DeliveryEvent>,
) -> anyhow::Result<(Intake, Outlet)> {
    let folder = &config.folder;
    std::fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    let position = Position::load(folder, &config.source)?;
    let trail = Arc::new(Trail::new(position.last_event_id.clone()));
    let routes = Routes::new(pipeline, streams);
    let outlet = FileOutlet::start(folder, position.clone(), Arc::clone(&trail), reports)?;
    let intake = match &config.source {
        SourceConfig::Files { paths } => files::start(paths.clone(), routes, &position, sink)?,
        SourceConfig::Sse { url, since_ms } => {
            let start = sse::Start { url: url.clone(), since_ms: *since_ms, position, trail };
            sse::start(start, routes, Arc::clone(clock), sink)?
        }
    };
    Ok((Intake::Brokerless(intake), Outlet::Files(outlet)))
}
