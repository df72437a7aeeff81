//! Tests of `revision`. The answers have the shapes that MediaWiki 1.39 gave (see the cut-off at the end).

use super::*;
use crate::config::{LookupConfig, WikiConfig};
use crate::site::Sites;
use reqwest::header::HeaderMap;

const PATIENCE: Patience = Patience { now_ms: 0, retry_after_ms_max: 60_000 };

fn received(body: &str) -> Received {
    Received { status: 200, headers: HeaderMap::new(), body: body.to_owned().into() }
}

/// What an answer says of revision 7: the document with the bodies, or a word.
#[track_caller]
fn check(body: &str, expected: &str) {
    let told = match read(&received(body), PATIENCE) {
        Err(Failure::Passing(passing)) => format!("{:?}", passing.what),
        Err(Failure::Final(error)) => error.kind.word().to_owned(),
        Err(Failure::TooLarge(_)) => "too large".to_owned(),
        Ok(revisions) => match revisions.verdicts.get(&7) {
            None => format!("open, cut before {:?}", revisions.cut_before),
            Some(Verdict::Bad) => "bad".to_owned(),
            Some(Verdict::Known { answer: Err(error), .. }) => format!("answer {}", error.kind.word()),
            Some(Verdict::Known { answer: Ok(reply), .. }) => {
                let bodies: Vec<_> =
                    reply.blobs.iter().map(|blob| String::from_utf8(blob.read().into_owned()).unwrap()).collect();
                format!("{} {bodies:?}", std::str::from_utf8(&reply.document).unwrap())
            }
        },
    };
    assert_eq!(told, expected, "{body}");
}

