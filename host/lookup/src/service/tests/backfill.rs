//! Backfills beside live pipelines, and the limits of a group.

use super::*;
use crate::grants::Standing;
use crate::turns::CALLS_PER_BACKFILL_CALL;

const HALF: Standing = Standing::Backfill { share_percent: 50 };

/// A service of which a live pipeline asks, and the same as a backfill sees it.
fn beds(change: impl FnOnce(&mut LookupConfig)) -> (Bed, Bed) {
    let live = Bed::with(|_, ids| Ok(found(ids, "t")), change);
    let backfill = old(&live, HALF);
    (live, backfill)
}

/// The service of `live` as a backfill sees it.
fn old(live: &Bed, standing: Standing) -> Bed {
    let scope = Scope::new("old", &Grants { kinds: Kind::ALL.into(), ..Grants::default() }).unwrap().standing(standing);
    Bed {
        service: live.service.clone(),
        scripted: Arc::clone(&live.scripted),
        clock: Arc::clone(&live.clock),
        collected: Arc::default(),
        scope: Arc::new(scope),
    }
}

#[tokio::test(start_paused = true)]
async fn a_backfill_alone_takes_its_share_of_the_slots() {
    let (_live, backfill) = beds(|cfg| cfg.wikis[0].slots = 4);
    backfill.ask("en.wiki.test", 1..=1_000);
    let took_ms = backfill.wait_for(1_000).await;
    assert_eq!(backfill.most_at_once(), 2);
    assert!((1_000..=1_010).contains(&took_ms), "{took_ms} ms for 20 calls of 100 ms");
    assert_eq!(backfill.count(Counter::BackfillCalls), 20);
}

#[tokio::test(start_paused = true)]
async fn live_questions_do_not_wait_behind_a_backfill() {
    let (live, backfill) = beds(|cfg| cfg.wikis[0].slots = 2);
    backfill.ask("en.wiki.test", 1..=5_000);
    pass(1_000).await;
    live.ask("en.wiki.test", 10_001..=10_050);
    let took_ms = live.wait_for(50).await;
    assert!(took_ms <= 110, "{took_ms} ms, and a slot was free");
}

