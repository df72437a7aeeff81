//! The demo on a real Kafka and a real MediaWiki: pages are made, edited and deleted, and the events about them are what
//! EventBus would send.

use super::stage::Fed;
use crate::progress;
use millrace_bed::enrichment::Enrichment;
use millrace_bed::real::RealRevision;
use millrace_flow::record::OutputRecord;
use millrace_kafka::config::{ClusterConfig, ProducerConfig};
use millrace_kafka::writer::Writer;
use millrace_services::{
    ImportedPage, ImportedRevision, Kafka, KafkaOptions, MediaWiki, MediaWikiOptions, Topic, Wiki,
};
use std::path::Path;

/// Revisions per imported page.
const REVISIONS_PER_PAGE: u64 = 4;

/// Broker and wikis.
pub(crate) struct Stage {
    kafka: Kafka,
    wiki: MediaWiki,
}

impl Stage {
    /// Starts both.
    pub(crate) fn set() -> anyhow::Result<Self> {
        progress::say(
            "Starting a real Kafka and a real MediaWiki (the first time, they are downloaded and installed).",
        );
        let kafka = Kafka::start(KafkaOptions::default())?;
        let topics: Vec<Topic> = ["demo.in", "demo.out", "demo.error"]
            .iter()
            .map(|name| Topic::new(name, 3, &[("max.message.bytes", "10485760")]))
            .collect();
        kafka.create_topics(&topics)?;
        let wiki = MediaWiki::start(MediaWikiOptions::default())?;
        Ok(Self { kafka, wiki })
    }

    /// How to reach the broker.
    pub(crate) fn cluster(&self) -> ClusterConfig {
        ClusterConfig::plain(self.kafka.bootstrap())
    }

    /// Makes pages in both wikis, deletes one in twenty, and feeds the events about all of it.
    pub(crate) fn feed(&self, count: u64) -> anyhow::Result<Fed> {
        progress::say(&format!("Making {count} revisions in two wikis, and feeding their page_change events."));
        let writer = Writer::new(&ProducerConfig::new(self.cluster()))?;
        let mut fed = 0;
        for wiki in Wiki::ALL {
            self.wiki.import(wiki, &pages(count / 2 / REVISIONS_PER_PAGE))?;
            let mut client = self.wiki.client(wiki)?;
            let mut last_page = 0;
            for revision in client.revisions()? {
                let text = client.raw_text(revision.rev_id)?;
                let real = RealRevision {
                    domain: wiki.domain().to_owned(),
                    wiki_id: wiki.database().to_owned(),
                    title: revision.title.clone(),
                    page_id: revision.page_id,
                    rev_id: revision.rev_id,
                    parent_id: revision.parent_id,
                    dt: revision.timestamp.clone(),
                    text,
                };
                let kind = if revision.page_id == last_page { "edit" } else { "create" };
                last_page = revision.page_id;
                writer.write(&record(&real, kind))?;
                fed += 1;
                if revision.page_id % 20 == 0 && kind == "edit" && revision.rev_id % REVISIONS_PER_PAGE == 0 {
                    writer.write(&record(&real, "delete"))?;
                    fed += 1;
                }
            }
        }
        writer.flush(30_000)?;
        Ok(Fed { count: fed })
    }

    /// The host's configuration, the plugin aside.
    pub(crate) fn enrichment(&self) -> anyhow::Result<Enrichment> {
        let mut enrichment = Enrichment::new("demo", &self.kafka.bootstrap(), &self.wiki.endpoint(), Path::new(""));
        enrichment.paths = ("/api.php", "/rest.php");
        enrichment.wikis = Wiki::ALL.iter().map(|wiki| wiki.domain().to_owned()).collect();
        Ok(enrichment)
    }

    /// A real MediaWiki does not count its calls for us.
    #[expect(clippy::unused_self, reason = "the same call as the stand-in's stage has")]
    pub(crate) fn calls(&self) -> Option<u64> {
        None
    }
}

fn pages(count: u64) -> Vec<ImportedPage> {
    let revision = |page: u64, number: u64| ImportedRevision {
        timestamp: format!("2026-01-{:02}T12:00:00Z", number + 1),
        text: format!("== Mühle {page} ==\nRevision {number} of a \"real\" page, with a \\ and 水車.\n"),
    };
    (0..count)
        .map(|page| ImportedPage {
            title: format!("Mühle {page}"),
            revisions: (0..REVISIONS_PER_PAGE).map(|number| revision(page, number)).collect(),
        })
        .collect()
}

fn record(real: &RealRevision, kind: &str) -> OutputRecord {
    OutputRecord {
        topic: "demo.in".into(),
        timestamp_ms: i64::try_from(crate::broker::now_ms()).unwrap_or(0),
        key: Some(real.key().into_bytes().into()),
        value: Some(real.event(kind).to_string().into_bytes().into()),
        headers: Vec::new(),
    }
}
