//! The text of progress: what is read back, what is refused and with which words.

#![expect(clippy::unwrap_used, reason = "a test that meets what it did not expect has failed")]

use millrace_flow::boundaries::{Boundaries, VERSIONS_MAX};
use millrace_flow::ledger::{Admitted, Ledger};
use millrace_flow::progress::{Progress, ProgressBudget, ProgressError, VERSIONS_CHARS_MAX};
use proptest::prelude::*;

#[track_caller]
fn check(prefix: i64, text: &str, expected: Result<Progress, ProgressError>) {
    assert_eq!(Progress::decode(prefix, text), expected);
}

#[test]
fn no_text_is_an_empty_set() {
    check(42, "", Ok(Progress::at(42)));
    assert_eq!(Progress::at(42).encode(), "");
    let counted = Progress { serial: 7, ..Progress::at(42) };
    assert_eq!(counted.encode(), "1.42.7.");
    check(42, "1.42.7.", Ok(counted));
}

/// Admits 1,000 to 2,999 and settles some: the text that progress then has.
fn text_with(settled: impl Fn(i64) -> bool) -> String {
    let mut ledger = Ledger::resume(Progress::at(1_000), ProgressBudget::COMMIT_METADATA);
    for offset in 1_000..3_000 {
        assert_eq!(ledger.admit(offset), Admitted::New);
        if settled(offset) {
            ledger.settle(offset);
        }
    }
    ledger.progress().unwrap().encode()
}

/// The text is kept by brokers over upgrades: these forms may be added to, never changed.
#[test]
fn the_text_stays_as_it_was_released() {
    // 1,000 is position 232 of its block. Two settled positions: 02 235 239.
    assert_eq!(text_with(|offset| offset == 1_003 || offset == 1_007), "1.1000.1.Auvv");
    // The prefix alone is open in the first block, which it is not told; three whole blocks; one unsettled position of the
    // next, 2,047: 32 67 33 255.
    assert_eq!(text_with(|offset| offset != 1_000 && offset != 2_047 && offset < 2_048), "1.1000.1.IEMh_w");
    // Every other offset of a block: 00 64 and 32 bytes of 01010101.
    let bits = "1.1000.1.AEBVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVVQ";
    assert_eq!(text_with(|offset| offset % 2 == 0 && (1_024..1_280).contains(&offset)), bits);
}

#[test]
fn long_runs_are_written_as_a_number() {
    let mut ledger = Ledger::resume(Progress::at(0), ProgressBudget::COMMIT_METADATA);
    [0, 200 * 256, 200 * 256 + 1].into_iter().for_each(|offset| assert_eq!(ledger.admit(offset), Admitted::New));
    ledger.settle(200 * 256 + 1);
    // 199 blocks between: 32 128 199 1, then one settled position: 01 01.
    assert_eq!(ledger.progress().unwrap().encode(), "1.0.1.IIDHAQEB");
}

#[test]
fn a_newer_version_is_refused_by_name() {
    check(42, "3.42.7.AB", Err(ProgressError::Newer { found: 3 }));
    check(42, "17.what.ever", Err(ProgressError::Newer { found: 17 }));
    let message = ProgressError::Newer { found: 3 }.to_string();
    assert!(message.contains("version 3") && message.contains("newer Millrace"), "{message}");
}

/// The digests of 42 times `A`, and of `A` but for the last character; the text of each.
const DIGESTS: [[u8; 32]; 2] = [[0; 32], [0xff; 32]];
const TEXTS: [&str; 2] = ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "__________________________________________8"];

#[test]
fn the_versions_of_the_plugin_are_part_of_the_text() {
    let mut versions = Boundaries::new(DIGESTS[0]);
    let named = |versions| Progress { serial: 7, versions: Some(versions), ..Progress::at(42) };
    let one = format!("2.42.7..{}", TEXTS[0]);
    assert_eq!(named(versions.clone()).encode(), one);
    check(42, &one, Ok(named(versions.clone())));
    versions.begin(50, DIGESTS[1]);
    versions.begin(60, DIGESTS[0]);
    let three = format!("2.42.7..{}.50.{}.60.{}", TEXTS[0], TEXTS[1], TEXTS[0]);
    assert_eq!(named(versions.clone()).encode(), three);
    check(42, &three, Ok(named(versions)));
}