#[tokio::test(start_paused = true)]
async fn a_backfill_beside_a_flood_of_live_questions_gets_one_call_in_twenty() {
    for rate in [None, Some(20)] {
        let (live, backfill) = beds(|cfg| {
            cfg.wikis[0].slots = 2;
            cfg.wikis[0].calls_per_second_max = rate;
        });
        live.ask("en.wiki.test", 100_001..=150_000);
        backfill.ask("en.wiki.test", 1..=5_000);
        pass(40_000).await;
        let (all, old) = (live.count(Counter::Calls), live.count(Counter::BackfillCalls));
        let twentieth = all / u64::from(CALLS_PER_BACKFILL_CALL);
        assert!(all >= 790 && old.abs_diff(twentieth) <= 1, "{old} of {all} calls, rate {rate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_question_that_joins_a_backfills_lifts_it() {
    let (live, backfill) = beds(|cfg| cfg.wikis[0].slots = 1);
    backfill.ask("en.wiki.test", 1..=5_000);
    pass(50).await;
    live.ask("en.wiki.test", [4_999]);
    live.wait_for(1).await;
    assert_eq!(live.calls()[1].1, [4_999], "it goes behind the call that was under way");
    assert!(backfill.answers().iter().any(|(token, _)| *token == 4_999), "it has its answer too");
    assert_eq!(live.count(Counter::Coalesced), 1);
}

/// Ten calls to each of twenty wikis.
fn ask_twenty_wikis(backfill: &Bed) {
    for wiki in 0..20_u64 {
        backfill.ask(&format!("w{wiki}.wiki.test"), wiki * 1_000 + 1..=wiki * 1_000 + 500);
    }
}

#[tokio::test(start_paused = true)]
async fn a_backfill_of_many_wikis_leaves_half_of_the_places() {
    let (live, backfill) = beds(|cfg| cfg.calls_max = 4);
    ask_twenty_wikis(&backfill);
    pass(1_050).await;
    assert_eq!(backfill.most_at_once(), 2);
    // Also those that ask a wiki of which the backfill waits for its turn.
    for (asked, wiki) in (1..).zip(["en", "w5", "w6", "w19"]) {
        live.ask(&format!("{wiki}.wiki.test"), asked * 100_000 + 1..=asked * 100_000 + 50);
        let took_ms = live.wait_for(usize::try_from(asked * 50).unwrap()).await;
        assert!(took_ms <= 110, "{took_ms} ms at {wiki}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_no_backfills_while_it_waits_for_its_turn_among_all_wikis() {
    let (live, backfill) = beds(|cfg| (cfg.calls_max, cfg.wikis[0].slots) = (2, 1));
    ask_twenty_wikis(&backfill);
    pass(1_050).await;
    live.ask("w19.wiki.test", 100_001..=100_050);
    let took_ms = live.wait_for(50).await;
    // A call may just have taken the one slot; then it is twice 100 ms.
    assert!(took_ms <= 210, "{took_ms} ms");
}

#[tokio::test(start_paused = true)]
async fn wikis_that_hang_do_not_hold_back_the_backfill_of_others() {
    let hangs = |host: &str| host.starts_with('h');
    let live = Bed::slow(
        move |host, ids| if hangs(host) { Err(CallError::Timeout) } else { Ok(found(ids, "t")) },
        move |host| if hangs(host) { 30_000 } else { 100 },
        |cfg| cfg.calls_max = 4,
    );
    let backfill = old(&live, HALF);
    for wiki in 0..4_u64 {
        backfill.ask(&format!("h{wiki}.wiki.test"), wiki * 1_000 + 1..=wiki * 1_000 + 200);
    }
    pass(10).await;
    backfill.ask("well.wiki.test", 100_001..=100_500);
    let took_ms = backfill.wait_for(500).await;
    // Eight calls hang, two at once; each leaves its pass to others after a second.
    assert!(took_ms <= 6_000, "{took_ms} ms");
}

#[tokio::test(start_paused = true)]
async fn a_backfill_arrives_also_where_passes_are_few_and_live_questions_many() {
    let (live, backfill) = beds(|cfg| (cfg.calls_max, cfg.wikis[0].slots) = (2, 1));
    for wiki in 0..2_u64 {
        live.ask(&format!("w{wiki}.wiki.test"), wiki * 1_000_000 + 100_001..=wiki * 1_000_000 + 150_000);
        backfill.ask(&format!("w{wiki}.wiki.test"), wiki * 1_000_000 + 1..=wiki * 1_000_000 + 5_000);
    }
    // One pass for both, which is needed for 100 ms in 2 s by each.
    pass(40_000).await;
    let (all, old) = (live.count(Counter::Calls), live.count(Counter::BackfillCalls));
    assert!(all >= 790 && (30..=40).contains(&old), "{old} of {all} calls");
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_backfill_is_left_behind() {
    let (live, backfill) = beds(|cfg| cfg.wikis[0].slots = 3);
    for round in 0..20_u64 {
        backfill.ask("en.wiki.test", round * 100 + 1..=round * 100 + 100);
        live.ask("en.wiki.test", round * 100 + 50..=round * 100 + 120);
        pass(130).await;
    }
    backfill.wait_for(2_000).await;
    live.wait_for(20 * 71).await;
}

#[tokio::test(start_paused = true)]
async fn of_the_groups_limits_a_host_takes_the_part_of_its_partitions() {
    let bed = Bed::with(
        |_, ids| Ok(found(ids, "t")),
        |cfg| {
            cfg.wikis[0].slots = 16;
            cfg.wikis[0].group.slots = Some(8);
        },
    );
    for (owned, slots, from) in [(1, 2, 1), (4, 8, 100_001), (2, 4, 200_001)] {
        bed.service.set_group_share(f64::from(owned) / 4.0);
        *bed.scripted.now.lock().unwrap() = (0, 0);
        bed.ask("en.wiki.test", from..from + 2_000);
        bed.wait_for(bed.answers().len() + 2_000).await;
        assert_eq!(bed.most_at_once(), slots, "{owned} of 4 partitions");
    }
}

#[tokio::test(start_paused = true)]
async fn slots_that_go_to_another_host_are_given_up_after_their_calls() {
    let bed = Bed::with(
        |_, ids| Ok(found(ids, "t")),
        |cfg| {
            cfg.wikis[0].slots = 16;
            cfg.wikis[0].group.slots = Some(8);
        },
    );
    bed.ask("en.wiki.test", 1..=4_000);
    pass(50).await;
    bed.service.set_group_share(0.25);
    pass(100).await;
    bed.scripted.now.lock().unwrap().1 = 0;
    bed.wait_for(4_000).await;
    assert_eq!(bed.most_at_once(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_the_groups_rate_a_host_takes_the_part_of_its_partitions() {
    let bed = Bed::with(|_, ids| Ok(found(ids, "t")), |cfg| cfg.wikis[0].group.calls_per_second_max = Some(40));
    bed.service.set_group_share(0.25);
    bed.ask("en.wiki.test", 1..=20_000);
    for (owned, calls) in [(1, 100), (2, 200)] {
        bed.service.set_group_share(f64::from(owned) / 4.0);
        pass(1_000).await;
        let before = bed.count(Counter::Calls);
        pass(10_000).await;
        assert!((bed.count(Counter::Calls) - before).abs_diff(calls) <= 1, "{owned} of 4 partitions");
    }
}
