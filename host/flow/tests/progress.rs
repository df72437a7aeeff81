//! The text of progress: what is read back, what is refused and with which words.

use millrace_flow::ledger::Ledger;
use millrace_flow::progress::{Progress, ProgressBudget, ProgressError};
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

#[test]
fn the_text_of_a_small_set_stays_as_it_was_released() {
    let mut ledger = Ledger::resume(Progress::at(1_000), ProgressBudget::COMMIT_METADATA);
    (1_000..1_010).for_each(|offset| assert_eq!(ledger.admit(offset), millrace_flow::ledger::Admitted::New));
    [1_003, 1_007].into_iter().for_each(|offset| ledger.settle(offset));
    // Offset 1,000 is position 232 of its block: two positions are listed, 235 and 239.
    assert_eq!(ledger.progress().unwrap().encode(), "1.1000.1.Auvv");
}

#[test]
fn a_newer_version_is_refused_by_name() {
    check(42, "2.42.7.AB", Err(ProgressError::Newer { found: 2 }));
    check(42, "17.what.ever", Err(ProgressError::Newer { found: 17 }));
    let message = ProgressError::Newer { found: 2 }.to_string();
    assert!(message.contains("version 2") && message.contains("newer Millrace"), "{message}");
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
