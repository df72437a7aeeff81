//! What fails for a while, what fails for one question only, and what the others notice of it.

use super::*;
use crate::breaker::BreakerState;

fn broken() -> Result<String, CallError> {
    Err(CallError::Transport("reset".into()))
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_minutes_becomes_no_error() {
    let start = Instant::now();
    let bed =
        Bed::new(move |_, ids| if start.elapsed() < Duration::from_secs(300) { broken() } else { Ok(found(ids, "t")) });
    bed.ask("en.wiki.test", 1..=200);
    pass(299_000).await;
    assert!(bed.answers().is_empty());
    assert_eq!(bed.service.stats().targets[0].breaker, BreakerState::Open);
    // Probes only: the wait between them doubles up to half a minute.
    assert!(bed.calls().len() < 30, "{}", bed.calls().len());
    pass(60_000).await;
    assert_eq!(bed.answers(), expected(1..=200));
}

#[tokio::test(start_paused = true)]
async fn a_wiki_that_nobody_asks_any_more_is_not_told_to_be_out() {
    let bed = Bed::new(|_, _| broken());
    bed.ask("en.wiki.test", 1..=10);
    pass(20_000).await;
    let target = |bed: &Bed| bed.service.stats().targets[0].clone();
    assert_eq!((target(&bed).breaker, target(&bed).waiting), (BreakerState::Open, 10));
    bed.service.cancel(&(1..=10).collect::<Vec<_>>());
    pass(60_000).await;
    let then = target(&bed);
    assert_eq!((then.breaker, then.waiting), (BreakerState::Closed, 0));
    pass(60_000).await;
    assert_eq!(target(&bed).held_ms, then.held_ms, "nothing was held back meanwhile");
    // It is known all the same: one question finds out.
    bed.ask("en.wiki.test", [11]);
    pass(500).await;
    assert_eq!(target(&bed).breaker, BreakerState::Open);
    assert!(target(&bed).held_ms > then.held_ms);
}

#[tokio::test(start_paused = true)]
async fn deadlines_stand_still_while_a_target_is_out() {
    let start = Instant::now();
    let bed =
        Bed::new(move |_, ids| if start.elapsed() < Duration::from_secs(100) { broken() } else { Ok(found(ids, "t")) });
    bed.ask("en.wiki.test", [1]);
    pass(99_000).await;
    let held_ms = bed.service.held_ms(1);
    assert!((90_000..=99_000).contains(&held_ms), "{held_ms}");
    pass(60_000).await;
    let held_ms = bed.collected.0.lock().unwrap()[0].held_ms;
    assert!((95_000..=135_000).contains(&held_ms), "{held_ms}");
    assert_eq!(bed.service.held_ms(1), 0);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_one_wiki_does_not_touch_the_others() {
    let bed = Bed::new(|host, ids| if host == "en.wiki.test" { broken() } else { Ok(found(ids, "t")) });
    bed.ask("en.wiki.test", 1..=100);
    pass(30_000).await;
    bed.ask("fr.wiki.test", 501..=600);
    pass(250).await;
    assert_eq!(bed.answers(), expected(501..=600));
}

#[tokio::test(start_paused = true)]
async fn one_question_that_the_wiki_stumbles_over_fails_alone() {
    let bed = Bed::new(
        |_, ids| if ids.contains(&13) { Ok(error("internal_api_error_Exception")) } else { Ok(found(ids, "t")) },
    );
    bed.ask("en.wiki.test", 1..=50);
    // Others come and are answered meanwhile.
    for round in 0..400 {
        bed.ask("en.wiki.test", [1_000 + round]);
        pass(500).await;
    }
    let answers = bed.answers();
    assert_eq!(answers.len(), 450);
    let errors: Vec<_> = answers.iter().filter(|(_, word)| !word.starts_with('t')).collect();
    assert_eq!(errors, [&(13, "unavailable".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn lag_makes_a_wiki_wait_and_is_nobodys_fault() {
    let start = Instant::now();
    let bed =
        Bed::new(
            move |_, ids| {
                if start.elapsed() < Duration::from_secs(20) { Ok(error("maxlag")) } else { Ok(found(ids, "t")) }
            },
        );
    bed.ask("en.wiki.test", 1..=10);
    pass(60_000).await;
    assert_eq!(bed.answers(), expected(1..=10));
}

#[tokio::test(start_paused = true)]
async fn answers_that_cannot_be_read_are_tried_again() {
    let start = Instant::now();
    let bed = Bed::new(move |_, ids| {
        if start.elapsed() < Duration::from_millis(150) { Ok("<html>Sorry</html>".into()) } else { Ok(found(ids, "t")) }
    });
    bed.ask("en.wiki.test", [1]);
    pass(5_000).await;
    assert_eq!(bed.answers(), expected([1]));
    assert_eq!(bed.count(Counter::CallFailures), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_ask_ends_its_retries() {
    let bed = Bed::new(|_, _| broken());
    bed.ask("en.wiki.test", [1]);
    pass(5_000).await;
    bed.service.cancel(&[1]);
    pass(31_000).await;
    let calls = bed.calls().len();
    pass(600_000).await;
    assert_eq!(bed.calls().len(), calls);
    assert_eq!(bed.service.stats().targets[0].waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_fails_now_and_then_makes_no_errors() {
    // One call in three fails, too few to count as out, and none can tell which.
    let calls = AtomicU64::new(0);
    let fails = move || {
        let mixed = (calls.fetch_add(1, Ordering::Relaxed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33).is_multiple_of(3)
    };
    let bed = Bed::new(move |_, ids| if fails() { broken() } else { Ok(found(ids, "t")) });
    for round in 0..300 {
        bed.ask("en.wiki.test", round * 10 + 1..=round * 10 + 10);
        pass(100).await;
    }
    bed.wait_for(3_000).await;
    let errors: Vec<_> = bed.answers().into_iter().filter(|(_, word)| !word.starts_with('t')).collect();
    assert_eq!(errors, []);
}

#[tokio::test(start_paused = true)]
async fn several_questions_that_the_wiki_stumbles_over_fail_alone() {
    let bed = Bed::new(|_, ids| {
        if ids.iter().any(|id| id % 7 == 0) { Ok(error("internal_api_error_x")) } else { Ok(found(ids, "t")) }
    });
    bed.ask("en.wiki.test", 1..=70);
    for round in 0..600 {
        bed.ask("en.wiki.test", [7_001 + round * 7]);
        pass(500).await;
    }
    let answers = bed.answers();
    let errors: Vec<u64> = answers.iter().filter(|(_, word)| word == "unavailable").map(|(token, _)| *token).collect();
    assert_eq!((answers.len(), errors), (670, (1..=10).map(|n| n * 7).collect()));
}

#[tokio::test(start_paused = true)]
async fn an_api_that_answers_something_else_counts_as_out() {
    let start = Instant::now();
    let other = |ids: &[u64]| ids.iter().map(|id| id + 1_000_000).collect::<Vec<_>>();
    let bed = Bed::new(move |_, ids| {
        if start.elapsed() < Duration::from_secs(120) { Ok(found(&other(ids), "t")) } else { Ok(found(ids, "t")) }
    });
    bed.ask("en.wiki.test", 1..=30);
    pass(100_000).await;
    assert!(bed.answers().is_empty());
    assert_eq!(bed.service.stats().targets[0].breaker, BreakerState::Open);
    bed.wait_for(30).await;
    assert_eq!(bed.answers(), expected(1..=30));
}
