//! Who shares an answer, for how long, and how that ends when the content may have become forbidden.

use super::*;

#[tokio::test(start_paused = true)]
async fn equal_asks_share_one_answer_also_while_it_is_under_way() {
    let bed = Bed::new(|_, ids| Ok(found(ids, "t")));
    bed.submit((1..=3).map(|token| bed.request("en.wiki.test", 7, token)).collect());
    pass(50).await;
    bed.submit(vec![bed.request("EN.wiki.test.", 7, 4)]);
    pass(60).await;
    assert_eq!(bed.answers(), (1..=4).map(|token| (token, "t7".to_owned())).collect::<Vec<_>>());
    assert_eq!((bed.calls().len(), bed.count(Counter::Coalesced)), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_used_again_for_a_minute() {
    let bed = Bed::new(|_, ids| Ok(found(ids, "t")));
    for _ in 0..2 {
        bed.ask("en.wiki.test", [7]);
        pass(59_000).await;
    }
    assert_eq!((bed.calls().len(), bed.count(Counter::CacheHits)), (1, 1));
    bed.ask("en.wiki.test", [7]);
    pass(200).await;
    assert_eq!((bed.calls().len(), bed.answers().len()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn other_grants_do_not_share() {
    let mut bed = Bed::new(|_, ids| Ok(found(ids, "t")));
    bed.ask("en.wiki.test", [7]);
    pass(200).await;
    bed.scope = granted("q", &["en.wiki.test"]);
    bed.ask("en.wiki.test", [7]);
    pass(200).await;
    assert_eq!((bed.calls().len(), bed.count(Counter::CacheHits)), (2, 0));
    // A pipeline of another name with the same grants does.
    bed.scope = granted("r", &["en.wiki.test"]);
    bed.ask("en.wiki.test", [7]);
    assert_eq!(bed.count(Counter::CacheHits), 1);
}

#[tokio::test(start_paused = true)]
async fn other_slots_and_other_wikis_do_not_share() {
    let bed = Bed::new(|_, ids| Ok(found(ids, "t")));
    bed.ask("en.wiki.test", [7]);
    let mut all_slots = bed.request("en.wiki.test", 7, 8);
    all_slots.ask.params = r#"{"domain":"en.wiki.test","rev_id":7}"#.into();
    bed.submit(vec![all_slots, bed.request("fr.wiki.test", 7, 9)]);
    pass(200).await;
    assert_eq!((bed.calls().len(), bed.answers().len()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn private_wikis_are_never_kept() {
    let bed = Bed::new(|_, ids| Ok(found(ids, "t")));
    for _ in 0..2 {
        bed.ask("private.test", [7]);
        pass(200).await;
    }
    assert_eq!((bed.calls().len(), bed.answers().len()), (2, 2));
    assert_eq!(bed.service.stats().cache_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn answers_of_private_wikis_are_not_shared() {
    let bed = Bed::new(|_, ids| Ok(found(ids, "t")));
    bed.submit((1..=3).map(|token| bed.request("private.test", 7, token)).collect());
    pass(50).await;
    bed.submit(vec![bed.request("private.test", 7, 4)]);
    pass(200).await;
    assert_eq!((bed.answers().len(), bed.count(Counter::Coalesced)), (4, 0));
    // Those that wait together go in one call, and it names the revision once.
    assert_eq!(bed.calls(), vec![("private.test".to_owned(), vec![7]); 2]);
}

#[tokio::test(start_paused = true)]
async fn what_was_forgotten_is_asked_for_again() {
    for what in [Forget::Revision(7), Forget::Page(1)] {
        let bed = Bed::new(|_, ids| Ok(found(ids, "t")));
        bed.ask("en.wiki.test", [7]);
        pass(200).await;
        bed.service.forget_revisions("en.wiki.test", &[what]);
        bed.ask("en.wiki.test", [7]);
        pass(200).await;
        assert_eq!((bed.calls().len(), bed.count(Counter::CacheHits)), (2, 0), "{what:?}");
        // What was asked for since is good again.
        bed.ask("en.wiki.test", [7]);
        assert_eq!(bed.count(Counter::CacheHits), 1, "{what:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_under_way_when_its_revision_is_forgotten_is_thrown_away() {
    for what in [Forget::Revision(7), Forget::Page(1)] {
        let start = Instant::now();
        // The call that left first still brings the text; by then it is hidden.
        let bed = Bed::new(move |_, ids| {
            let hidden =
                r#"{"query":{"pages":[{"pageid":1,"revisions":[{"revid":7,"slots":{"main":{"texthidden":true}}}]}]}}"#;
            if start.elapsed() < Duration::from_millis(150) { Ok(found(ids, "t")) } else { Ok(hidden.to_owned()) }
        });
        bed.ask("en.wiki.test", [7]);
        pass(50).await;
        bed.service.forget_revisions("en.wiki.test", &[what]);
        bed.submit(vec![bed.request("en.wiki.test", 7, 8)]);
        pass(200).await;
        assert_eq!(bed.answers(), [(7, "hidden".into()), (8, "hidden".into())], "{what:?}");
        assert_eq!(bed.count(Counter::Forgotten), 1, "{what:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn errors_are_not_kept() {
    let start = Instant::now();
    let bed = Bed::new(move |_, ids| {
        if start.elapsed() < Duration::from_millis(150) { Ok(error("readapidenied")) } else { Ok(found(ids, "t")) }
    });
    bed.ask("en.wiki.test", [7]);
    pass(200).await;
    bed.ask("en.wiki.test", [7]);
    pass(200).await;
    assert_eq!(bed.answers(), [(7, "denied".into()), (7, "t7".into())]);
}

#[tokio::test(start_paused = true)]
async fn the_seal_of_an_answer_breaks_when_its_revision_is_forgotten() {
    let bed = Bed::new(|_, ids| Ok(found(ids, "t")));
    // The second one comes from the cache.
    for token in [1, 2] {
        bed.submit(vec![bed.request("en.wiki.test", 7, token)]);
        pass(200).await;
    }
    bed.ask("en.wiki.test", [8]);
    pass(200).await;
    let seals = || -> Vec<bool> {
        bed.collected.0.lock().unwrap().iter().map(|answered| answered.seal.as_ref().unwrap().holds()).collect()
    };
    bed.service.forget_revisions("fr.wiki.test", &[Forget::Revision(7)]);
    assert_eq!(seals(), [true, true, true]);
    bed.service.forget_revisions("EN.wiki.test", &[Forget::Revision(7)]);
    assert_eq!(seals(), [false, false, true]);
    bed.service.forget_revisions("en.wiki.test", &[Forget::Page(1)]);
    assert_eq!(seals(), [false, false, false]);
}
