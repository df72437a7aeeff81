//! Who goes first: a target that hangs, or a pipeline that asks a lot, costs the others next to nothing.

use super::*;

fn hung(host: &str) -> bool {
    host.starts_with('h')
}

/// Answers of hung wikis never come; the time for a call ends them.
fn hanging(host: &str, ids: &[u64]) -> Result<String, CallError> {
    if hung(host) { Err(CallError::Timeout) } else { Ok(found(ids, "t")) }
}

fn latency(host: &str) -> u64 {
    if hung(host) { 30_000 } else { 100 }
}

/// Each hung wiki has enough to fill its slots.
fn ask_hung(bed: &Bed, wikis: u64) {
    for wiki in 0..wikis {
        bed.ask(&format!("h{wiki}.wiki.test"), wiki * 1_000 + 1..=wiki * 1_000 + 200);
    }
}

#[tokio::test(start_paused = true)]
async fn wikis_that_hang_do_not_hold_back_one_that_is_well() {
    for calls_max in [8, 32] {
        let bed = Bed::slow(hanging, latency, |cfg| cfg.calls_max = calls_max);
        ask_hung(&bed, 40);
        pass(60_000).await;
        for round in 1..=10_u64 {
            let from = 1_000_000 + round * 100;
            bed.ask("well.wiki.test", from..from + 50);
            let took_ms = bed.wait_for(usize::try_from(round * 50).unwrap()).await;
            // Alone it takes 100 ms; a place that hangs is free again after a second.
            assert!(took_ms <= 1_200, "{took_ms} ms with {calls_max} places");
            pass(7_000).await;
        }
    }
}

/// How long two wikis that fill all places take for 800 calls, when so many hang since `since_ms`.
async fn busy_ms(hung_wikis: u64, since_ms: u64) -> u64 {
    let bed = Bed::slow(hanging, latency, |cfg| cfg.calls_max = 8);
    ask_hung(&bed, hung_wikis);
    pass(since_ms).await;
    for wiki in 0..2 {
        bed.ask(&format!("w{wiki}.wiki.test"), 1_000_000 * (wiki + 1)..1_000_000 * (wiki + 1) + 20_000);
    }
    bed.wait_for(40_000).await
}

#[tokio::test(start_paused = true)]
async fn wikis_that_are_well_keep_their_pace_while_others_hang() {
    let alone_ms = busy_ms(0, 0).await;
    for (since_ms, percent_max) in [(10_000, 105), (90_000, 105)] {
        let beside_ms = busy_ms(10, since_ms).await;
        let percent = beside_ms * 100 / alone_ms;
        assert!(percent <= percent_max, "{percent} % of the time, {since_ms} ms after others began to hang");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wiki_that_is_well_goes_on_while_hundreds_begin_to_hang() {
    let bed = Bed::slow(hanging, latency, |cfg| cfg.calls_max = 32);
    bed.ask("well.wiki.test", 1_000_001..=1_000_050);
    bed.wait_for(50).await;
    ask_hung(&bed, 300);
    pass(1_000).await;
    bed.ask("well.wiki.test", 1_001_001..=1_001_050);
    let took_ms = bed.wait_for(100).await;
    // Whoever hangs is not known to until a second has passed: 1,200 calls take their turns in 32 places once.
    assert!(took_ms <= 40_000, "{took_ms} ms");
    pass(60_000).await;
    bed.ask("well.wiki.test", 1_002_001..=1_002_050);
    let took_ms = bed.wait_for(150).await;
    assert!(took_ms <= 1_500, "{took_ms} ms");
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_stay_bounded_whatever_hangs() {
    let bed = Bed::slow(hanging, latency, |cfg| cfg.calls_max = 4);
    ask_hung(&bed, 60);
    pass(300_000).await;
    let most = bed.scripted.now.lock().unwrap().1;
    assert!(most <= 4 + 4 * 4 + 4 * 32, "{most} calls at once");
    assert!(bed.answers().is_empty(), "an outage is no answer");
}

#[tokio::test(start_paused = true)]
async fn answers_that_take_long_are_no_outage() {
    let bed = Bed::slow(|_, ids| Ok(found(ids, "t")), |_| 15_000, |cfg| cfg.calls_max = 2);
    for wiki in 0..4 {
        bed.ask(&format!("w{wiki}.wiki.test"), wiki * 1_000 + 1..=wiki * 1_000 + 200);
    }
    // Four wikis with four slots each have 16 calls for the 2 places.
    let took_ms = bed.wait_for(800).await;
    assert!(took_ms <= 35_000, "{took_ms}");
    assert_eq!(bed.count(Counter::CallFailures), 0);
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_floods_does_not_make_its_neighbour_wait() {
    let mut bed = Bed::with(|_, ids| Ok(found(ids, "t")), |cfg| cfg.wikis[0].slots = 1);
    bed.ask("en.wiki.test", 1..=5_000);
    pass(1_000).await;
    bed.scope = granted("neighbour", &[]);
    // One of them the flood asks as well, at its end.
    bed.ask("en.wiki.test", (10_001..=10_010).chain([4_999]));
    let before = bed.answers().len();
    pass(200).await;
    let neighbours = bed.answers().into_iter().filter(|(token, _)| *token > 10_000 || *token == 4_999).count();
    // 4,999 is the token of two asks.
    assert_eq!(neighbours, 12);
    // The flood has gone on beside it: no place in a call stayed empty.
    assert_eq!(bed.answers().len() - before, 101);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_in_every_second_also_when_a_flapping_api_recovers() {
    const RATE: usize = 5;
    let start = Instant::now();
    let flaps = move |_: &str, ids: &[u64]| {
        let is_out = start.elapsed() < Duration::from_secs(60) || (start.elapsed().as_millis() / 700).is_multiple_of(2);
        if is_out && start.elapsed() < Duration::from_secs(200) { Err(CallError::Timeout) } else { Ok(found(ids, "t")) }
    };
    let bed = Bed::with(flaps, |cfg| {
        cfg.wikis[0].slots = 16;
        cfg.wikis[0].calls_per_second_max = Some(RATE as u32);
    });
    bed.submit(
        (1..=400).map(|id| Request { expected_bytes: Some(3 << 20), ..bed.request("en.wiki.test", id, id) }).collect(),
    );
    bed.wait_for(400).await;
    assert_eq!(bed.answers(), expected(1..=400));
    let came_ms = bed.scripted.came_ms.lock().unwrap().clone();
    for (at, from_ms) in came_ms.iter().enumerate() {
        let within = came_ms[at..].iter().take_while(|ms| *ms - from_ms < 1_000).count();
        assert!(within <= RATE, "{within} calls within a second from {from_ms} ms on");
    }
}

#[tokio::test(start_paused = true)]
async fn a_high_rate_is_reached() {
    let bed = Bed::slow(
        |_, ids| Ok(found(ids, "t")),
        |_| 5,
        |cfg| {
            cfg.wikis[0].slots = 64;
            cfg.wikis[0].calls_per_second_max = Some(1_000);
        },
    );
    bed.submit(
        (1..=5_000)
            .map(|id| Request { expected_bytes: Some(6 << 20), ..bed.request("en.wiki.test", id, id) })
            .collect(),
    );
    let took_ms = bed.wait_for(5_000).await;
    assert!((4_900..6_000).contains(&took_ms), "{took_ms} ms for 5,000 calls");
}
