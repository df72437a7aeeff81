//! Tests of the service at its door, with a scripted transport and stepped time: no socket, no waiting.

mod backfill;
mod fairness;
mod faults;
mod outage;
mod sharing;
mod socket;

use super::*;
use crate::config::WikiConfig;
use crate::grants::{Grants, Kind};
use crate::stats::Counter;
use crate::transport::{Call, CallError, Received};
use futures_util::future::BoxFuture;
use reqwest::header::HeaderMap;
use std::time::Duration;
use tokio::time::Instant;

/// The wall clock of the tests: in step with tokio's time until somebody sets it.
struct StepClock(Instant, AtomicU64);

const START_MS: u64 = 1_700_000_000_000;

impl Clock for StepClock {
    fn now_ms(&self) -> u64 {
        self.1.load(Ordering::Relaxed) + self.0.elapsed().as_millis() as u64
    }
}

type Script = Box<dyn Fn(&str, &[u64]) -> Result<String, CallError> + Send + Sync>;

/// How long a call to a host takes, in milliseconds.
type Latency = Box<dyn Fn(&str) -> u64 + Send + Sync>;

/// Answers every call as the script says, after a while.
struct Scripted {
    script: Script,
    latency: Latency,
    began: Instant,
    /// Host and revisions of every call.
    calls: Mutex<Vec<(String, Vec<u64>)>>,
    /// When each of them came, in milliseconds.
    came_ms: Mutex<Vec<u64>>,
    now: Mutex<(usize, usize)>,
}

impl Transport for Arc<Scripted> {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<Received, CallError>> {
        let host = call.headers.get("host").unwrap().to_str().unwrap().to_owned();
        let ids =
            call.url.split_once("revids=").map(|(_, ids)| ids.split("%7C").map(|id| id.parse().unwrap()).collect());
        let ids: Vec<u64> = ids.unwrap_or_default();
        self.calls.lock().unwrap().push((host.clone(), ids.clone()));
        self.came_ms.lock().unwrap().push(self.began.elapsed().as_millis() as u64);
        let me = Arc::clone(self);
        Box::pin(async move {
            {
                let mut now = me.now.lock().unwrap();
                now.0 += 1;
                now.1 = now.1.max(now.0);
            }
            pass((me.latency)(&host)).await;
            me.now.lock().unwrap().0 -= 1;
            let body = (me.script)(&host, &ids)?;
            Ok(Received { status: 200, headers: HeaderMap::new(), body: body.into() })
        })
    }
}

#[derive(Default)]
struct Collected(Mutex<Vec<Answered>>);

impl AnswerSink for Collected {
    fn deliver(&self, answers: Vec<Answered>) {
        self.0.lock().unwrap().extend(answers);
    }
}

/// A service with a script behind it.
struct Bed {
    service: LookupService,
    scripted: Arc<Scripted>,
    clock: Arc<StepClock>,
    collected: Arc<Collected>,
    scope: Arc<Scope>,
}

fn granted(pipeline: &str, wikis: &[&str]) -> Arc<Scope> {
    let wikis = wikis.iter().map(|wiki| (*wiki).to_owned()).collect();
    Arc::new(Scope::new(pipeline, &Grants { kinds: Kind::ALL.into(), wikis, http: vec![] }).unwrap())
}

impl Bed {
    fn new(script: impl Fn(&str, &[u64]) -> Result<String, CallError> + Send + Sync + 'static) -> Self {
        Self::with(script, |_| {})
    }

    fn with(
        script: impl Fn(&str, &[u64]) -> Result<String, CallError> + Send + Sync + 'static,
        change: impl FnOnce(&mut LookupConfig),
    ) -> Self {
        Self::slow(script, |_| 100, change)
    }

    fn slow(
        script: impl Fn(&str, &[u64]) -> Result<String, CallError> + Send + Sync + 'static,
        latency: impl Fn(&str) -> u64 + Send + Sync + 'static,
        change: impl FnOnce(&mut LookupConfig),
    ) -> Self {
        let wiki = |domain: &str, visibility| WikiConfig {
            domain: domain.into(),
            endpoint: Some("http://api.test".into()),
            visibility,
            ..WikiConfig::default()
        };
        let wikis = vec![wiki("*.wiki.test", Visibility::Public), wiki("private.test", Visibility::Private)];
        let mut cfg = LookupConfig { wikis, ..LookupConfig::default() };
        change(&mut cfg);
        let scripted = Arc::new(Scripted {
            script: Box::new(script),
            latency: Box::new(latency),
            began: Instant::now(),
            calls: Mutex::default(),
            came_ms: Mutex::default(),
            now: Mutex::default(),
        });
        let clock = Arc::new(StepClock(Instant::now(), AtomicU64::new(START_MS)));
        let transport = Arc::new(Arc::clone(&scripted));
        let wall: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let service =
            LookupService::with_transport(cfg, wall, Handle::current(), transport, PinnedBytes::default()).unwrap();
        Self { service, scripted, clock, collected: Arc::default(), scope: granted("p", &[]) }
    }

