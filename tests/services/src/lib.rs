//! Real Kafka brokers and a real MediaWiki, started in seconds and gone with the process that started them.
//!
//! What has to be downloaded or installed is prepared once, below `target/services`. Ports are free ones, data is
//! thrown away at the end, and a service that cannot start is an error with the reason, never a reason to pass over a
//! test. Stand-ins for either live elsewhere (`millrace-bed`). No client of the product is used here: what proves the
//! product must not depend on it.

#![forbid(unsafe_code)]

mod child;
mod claim;
mod kafka;
mod mediawiki;
mod place;

pub use child::{guarded, wait_until};
pub use kafka::{
    Broker, Certificates, Coordinated, Distribution as KafkaDistribution, Kafka, KafkaOptions, Listener, Purpose,
    ScramUser, Topic,
};
pub use mediawiki::{
    Credentials, Hidden, ImportedPage, ImportedRevision, MediaWiki, MediaWikiOptions, Revision,
    Template as MediaWikiTemplate, Wiki, WikiClient,
};