#[test]
fn versions_that_are_never_written_are_refused() {
    let (a, b) = (TEXTS[0], TEXTS[1]);
    let all = (1..=VERSIONS_MAX).map(|at| format!(".{}.{}", 50 + at, TEXTS[at % 2])).collect::<String>();
    for versions in [
        String::new(),
        a.replace('A', ""),
        format!("{a}.50"),
        format!("{a}.50."),
        format!("{a}.50.{a}"),
        format!("{a}.42.{b}"),
        format!("{a}.60.{b}.50.{a}"),
        format!("{a}.60.{b}.60.{a}"),
        format!("{a}.050.{b}"),
        format!("{a}{all}"),
    ] {
        check(42, &format!("2.42.7..{versions}"), Err(ProgressError::Garbage));
    }
}

#[test]
fn the_text_of_versions_is_bounded() {
    let mut versions = Boundaries::new(DIGESTS[0]);
    for number in 1..VERSIONS_MAX {
        versions.begin(i64::MAX - 100 + i64::try_from(number).unwrap(), DIGESTS[number % 2]);
    }
    let bare = Progress { serial: 7, ..Progress::at(42) };
    let named = Progress { versions: Some(versions), ..bare.clone() };
    let added = named.encode().len() - bare.encode().len();
    assert!(added <= VERSIONS_CHARS_MAX, "{added}");
    assert!(ProgressBudget::COMMIT_METADATA.chars() + VERSIONS_CHARS_MAX < 4_095);
}

#[test]
fn a_new_version_may_begin_behind_everything_that_has_settled() {
    assert_eq!(Progress::at(42).end(), 42);
    for last in [1_003, 1_279, 1_280, 2_000] {
        let progress = Progress::decode(1_000, &text_with(|offset| offset == last)).unwrap();
        assert_eq!(progress.end(), last + 1);
    }
}

#[test]
fn another_offset_is_refused() {
    check(43, "1.42.7.", Err(ProgressError::OtherOffset { written: 42, committed: 43 }));
}

#[test]
fn garbage_is_refused() {
    for text in [
        "x",
        "1",
        "1.",
        "1.42",
        "1.42.7",
        "1.42.7.%",
        "1.42.7.A",
        "1.42.7.AA==",
        "1.+42.7.",
        "1.42.07.",
        "0.42.7.",
        "-1.42.7.",
        "1.42.7.QA",
        "1.42.7._w",
        "1.42.7.Ag",
        "1.42.7.gP__",
        "1.42.7.gP___________",
        " 1.42.7.",
        "1.42.99999999999999999999.",
        "AgAAAYqXcLQ=",
        "ünïcode.1.2.3",
    ] {
        check(42, text, Err(ProgressError::Garbage));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in "(1\\.5\\.1\\.)?[A-Za-z0-9_.-]{0,60}") {
        if let Ok(progress) = Progress::decode(5, &text) {
            prop_assert_eq!(progress.encode(), text);
        }
    }

    #[test]
    fn any_bytes_of_a_set_are_read_or_refused(bytes in proptest::collection::vec(prop_oneof![Just(0_u8), Just(64), Just(128), any::<u8>()], 0..80)) {
        use base64::Engine;
        let set = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        let text = format!("1.5.1.{set}");
        if let Ok(progress) = Progress::decode(5, &text) {
            prop_assert_eq!(progress.encode(), text);
            let mut ledger = Ledger::resume(progress, ProgressBudget::COMMIT_METADATA);
            ledger.admit(5);
            prop_assert_eq!(ledger.prefix(), 5);
        }
    }
}