    /// Asks for these revisions, each with its id as the token.
    fn ask(&self, domain: &str, rev_ids: impl IntoIterator<Item = u64>) {
        self.submit(rev_ids.into_iter().map(|rev_id| self.request(domain, rev_id, rev_id)).collect());
    }

    fn request(&self, domain: &str, rev_id: u64, token: u64) -> Request {
        let params = format!(r#"{{"domain":"{domain}","rev_id":{rev_id},"slots":["main"]}}"#);
        let ask = Ask { id: 0, kind: "revision".into(), params, body: vec![] };
        Request { token, ask, scope: Arc::clone(&self.scope), born_ms: None, expected_bytes: Some(1_000) }
    }

    fn submit(&self, requests: Vec<Request>) {
        let sink: Arc<dyn AnswerSink> = Arc::clone(&self.collected) as Arc<dyn AnswerSink>;
        self.service.submit(requests, &sink);
    }

    /// The answers so far, as token and word, by token.
    fn answers(&self) -> Vec<(u64, String)> {
        let collected = self.collected.0.lock().unwrap();
        let mut told: Vec<_> = collected.iter().map(|answered| (answered.token, word(&answered.answer))).collect();
        told.sort();
        told
    }

    fn calls(&self) -> Vec<(String, Vec<u64>)> {
        self.scripted.calls.lock().unwrap().clone()
    }

    /// Waits until `count` asks are answered, and says how long that took, in milliseconds.
    async fn wait_for(&self, count: usize) -> u64 {
        let since = Instant::now();
        while self.collected.0.lock().unwrap().len() < count {
            assert!(since.elapsed() < Duration::from_secs(3_600), "{:?}", self.service.stats());
            pass(10).await;
        }
        since.elapsed().as_millis() as u64
    }

    /// The most calls that were under way at once.
    fn most_at_once(&self) -> usize {
        self.scripted.now.lock().unwrap().1
    }

    fn count(&self, counter: Counter) -> u64 {
        self.service.stats().get(counter)
    }
}

/// An answer in a word: the body's text, `hidden`, or the error's kind.
fn word(answer: &Answer) -> String {
    match answer {
        Ok(reply) => {
            reply.blobs.first().map_or("hidden".into(), |blob| String::from_utf8(blob.read().into_owned()).unwrap())
        }
        Err(error) => error.kind.word().to_owned(),
    }
}

async fn pass(ms: u64) {
    // Time is paused: this steps it.
    tokio::time::timeout(Duration::from_millis(ms), std::future::pending::<()>()).await.unwrap_err();
}

/// An answer in which every revision's text is `text` and its id, on page 1.
fn found(ids: &[u64], text: &str) -> String {
    let slots = |id: &u64| format!(r#"{{"revid":{id},"parentid":0,"slots":{{"main":{{"content":"{text}{id}"}}}}}}"#);
    let revisions: Vec<String> = ids.iter().rev().map(slots).collect();
    format!(r#"{{"query":{{"pages":[{{"pageid":1,"revisions":[{}]}}]}}}}"#, revisions.join(","))
}

fn bad(ids: &[u64]) -> String {
    let each: Vec<String> = ids.iter().map(|id| format!(r#""{id}":{{"revid":{id},"missing":true}}"#)).collect();
    format!(r#"{{"query":{{"badrevids":{{{}}}}}}}"#, each.join(","))
}

fn error(code: &str) -> String {
    format!(r#"{{"error":{{"code":"{code}","info":"x"}}}}"#)
}

fn expected(ids: impl IntoIterator<Item = u64>) -> Vec<(u64, String)> {
    ids.into_iter().map(|id| (id, format!("t{id}"))).collect()
}

#[tokio::test(start_paused = true)]
async fn asks_of_one_wiki_go_in_one_call_at_once() {
    let bed = Bed::new(|_, ids| Ok(found(ids, "t")));
    bed.ask("en.wiki.test", 1..=30);
    pass(101).await;
    assert_eq!(bed.answers(), expected(1..=30));
    assert_eq!(bed.calls(), [("en.wiki.test".to_owned(), (1..=30).collect())]);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_slots_asks_wait_and_fill_calls() {
    let bed = Bed::new(|_, ids| Ok(found(ids, "t")));
    bed.ask("en.wiki.test", 1..=500);
    pass(1_000).await;
    assert_eq!(bed.answers(), expected(1..=500));
    assert_eq!(bed.calls().len(), 10);
    assert_eq!(bed.scripted.now.lock().unwrap().1, 4);
}

#[tokio::test(start_paused = true)]
async fn all_targets_together_keep_the_global_bound() {
    let bed = Bed::with(|_, ids| Ok(found(ids, "t")), |cfg| cfg.calls_max = 3);
    for wiki in 0..10 {
        bed.ask(&format!("w{wiki}.wiki.test"), [wiki + 1]);
    }
    pass(2_000).await;
    assert_eq!(bed.answers().len(), 10);
    assert_eq!(bed.scripted.now.lock().unwrap().1, 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_expected_to_be_large_is_spread_over_calls() {
    let bed = Bed::new(|_, ids| Ok(found(ids, "t")));
    let requests = (1..=6).map(|id| Request { expected_bytes: Some(3 << 20), ..bed.request("en.wiki.test", id, id) });
    bed.submit(requests.collect());
    pass(300).await;
    assert_eq!(bed.calls().iter().map(|(_, ids)| ids.len()).collect::<Vec<_>>(), [2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_configured_or_granted_is_denied_without_a_call() {
    let mut bed = Bed::new(|_, ids| Ok(found(ids, "t")));
    bed.ask("en.evil.test", [1]);
    bed.ask("wiki.test", [2]);
    bed.scope = granted("p", &["fr.wiki.test"]);
    bed.ask("en.wiki.test", [3]);
    let mut unknown = bed.request("fr.wiki.test", 4, 4);
    unknown.ask.kind = "shell".into();
    let mut senseless = bed.request("fr.wiki.test", 5, 5);
    senseless.ask.params = "{".into();
    bed.submit(vec![unknown, senseless, bed.request("fr.wiki.test", 0, 6)]);
    let words: Vec<String> = bed.answers().into_iter().map(|(_, word)| word).collect();
    assert_eq!(words, ["denied", "denied", "denied", "invalid", "invalid", "invalid"]);
    pass(1_000).await;
    assert!(bed.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_unknown_revision_of_an_old_event_is_missing_and_that_is_not_kept() {
    let bed = Bed::new(|_, ids| Ok(bad(ids)));
    bed.ask("en.wiki.test", [1]);
    pass(200).await;
    bed.ask("en.wiki.test", [1]);
    pass(200).await;
    assert_eq!(bed.answers(), [(1, "missing".into()), (1, "missing".into())]);
    assert_eq!(bed.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_revision_of_a_young_event_is_asked_for_again() {
    let start = Instant::now();
    let bed = Bed::new(
        move |_, ids| if start.elapsed() < Duration::from_secs(2) { Ok(bad(ids)) } else { Ok(found(ids, "t")) },
    );
    bed.submit(vec![Request { born_ms: Some(START_MS as i64), ..bed.request("en.wiki.test", 1, 1) }]);
    // Asked at 0, 600 and 1,700 ms in vain; the answer to the ask at 3,800 ms has it.
    pass(3_850).await;
    assert_eq!((bed.answers().len(), bed.calls().len()), (0, 4));
    pass(100).await;
    assert_eq!(bed.answers(), expected([1]));
    assert_eq!(bed.count(Counter::YoungWaits), 3);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_grows_old_in_vain_is_missing() {
    let bed = Bed::new(|_, ids| Ok(bad(ids)));
    bed.submit(vec![Request { born_ms: Some(START_MS as i64), ..bed.request("en.wiki.test", 1, 1) }]);
    pass(9_900).await;
    assert!(bed.answers().is_empty());
    pass(1_500).await;
    assert_eq!(bed.answers(), [(1, "missing".into())]);
}

#[tokio::test(start_paused = true)]
async fn one_unknown_revision_does_not_touch_the_others() {
    let bed = Bed::new(|_, ids| {
        let known: Vec<u64> = ids.iter().copied().filter(|id| *id != 3).collect();
        Ok(found(&known, "t").replacen("\"pages\"", "\"badrevids\":{\"3\":{}},\"pages\"", 1))
    });
    bed.ask("en.wiki.test", 1..=5);
    pass(150).await;
    assert_eq!(
        bed.answers(),
        [(1, "t1".into()), (2, "t2".into()), (3, "missing".into()), (4, "t4".into()), (5, "t5".into())]
    );
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_nobody_asked_for_is_counted_and_ignored() {
    let bed = Bed::new(|_, ids| Ok(found(&[ids, &[999]].concat(), "t")));
    bed.ask("en.wiki.test", [1]);
    pass(150).await;
    assert_eq!(bed.answers(), expected([1]));
    assert_eq!(bed.count(Counter::Strangers), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cut_answer_is_completed_and_what_never_fits_is_too_large() {
    // The wiki stops before revision 3, which is larger than any answer.
    let bed = Bed::new(|_, ids| {
        let fitting: Vec<u64> = ids.iter().copied().take_while(|id| *id != 3).collect();
        let answer = found(&fitting, "t");
        Ok(if fitting.len() == ids.len() {
            answer
        } else {
            answer.replacen('{', r#"{"continue":{"rvcontinue":3,"continue":"||"},"#, 1)
        })
    });
    bed.ask("en.wiki.test", 1..=5);
    pass(500).await;
    assert_eq!(
        bed.answers(),
        [(1, "t1".into()), (2, "t2".into()), (3, "too-large".into()), (4, "t4".into()), (5, "t5".into())]
    );
    assert_eq!(bed.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_cut_before_something_else_is_a_failure() {
    let cut = r#"{"continue":{"rvcontinue":999,"continue":"||"},"query":{"pages":[]}}"#;
    let bed = Bed::new(move |_, _| Ok(cut.to_owned()));
    bed.ask("en.wiki.test", 1..=5);
    pass(2_000).await;
    let calls = bed.calls().len();
    // It is waited for as for any failure, in place of twenty calls of 100 ms.
    assert!((2..=10).contains(&calls), "{calls} calls");
    assert!(bed.count(Counter::CallFailures) > 0);
    assert!(bed.answers().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_cancelled_before_it_was_sent_costs_no_call() {
    let bed = Bed::with(|_, ids| Ok(found(ids, "t")), |cfg| cfg.wikis[0].slots = 1);
    bed.ask("en.wiki.test", [1]);
    pass(10).await;
    bed.ask("en.wiki.test", [2, 3]);
    bed.service.cancel(&[1, 2]);
    pass(500).await;
    assert_eq!(bed.answers(), expected([3]));
    assert_eq!(bed.calls().iter().map(|(_, ids)| ids.clone()).collect::<Vec<_>>(), [vec![1], vec![3]]);
    assert_eq!(bed.service.stats().open_tokens, 0);
}

/// Of the one target: questions that wait, those that it was asked, calls that are under way.
fn waiting_and_calls(bed: &Bed) -> (usize, usize, usize) {
    let stats = bed.service.stats();
    (stats.targets[0].waiting, stats.targets[0].under_way, stats.targets[0].slots_taken)
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_does_not_count_as_waiting() {
    let bed = Bed::with(
        |_, ids| Ok(found(ids, "t")),
        |cfg| {
            cfg.wikis[0].slots = 2;
            cfg.wikis[0].calls_per_second_max = Some(5);
        },
    );
    bed.ask("en.wiki.test", 1..=120);
    assert_eq!(waiting_and_calls(&bed), (120, 0, 0));
    pass(50).await;
    // The other slot is taken, and waits for the rate.
    assert_eq!(waiting_and_calls(&bed), (70, 50, 1));
    pass(1_000).await;
    assert_eq!((bed.answers().len(), waiting_and_calls(&bed)), (120, (0, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn idle_targets_make_room_for_others() {
    let bed = Bed::with(|_, ids| Ok(found(ids, "t")), |cfg| cfg.targets_max = 2);
    for wiki in 1..=5 {
        bed.ask(&format!("w{wiki}.wiki.test"), [wiki]);
        pass(200).await;
    }
    assert_eq!(bed.answers(), expected(1..=5));
    bed.ask("a.wiki.test", [11]);
    bed.ask("b.wiki.test", [12]);
    bed.ask("c.wiki.test", [13]);
    pass(200).await;
    assert_eq!(bed.answers()[5..], [(11, "t11".into()), (12, "t12".into()), (13, "unavailable".into())]);
}
