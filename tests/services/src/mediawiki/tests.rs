//! MediaWiki is started for real here.

use std::time::Instant;

use super::*;

fn page(title: &str, texts: &[&str]) -> ImportedPage {
    let revisions = texts.iter().enumerate().map(|(index, text)| ImportedRevision {
        timestamp: format!("2026-01-01T00:00:{index:02}Z"),
        text: (*text).to_owned(),
    });
    ImportedPage { title: title.to_owned(), revisions: revisions.collect() }
}

#[test]
fn wikis_hold_what_was_imported_edited_hidden_and_deleted() {
    Template::prepare().unwrap();
    let started = Instant::now();
    let mut mediawiki = MediaWiki::start(MediaWikiOptions::default()).unwrap();
    let took = started.elapsed();
    let texts = ["first <&> \"quoted\"", "zweite Fassung: äöü 🦆\n\tEnde"];
    mediawiki.import(Wiki::English, &[page("Ünïcode & page", &texts), page("Gone", &["soon gone"])]).unwrap();

    let mut english = mediawiki.client(Wiki::English).unwrap();
    let of_title = |all: &[Revision], title: &str| -> Vec<Revision> {
        all.iter().filter(|revision| revision.title == title).cloned().collect()
    };
    let all = english.revisions().unwrap();
    let kept = of_title(&all, "Ünïcode & page");
    assert_eq!(kept.len(), 2, "{all:?}");
    for (revision, text) in kept.iter().zip(texts) {
        assert_eq!(english.raw_text(revision.rev_id).unwrap(), text.as_bytes());
        assert_eq!(revision.size, text.len() as u64);
    }
    assert_eq!(kept[1].parent_id, kept[0].rev_id);

    english.delete("Gone").unwrap();
    assert!(of_title(&english.revisions().unwrap(), "Gone").is_empty());
    let first = english.edit("Page edited", "one").unwrap();
    english.edit("Page edited", "two").unwrap();
    english.hide(first, &[Hidden::Content, Hidden::User]).unwrap();
    let hidden = of_title(&english.revisions().unwrap(), "Page edited");
    assert_eq!(hidden.len(), 2);

    let mut french = mediawiki.client(Wiki::French).unwrap();
    assert!(of_title(&french.revisions().unwrap(), "Page edited").is_empty());
    mediawiki.set_read_only(Some("maintenance")).unwrap();
    assert!(french.edit("A", "a").unwrap_err().to_string().contains("readonly"));
    mediawiki.set_read_only(None).unwrap();
    french.edit("A", "a").unwrap();
    mediawiki.set_lag(Some(7.5)).unwrap();
    assert!(french.query(&[("meta", "siteinfo"), ("maxlag", "5")]).unwrap_err().to_string().contains("maxlag"));
    mediawiki.set_lag(None).unwrap();

    mediawiki.stop();
    assert!(french.query(&[("meta", "siteinfo")]).is_err());
    mediawiki.restart().unwrap();
    assert!(french.query(&[("meta", "siteinfo")]).is_ok());
    assert!(took.as_secs() < 30, "a start from the template took {took:?}");
}

#[test]
fn import_that_passes_a_page_over_is_an_error() {
    let mediawiki = MediaWiki::start(MediaWikiOptions::default()).unwrap();
    let refused = mediawiki.import(Wiki::English, &[page("Not <a> title", &["text"])]).unwrap_err().to_string();
    assert!(refused.contains("en.wiki.test") && refused.contains("invalid"), "{refused}");
}

#[test]
fn pages_above_ten_megabytes_can_be_imported_and_edited() {
    let mediawiki = MediaWiki::start(MediaWikiOptions::default()).unwrap();
    let line = "A line of text that is nothing special, äöü.\n";
    let text = line.repeat(12_000_000 / line.len());
    let text = text.trim_end();
    for wiki in Wiki::ALL {
        mediawiki.import(wiki, &[page("Imported", &[text])]).unwrap();
        let mut client = mediawiki.client(wiki).unwrap();
        let edited = client.edit("Edited", text).unwrap();
        assert_eq!(client.raw_text(edited).unwrap(), text.as_bytes());
        let imported = client.revisions().unwrap().into_iter().find(|revision| revision.title == "Imported").unwrap();
        assert_eq!(imported.size, text.len() as u64);
    }
}
