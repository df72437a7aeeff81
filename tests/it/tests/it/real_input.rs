//! Simple Enrichment on a real MediaWiki: pages are made in two wikis behind one address, fed as events, and every
//! output is compared with what MediaWiki says by another way than its API. What the stand-in can show is not here.

mod compared;
mod https;
mod interrupted;
mod large;
mod lookups;
mod missing;

use anyhow::{Context as _, ensure};
use millrace_bed::host::Host;
use millrace_bed::real::RealRevision;
use millrace_flow::record::Record;
use millrace_it::{Stage, header, json, record, wait_for_metrics};
use millrace_services::{ImportedPage, ImportedRevision, MediaWiki, MediaWikiOptions, Wiki};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// The MediaWiki of these tests. Whoever writes to it, or disturbs it, has it alone; it dies with the process.
fn mediawiki() -> anyhow::Result<&'static RwLock<MediaWiki>> {
    static MEDIAWIKI: OnceLock<RwLock<MediaWiki>> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(mediawiki) = MEDIAWIKI.get() {
        return Ok(mediawiki);
    }
    let mediawiki = MediaWiki::start(MediaWikiOptions::default())?;
    Ok(MEDIAWIKI.get_or_init(|| RwLock::new(mediawiki)))
}

/// Both wikis, alone.
fn alone() -> anyhow::Result<RwLockWriteGuard<'static, MediaWiki>> {
    Ok(mediawiki()?.write().unwrap_or_else(PoisonError::into_inner))
}

/// Both wikis for reading, after what only this test may do to them.
fn prepared<T>(
    prepare: impl FnOnce(&MediaWiki) -> anyhow::Result<T>,
) -> anyhow::Result<(RwLockReadGuard<'static, MediaWiki>, T)> {
    let mediawiki = alone()?;
    let made = prepare(&mediawiki)?;
    Ok((RwLockWriteGuard::downgrade(mediawiki), made))
}

/// A stage whose host asks `mediawiki` for both wikis.
fn stage(name: &str, partitions: i32, mediawiki: &MediaWiki) -> anyhow::Result<Stage> {
    let mut stage = Stage::set(name, "page-content-change", partitions, Duration::ZERO)?;
    stage.enrichment.api = mediawiki.endpoint();
    stage.enrichment.paths = ("/api.php", "/rest.php");
    stage.enrichment.wikis = Wiki::ALL.iter().map(|wiki| wiki.domain().to_owned()).collect();
    Ok(stage)
}

/// A page to import, with a revision a minute of a day long past: its events are old.
fn page(title: &str, texts: impl IntoIterator<Item = String>) -> ImportedPage {
    let revision = |(minute, text)| ImportedRevision { timestamp: format!("2020-02-02T20:{minute:02}:00Z"), text };
    ImportedPage { title: title.to_owned(), revisions: (0..).zip(texts).map(revision).collect() }
}

/// Imports pages, and answers their revisions by ascending id, with the text and the SHA-1 that the wiki says.
fn import(mediawiki: &MediaWiki, wiki: Wiki, pages: &[ImportedPage]) -> anyhow::Result<Vec<RealRevision>> {
    mediawiki.import(wiki, pages)?;
    let titles: BTreeSet<&str> = pages.iter().map(|page| page.title.as_str()).collect();
    let revisions = revisions(mediawiki, wiki, &titles)?;
    let texts: usize = pages.iter().map(|page| page.revisions.len()).sum();
    ensure!(revisions.len() == texts, "{} revisions of {texts}, does {titles:?} stay as it is?", revisions.len());
    Ok(revisions)
}

/// All revisions of the pages named, by ascending id.
fn revisions(mediawiki: &MediaWiki, wiki: Wiki, titles: &BTreeSet<&str>) -> anyhow::Result<Vec<RealRevision>> {
    let mut client = mediawiki.client(wiki)?;
    let all = client.revisions()?.into_iter().filter(|revision| titles.contains(revision.title.as_str()));
    all.map(|revision| {
        let text = client.raw_text(revision.rev_id)?;
        let hex = revision.sha1.context("its SHA-1 is hidden")?;
        let real = RealRevision {
            domain: wiki.domain().to_owned(),
            wiki_id: wiki.database().to_owned(),
            title: revision.title,
            page_id: revision.page_id,
            rev_id: revision.rev_id,
            parent_id: revision.parent_id,
            dt: revision.timestamp,
            text,
        };
        let said = real.event("edit")["revision"]["rev_sha1"].clone();
        ensure!(said == base36(&hex)?, "the SHA-1 of revision {} is {said} here, {hex} there", real.rev_id);
        Ok(real)
    })
    .collect()
}

