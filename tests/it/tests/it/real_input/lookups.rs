//! Every kind of lookup, asked by a plugin of a real MediaWiki: what comes back is what the contract says.

use super::{alone, import, page, stage};
use anyhow::Context as _;
use millrace_bed::enrichment::ANY_SCHEMA;
use millrace_bed::real::RealRevision;
use millrace_it::{Stage, json, record};
use millrace_services::{Hidden, MediaWiki, Wiki};
use serde_json::{Value, json as value};

/// Runs the asks and returns what the plugin emitted for each, in order.
fn asked(stage: &mut Stage, asks: &[Value]) -> anyhow::Result<Vec<Value>> {
    stage.enrichment.plugin = millrace_bed::host::guest("lookups")?;
    (stage.enrichment.names, stage.enrichment.schema) = (("in", "out"), ANY_SCHEMA);
    stage.enrichment.order = "partition";
    stage.enrichment.key.clear();
    stage.feed_records(asks.iter().map(|ask| {
        let event = value!({"$schema": "/test/event/1.0.0", "dt": "2020-02-02T20:00:00Z", "wiki_id": "enwiki",
                            "page": {"page_id": 1}, "ask": ask});
        record(&stage.enrichment.input, None, Some(event.to_string().into_bytes()))
    }))?;
    let mut host = stage.start()?;
    stage.settle(&mut host, asks.len() as u64)?;
    assert_eq!(host.terminate()?, Some(0));
    let errors: anyhow::Result<Vec<Value>> = stage.errors()?.iter().map(json).collect();
    assert_eq!(errors?.first(), None, "a lookup's error is for the plugin to handle");
    stage.outputs()?.iter().map(json).collect()
}

/// Two revisions of a page, of which the first one's text is hidden later, and one of another page.
fn revisions(mediawiki: &MediaWiki) -> anyhow::Result<Vec<RealRevision>> {
    let pages = [
        page("Asked", ["one \"line\" of text".to_owned(), "two \\ 🌊 of text".to_owned()]),
        page("Asked hidden", ["hidden text".to_owned(), "shown text".to_owned()]),
    ];
    let revisions = import(mediawiki, Wiki::English, &pages)?;
    mediawiki.client(Wiki::English)?.hide(revisions[2].rev_id, &[Hidden::Content])?;
    Ok(revisions)
}

#[test]
fn every_kind_of_lookup_is_answered_as_the_contract_says() -> anyhow::Result<()> {
    let mediawiki = alone()?;
    let revisions = revisions(&mediawiki)?;
    let ids: Vec<u64> = revisions.iter().map(|revision| revision.rev_id).collect();
    let domain = Wiki::English.domain();
    let mut stage = stage("real-lookups", 1, &mediawiki)?;
    stage.enrichment.http = format!("{{ site: {{ url: \"{}\", host: {domain} }} }}", mediawiki.endpoint());
    stage.enrichment.lookups =
        "{ kinds: [revision, compare, html, query, http], http: { site: { paths: [/api.php] } } }".to_owned();
    let info = value!({"action": "query", "meta": "siteinfo", "format": "json", "formatversion": "2"});
    let asks = [
        value!({"kind": "revision", "params": {"domain": domain, "rev_id": ids[1]}}),
        value!({"kind": "compare", "params": {"domain": domain, "from_rev": ids[0], "to_rev": ids[1]}}),
        value!({"kind": "compare", "params": {"domain": domain, "from_rev": ids[2], "to_rev": ids[3]}}),
        value!({"kind": "compare", "params": {"domain": domain, "from_rev": ids[0], "to_rev": 999_999_999}}),
        value!({"kind": "html", "params": {"domain": domain, "rev_id": ids[1]}}),
        value!({"kind": "html", "params": {"domain": domain, "rev_id": ids[2]}}),
        value!({"kind": "html", "params": {"domain": domain, "rev_id": 999_999_999}}),
        value!({"kind": "query", "params": {"domain": domain, "params": {"meta": "siteinfo"}}}),
        value!({"kind": "query", "params": {"domain": "other.example.org", "params": {"meta": "siteinfo"}}}),
        value!({"kind": "http", "params": {"target": "site", "path": "/api.php", "query": info}}),
        value!({"kind": "http", "params": {"target": "site", "path": "/index.php"}}),
        value!({"kind": "http", "params": {"target": "site", "path": "/api.php", "method": "POST"}, "body": "x=1"}),
        value!({"kind": "http", "params": {"target": "elsewhere", "path": "/api.php"}}),
    ];
    let found = asked(&mut stage, &asks)?;
    assert_eq!(found.len(), asks.len());
    let blob = |at: usize| found[at]["blobs"][0].as_str().with_context(|| found[at].to_string());
    let error = |at: usize| found[at]["error"]["kind"].as_str().with_context(|| found[at].to_string());

    let text = String::from_utf8(revisions[1].text.clone())?;
    assert_eq!(blob(0)?, text);
    let main = &found[0]["answer"]["slots"]["main"];
    assert_eq!((&main["model"], &main["size"]), (&value!("wikitext"), &value!(text.len())), "{main}");
    assert_eq!(main["sha1"], revisions[1].event("edit")["revision"]["rev_sha1"]);
    assert!(blob(1)?.contains("diff-addedline") && blob(1)?.contains("two"), "{}", blob(1)?);
    assert_eq!(found[2]["answer"]["hidden"], true, "{}", found[2]);
    assert_eq!(error(3)?, "missing");
    assert!(blob(4)?.contains("🌊") && blob(4)?.contains("<html"), "{}", blob(4)?);
    assert_eq!(found[4]["answer"]["rev_id"], ids[1]);
    assert_eq!((error(5)?, error(6)?), ("denied", "missing"));
    let site: Value = serde_json::from_str(blob(7)?)?;
    assert_eq!(site["query"]["general"]["wikiid"], Wiki::English.database());
    assert_eq!(error(8)?, "denied", "a wiki that nobody granted");
    let site: Value = serde_json::from_str(blob(9)?)?;
    assert_eq!(site["query"]["general"]["wikiid"], Wiki::English.database());
    assert_eq!(found[9]["answer"]["status"], 200);
    for (at, what) in [(10, "another path"), (11, "another method"), (12, "another service")] {
        assert_eq!(error(at)?, "denied", "{what}");
    }
    Ok(())
}