/// An answer with one revision with these slots.
fn with_slots(slots: &str) -> String {
    let revision = format!(r#"{{"revid":7,"parentid":6,"slots":{slots}}}"#);
    format!(
        r#"{{"batchcomplete":true,"query":{{"pages":[{{"pageid":3,"ns":0,"title":"A \"b\"","revisions":[{revision}]}}]}}}}"#
    )
}

#[test]
fn a_body_is_a_slice_with_its_size_and_sha1() {
    check(
        &with_slots(
            r#"{"main":{"contentmodel":"wikitext","contentformat":"text/x-wiki","content":"a\n\u00fcü\"\/\ud83d\ude00"}}"#,
        ),
        r#"{"rev_id":7,"page_id":3,"parent_id":6,"slots":{"main":{"model":"wikitext","format":"text/x-wiki","size":12,"sha1":"fwc4et93cpwz4ensi9rnbwbedh2nvvr","body":0}}} ["a\nüü\"/😀"]"#,
    );
}

#[test]
fn an_empty_body_is_one() {
    check(
        &with_slots(r#"{"main":{"contentmodel":"wikitext","contentformat":"text/x-wiki","content":""}}"#),
        r#"{"rev_id":7,"page_id":3,"parent_id":6,"slots":{"main":{"model":"wikitext","format":"text/x-wiki","size":0,"sha1":"phoiac9h4m842xq45sp7s6u21eteeq1","body":0}}} [""]"#,
    );
}

#[test]
fn every_slot_has_its_body() {
    let slots = r#"{"main":{"content":""},"mediainfo":{"contentmodel":"wikibase-mediainfo","contentformat":"application/json","content":"{}"}}"#;
    check(
        &with_slots(slots),
        r#"{"rev_id":7,"page_id":3,"parent_id":6,"slots":{"main":{"model":null,"format":null,"size":0,"sha1":"phoiac9h4m842xq45sp7s6u21eteeq1","body":0},"mediainfo":{"model":"wikibase-mediainfo","format":"application/json","size":2,"sha1":"mbqvfsr1gawa9eid5wppvmaes442iwf","body":1}}} ["", "{}"]"#,
    );
}

#[test]
fn hidden_content_is_an_answer() {
    check(
        &with_slots(r#"{"main":{"size":10,"sha1hidden":true,"contentmodel":"wikitext","texthidden":true}}"#),
        r#"{"rev_id":7,"page_id":3,"parent_id":6,"slots":{"main":{"hidden":true}}} []"#,
    );
    check(
        &with_slots(r#"{"main":{"texthidden":"","suppressed":""}}"#),
        r#"{"rev_id":7,"page_id":3,"parent_id":6,"slots":{"main":{"hidden":true}}} []"#,
    );
}

#[test]
fn no_slots_are_an_answer_without_any() {
    for empty in ["{}", "[]"] {
        check(&with_slots(empty), r#"{"rev_id":7,"page_id":3,"parent_id":6,"slots":{}} []"#);
    }
}

#[test]
fn text_that_the_wiki_cannot_read_is_unavailable() {
    check(&with_slots(r#"{"main":{"contentmodel":"wikitext","textmissing":true}}"#), "answer unavailable");
    check(&with_slots(r#"{"main":{"missing":true}}"#), "answer unavailable");
    check(r#"{"query":{"pages":[{"pageid":3,"revisions":[{"revid":7,"slotsmissing":true}]}]}}"#, "answer unavailable");
}

#[test]
fn text_that_is_none_is_invalid() {
    check(&with_slots(r#"{"main":{"contentmodel":"x","badcontentformat":true}}"#), "answer invalid");
    check(&with_slots(r#"{"main":{"contentmodel":"x"}}"#), "answer invalid");
    check(&with_slots(r#"{"main":{"content":7}}"#), "answer invalid");
    check(&with_slots(r#"{"main":{"content":"\ud800"}}"#), "answer invalid");
}

#[test]
fn unknown_revisions_are_bad() {
    check(r#"{"batchcomplete":true,"query":{"badrevids":{"7":{"revid":7,"missing":true}}}}"#, "bad");
    check(r#"{"query":{"badrevids":{"7":{"revid":7,"missing":""}},"pages":[]}}"#, "bad");
    check(r#"{"query":{"badrevids":[],"pages":[]}}"#, "open, cut before None");
}

#[test]
fn errors_inside_a_200_are_errors() {
    check(r#"{"error":{"code":"maxlag","info":"x","lag":7.5},"servedby":"a"}"#, "Lag");
    check(r#"{"errors":[{"code":"maxlag","text":"x"}]}"#, "Lag");
    check(r#"{"error":{"code":"readapidenied"}}"#, "denied");
    check(r#"{"error":"some error"}"#, "Malformed");
    check(r#"{"error":{"code":123,"reason":"x"}}"#, "Malformed");
}

#[test]
fn what_is_no_answer_is_malformed() {
    let cut = with_slots(r#"{"main":{"content":"text"}}"#);
    let none =
        ["", "<html>", "[]", "null", "7", "{}", r#"{"batchcomplete":true}"#, r#"{"query":7}"#, &cut[..cut.len() - 9]];
    for body in none {
        check(body, "Malformed");
    }
    let mut latin1 = received("");
    latin1.body = Bytes::from_static(b"{\"query\":{\"pages\":[{\"pageid\":3,\"revisions\":[{\"revid\":7,\"slots\":{\"main\":{\"content\":\"\xfc\"}}}]}]}}");
    assert!(matches!(read(&latin1, PATIENCE), Err(Failure::Passing(_))));
}

/// Seen on MediaWiki 1.39 with `$wgAPIMaxResultSize` at its 8 MiB and revisions 5, 6, 7 of 1.5, 3 and 4.5 MB: what fits
/// comes first, in order of ids within the pages; the page of the next one is there with an empty list, and `continue`
/// names that revision. The size is counted before escaping. Asking again with `continue` repeats the pages of all
/// revisions, so asking for the open ones alone brings the same for less.
#[test]
fn a_cut_answer_names_where_it_would_go_on() {
    let cut = |pages: &str| {
        format!(
            r#"{{"continue":{{"rvcontinue":7,"continue":"||"}},"warnings":{{"result":{{"warnings":"truncated"}}}},"query":{{"pages":{pages}}}}}"#
        )
    };
    check(&cut(r#"[{"pageid":3,"ns":0,"title":"Big","revisions":[]}]"#), "open, cut before Some(7)");
    // The other pages of a continued call came without any list.
    check(
        &cut(r#"[{"pageid":2,"ns":0,"title":"One"},{"pageid":3,"ns":0,"title":"Big","revisions":[]}]"#),
        "open, cut before Some(7)",
    );
    check(r#"{"continue":{"rvcontinue":"7|x"},"query":{"pages":[]}}"#, "open, cut before Some(0)");
}

#[test]
fn bodies_are_not_copied() {
    let received = received(&with_slots(r#"{"main":{"content":"some text"}}"#));
    let revisions = read(&received, PATIENCE).unwrap();
    let Some(Verdict::Known { answer: Ok(reply), .. }) = revisions.verdicts.get(&7) else { panic!("no answer") };
    let std::borrow::Cow::Borrowed(body) = reply.blobs[0].read() else { panic!("copied") };
    assert!(received.body.as_ptr_range().contains(&body.as_ptr()));
}

#[test]
fn only_what_is_needed_is_asked_for() {
    let wiki = WikiConfig { domain: "a.org".into(), ..WikiConfig::default() };
    let sites = Sites::new(&LookupConfig { wikis: vec![wiki], ..LookupConfig::default() }).unwrap();
    assert_eq!(
        path_and_query(&sites.wiki("a.org").unwrap(), &Slots::Main, &[1, 22]),
        "/w/api.php?action=query&format=json&formatversion=2&prop=revisions&rvprop=ids%7Ccontent&rvslots=main&maxlag=5&revids=1%7C22"
    );
}