/// The 31 digits of events for the 40 hexadecimal ones of the API.
fn base36(hex: &str) -> anyhow::Result<String> {
    let mut number: Vec<u32> =
        hex.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>().context("not hexadecimal")?;
    let mut digits = String::new();
    for _ in 0..31 {
        let mut remainder = 0;
        for digit in &mut number {
            let value = remainder * 16 + *digit;
            *digit = value / 36;
            remainder = value % 36;
        }
        digits.insert(0, char::from_digit(remainder, 36).context("a remainder of 36 is a digit")?);
    }
    Ok(digits)
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// It comes out with its revision's text.
    Body,
    /// It comes out as it is.
    NoBody,
    /// It becomes an error event with this `error_type`.
    Error(&'static str),
}

/// An event, and what it is to become.
struct Case {
    revision: RealRevision,
    input: Value,
    expected: Expected,
}

impl Case {
    fn new(revision: &RealRevision, kind: &str, expected: Expected) -> Self {
        Self { revision: revision.clone(), input: revision.event(kind), expected }
    }

    /// An edit that comes out with its text.
    fn good(revision: &RealRevision) -> Self {
        Self::new(revision, "edit", Expected::Body)
    }
}

/// Feeds the events, in order.
fn feed(stage: &Stage, cases: &[Case]) -> anyhow::Result<()> {
    let records = cases.iter().map(|case| {
        let (key, value) = (case.revision.key().into_bytes(), case.input.to_string().into_bytes());
        record(&stage.enrichment.input, Some(key), Some(value))
    });
    stage.feed_records(records)
}

/// Waits until a counter is at `least`.
fn wait_for(host: &Host, name: &str, least: f64) -> anyhow::Result<()> {
    wait_for_metrics(host, name, |metrics| metrics.sum(name, &[]) >= least)
}

/// Waits until all that was fed has its outcome and is committed, ends the host, and compares what came out.
fn finish(stage: &Stage, mut host: Host, cases: &[Case]) -> anyhow::Result<()> {
    let metrics = stage.settle(&mut host, cases.len() as u64)?;
    stage.committed_to_the_end(i64::try_from(cases.len())?)?;
    assert_eq!(host.terminate()?, Some(0));
    let failed = cases.iter().filter(|case| matches!(case.expected, Expected::Error(_))).count();
    assert_eq!(metrics.sum("millrace_events_failed_total", &[]) as usize, failed);
    assert_eq!(metrics.sum("millrace_events_emitted_total", &[]) as usize, cases.len() - failed);
    check_outputs(&stage.outputs()?, cases)?;
    check_errors(&stage.errors()?, cases)
}

/// The outputs of every page are those of its events, in their order.
fn check_outputs(outputs: &[Record], cases: &[Case]) -> anyhow::Result<()> {
    let mut expected: BTreeMap<String, Vec<&Case>> = BTreeMap::new();
    for case in cases.iter().rev().filter(|case| !matches!(case.expected, Expected::Error(_))) {
        expected.entry(case.revision.key()).or_default().push(case);
    }
    let mut ids: BTreeSet<String> = cases.iter().map(|case| case.input["meta"]["id"].to_string()).collect();
    let ids_before = ids.len();
    for output in outputs {
        let key = String::from_utf8(output.key.clone().context("no key")?.to_vec())?;
        let queue = expected.get_mut(&key).with_context(|| format!("unexpected key {key}"))?;
        let case = queue.pop().with_context(|| format!("one output too many for {key}"))?;
        let event = json(output)?;
        check_output(&event, case).with_context(|| format!("revision {} of {key}", case.revision.rev_id))?;
        ids.insert(event["meta"]["id"].to_string());
    }
    ensure!(ids.len() == ids_before + outputs.len(), "an output's meta.id is not its own");
    let missing: Vec<_> = expected.iter().filter(|(_, queue)| !queue.is_empty()).map(|(key, _)| key).collect();
    ensure!(missing.is_empty(), "too few outputs for {missing:?}");
    Ok(())
}

/// The output is its input in a new envelope, with the revision's text where it belongs.
fn check_output(output: &Value, case: &Case) -> anyhow::Result<()> {
    let mut expected = case.input.clone();
    ensure!(output["meta"]["stream"] == "mediawiki.page_content_change.v1", "stream {}", output["meta"]["stream"]);
    ensure!(output["$schema"] == "/mediawiki/page/change/1.2.0", "schema {}", output["$schema"]);
    for carried in ["request_id", "domain", "uri"] {
        ensure!(output["meta"][carried] == expected["meta"][carried], "{carried} is not carried over");
    }
    if case.expected == Expected::Body {
        let main = &output["revision"]["content_slots"]["main"];
        let body = main["content_body"].as_str().context("no body")?;
        ensure!(
            body.as_bytes() == case.revision.text,
            "the body is not the text: {}",
            parting(body, &case.revision.text)
        );
        expected["revision"]["content_slots"]["main"]["content_body"] = body.into();
    }
    expected["meta"] = output["meta"].clone();
    // What the pinned version of the schema does not know does not leave.
    expected.as_object_mut().context("no object")?.remove("field_of_tomorrow");
    ensure!(*output == expected, "differs:\n{output:.4000}\n{expected:.4000}");
    Ok(())
}

/// Where a body and a text part, with what follows there in each.
fn parting(body: &str, text: &[u8]) -> String {
    let same = body.bytes().zip(text).take_while(|(a, b)| a == *b).count();
    let rest = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes.get(same..(same + 60).min(bytes.len())).unwrap_or_default()).into_owned()
    };
    let (body_rest, text_rest) = (rest(body.as_bytes()), rest(text));
    format!("{} and {} bytes, from byte {same} on {body_rest:?} and {text_rest:?}", body.len(), text.len())
}

/// The error events are those that were expected, and carry the events that they are about.
fn check_errors(errors: &[Record], cases: &[Case]) -> anyhow::Result<()> {
    let mut expected: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for case in cases {
        if let Expected::Error(word) = case.expected {
            expected.entry(case.input.to_string()).or_default().push(word);
        }
    }
    for error in errors {
        let event = json(error)?;
        let raw = event["raw_event"].as_str().context("no raw event")?;
        let queue = expected.get_mut(raw).with_context(|| format!("unexpected error event {event}"))?;
        let word = queue.pop().with_context(|| format!("one error event too many: {event}"))?;
        ensure!(event["error_type"] == word, "{word} expected: {event}");
        ensure!(
            event["$schema"] == "/error/2.1.0" && event["meta"]["stream"] == "page_content_change.error",
            "{event}"
        );
        ensure!(header(error, "millrace-src").is_some(), "no source");
    }
    let missing: Vec<_> = expected.iter().filter(|(_, queue)| !queue.is_empty()).collect();
    ensure!(missing.is_empty(), "too few error events: {missing:?}");
    Ok(())
}
