//! Mistakes of the host itself, and clocks that are set: no slot is lost, and nothing waits for ever.

use super::*;
use std::sync::atomic::AtomicBool;

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_frees_its_slot_and_is_made_again() {
    let panics = AtomicBool::new(true);
    let fall_over = move |_: &str, ids: &[u64]| {
        assert!(!panics.swap(false, Ordering::Relaxed), "as the test wants it");
        Ok(found(ids, "t"))
    };
    let bed = Bed::with(fall_over, |cfg| cfg.wikis[0].slots = 1);
    bed.ask("en.wiki.test", 1..=3);
    bed.wait_for(3).await;
    assert_eq!(bed.answers(), expected(1..=3));
    assert_eq!(bed.service.stats().targets[0].slots_taken, 0);
}

#[tokio::test(start_paused = true)]
async fn a_question_over_which_the_host_always_fails_fails_alone() {
    let fall_over = |_: &str, ids: &[u64]| {
        assert!(!ids.contains(&13), "as the test wants it");
        Ok(found(ids, "t"))
    };
    let bed = Bed::new(fall_over);
    bed.ask("en.wiki.test", 1..=20);
    for round in 0..400 {
        bed.ask("en.wiki.test", [1_000 + round]);
        pass(500).await;
    }
    let answers = bed.answers();
    let errors: Vec<_> = answers.iter().filter(|(_, word)| !word.starts_with('t')).collect();
    assert_eq!((answers.len(), errors), (420, vec![&(13, "unavailable".to_owned())]));
}

/// Fails once when it is to take an answer.
struct Clumsy {
    fails: AtomicBool,
    collected: Arc<Collected>,
}

impl AnswerSink for Clumsy {
    fn deliver(&self, answers: Vec<Answered>) {
        assert!(!self.fails.swap(false, Ordering::Relaxed), "as the test wants it");
        self.collected.deliver(answers);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_behind_the_answer_frees_the_slot_too() {
    let bed = Bed::with(|_, ids| Ok(found(ids, "t")), |cfg| cfg.wikis[0].slots = 1);
    let clumsy = Clumsy { fails: AtomicBool::new(true), collected: Arc::clone(&bed.collected) };
    let sink: Arc<dyn AnswerSink> = Arc::new(clumsy);
    bed.service.submit(vec![bed.request("en.wiki.test", 1, 1)], &sink);
    pass(50).await;
    bed.ask("en.wiki.test", [2]);
    bed.wait_for(1).await;
    assert_eq!(bed.answers(), expected([2]));
    assert_eq!(bed.service.stats().targets[0].slots_taken, 0);
}

/// Sets the wall clock in the middle of an outage.
async fn ends_an_outage_with_the_clock_at(wall_ms: u64) -> (u64, usize) {
    let start = Instant::now();
    let bed =
        Bed::new(
            move |_, ids| {
                if start.elapsed() < Duration::from_secs(20) { Err(CallError::Timeout) } else { Ok(found(ids, "t")) }
            },
        );
    bed.ask("en.wiki.test", 1..=10);
    pass(10_000).await;
    bed.clock.1.store(wall_ms, Ordering::Relaxed);
    assert!((8_000..=10_000).contains(&bed.service.held_ms(1)), "{} ms", bed.service.held_ms(1));
    let took_ms = bed.wait_for(10).await;
    (took_ms, bed.calls().len())
}

#[tokio::test(start_paused = true)]
async fn setting_the_wall_clock_moves_no_wait() {
    for wall_ms in [0, START_MS - 86_400_000, START_MS + 86_400_000] {
        let (took_ms, calls) = ends_an_outage_with_the_clock_at(wall_ms).await;
        assert!((10_000..45_000).contains(&took_ms), "{took_ms} ms");
        assert!(calls < 30, "{calls} calls");
    }
}
