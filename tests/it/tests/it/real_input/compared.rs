//! Some hundred revisions of two wikis, of every kind and with every character: everything that comes out is compared.

use super::{Case, Expected, feed, finish, import, page, prepared, stage};
use millrace_bed::real::RealRevision;
use millrace_services::{ImportedPage, Wiki};
use serde_json::json;

const PAGES: usize = 40;
const REVISIONS_PER_PAGE: usize = 4;

/// Everything that JSON escapes, or that a careless escaper would get wrong. MediaWiki keeps no other control characters,
/// and its API answers in NFC.
const TRICKY: [&str; 10] = [
    "\"quoted\" and 'single' and \"\"",
    "back\\slash \\\\ \\n \\u0041 and C:\\new\\table",
    "tab\there,\n\nblank line",
    "</script><!-- & <b> &amp; -->",
    "line\u{2028}separator paragraph\u{2029}separator next\u{85}line",
    "emoji 🌊🏳️‍🌈👩‍👩‍👧 beyond the first plane 𝒳",
    "combining x\u{323} q\u{301} composed caf\u{e9} \u{1e69} Zalgo H\u{334}\u{321}e\u{337}",
    "水車 водяна млинарка طاحونة \u{202e}right to left\u{202c}",
    "delete \u{7f} soft\u{ad}hyphen zero\u{200b}width no\u{a0}break \u{feff}mark",
    "{{template|a=\"b\"}} [[Mühle|mill]] {\"json\": [\"in\\\"side\"]}",
];

const TITLES: [&str; 5] = [
    "Compared Mühlgraben 水車",
    "Compared \"quoted\" title",
    "Compared back\\slash 'n' more",
    "Compared 🌊 wave & ~ + ? = %-",
    "Compared Водяний млин",
];

fn pages() -> Vec<ImportedPage> {
    let text = |number: usize, revision: usize| {
        let lines: Vec<&str> =
            (0..3 + number % 7).map(|line| TRICKY[(number + revision + line) % TRICKY.len()]).collect();
        format!("Revision {revision} of page {number}.\n{}", lines.join("\n* "))
    };
    let title = |number: usize| format!("{} {number}", TITLES[number % TITLES.len()]);
    (0..PAGES)
        .map(|number| page(&title(number), (0..REVISIONS_PER_PAGE).map(|revision| text(number, revision))))
        .collect()
}

/// The first event of a page tells of its creation, the others of all that happens to pages.
fn case(at: usize, page: &[RealRevision], edit: usize) -> Case {
    let revision = &page[edit];
    let kinds = ["edit", "move", "visibility_change", "edit", "delete", "undelete", "edit"];
    let kind = if edit == 0 { "create" } else { kinds[at % kinds.len()] };
    let expected = if kind == "delete" { Expected::NoBody } else { Expected::Body };
    let mut case = Case::new(revision, kind, expected);
    case.input["performer"] = json!({"user_text": "Müller \"Q\"", "user_id": at});
    case.input["field_of_tomorrow"] = json!({"n": [1, -0.5, null, true], "body": "\u{2028}</script>"});
    if let Some(previous) = edit.checked_sub(1).map(|edit| &page[edit]) {
        // What was before never gets a body.
        case.input["prior_state"] = json!({"revision": previous.event("edit")["revision"]});
    }
    if kind == "visibility_change" && at.is_multiple_of(2) {
        case.input["revision"]["is_content_visible"] = json!(false);
        case.expected = Expected::NoBody;
    }
    case
}

/// The events of both wikis, one revision of every page after the other.
fn cases(wikis: &[Vec<RealRevision>]) -> Vec<Case> {
    let mut cases = Vec::new();
    for edit in 0..REVISIONS_PER_PAGE {
        for number in 0..PAGES {
            for wiki in wikis {
                let page = &wiki[number * REVISIONS_PER_PAGE..(number + 1) * REVISIONS_PER_PAGE];
                cases.push(case(cases.len(), page, edit));
            }
        }
    }
    cases
}

#[test]
fn what_comes_out_is_what_mediawiki_says() -> anyhow::Result<()> {
    let pages = pages();
    let (mediawiki, wikis) = prepared(|mediawiki| {
        std::thread::scope(|scope| {
            let imports = Wiki::ALL.map(|wiki| {
                let pages = &pages;
                scope.spawn(move || import(mediawiki, wiki, pages))
            });
            imports.into_iter().map(|import| import.join().unwrap()).collect::<anyhow::Result<Vec<_>>>()
        })
    })?;
    for wiki in &wikis {
        let imported =
            pages.iter().flat_map(|page| page.revisions.iter().map(|revision| (&page.title, &revision.text)));
        for (revision, (title, text)) in wiki.iter().zip(imported) {
            assert_eq!((&revision.title, revision.text.as_slice()), (title, text.as_bytes()), "MediaWiki keeps it");
        }
    }
    let cases = cases(&wikis);
    let stage = stage("real-compared", 3, &mediawiki)?;
    super::feed(&stage, &cases)?;
    finish(&stage, stage.start()?, &cases)
}

/// MediaWiki's API brings every text into NFC. What was imported in another form comes out so, and its SHA-1 is another.
#[test]
fn text_that_the_api_changes_is_emitted_and_counted() -> anyhow::Result<()> {
    let (mediawiki, revisions) = prepared(|mediawiki| {
        import(
            mediawiki,
            Wiki::English,
            &[page("Decomposed", ["cafe\u{301}".to_owned(), "caf\u{e9} again".to_owned()])],
        )
    })?;
    let mut cases: Vec<Case> = revisions.iter().map(Case::good).collect();
    cases[0].revision.text = "caf\u{e9}".as_bytes().to_vec();
    let stage = stage("real-decomposed", 1, &mediawiki)?;
    feed(&stage, &cases)?;
    let mut host = stage.start()?;
    let metrics = stage.settle(&mut host, 2)?;
    assert_eq!(metrics.sum("millrace_plugin_sha1_mismatch_total", &["slot=\"main\""]), 1.0);
    finish(&stage, host, &cases)
}
