//! What happens where there are no cases.

use super::*;
use crate::{Describe, Event, Input, MediaWiki, Outcome, Output};

/// A plugin that no case is for.
struct Nobody;

impl Plugin for Nobody {
    type Settings = ();

    fn describe() -> Describe {
        Describe::new("nobody", "1.0.0").input("in", Input::new()).output("out", Output::new())
    }

    fn new((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    async fn process(&self, event: Event, _: &MediaWiki) -> Result<Outcome, Failure> {
        Ok(event.patch().emit("out"))
    }
}

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/cases");

#[test]
#[should_panic = "no folder in "]
fn no_case_of_the_plugin_is_a_failure() {
    run::<Nobody>(CASES);
}

#[test]
#[should_panic = "/none: "]
fn a_folder_that_is_not_there_is_a_failure() {
    run::<Nobody>(format!("{CASES}/none"));
}

#[track_caller]
fn check(decision: Decision, expected: &str, is_same: bool) {
    let decided = Decided { decision, asks: Vec::new(), bodies: Vec::new(), report: Default::default() };
    let expected: Expected = serde_json::from_str(expected).unwrap();
    assert_eq!(compare(&decided, &expected).is_ok(), is_same, "{decided:?} {expected:?}");
}

#[test]
fn what_cannot_be_written_is_a_failure_of_its_own_kind() {
    let invalid = || Decision::OutputInvalid("why".to_owned());
    check(invalid(), r#"{"fail":{"kind":"output_invalid"}}"#, true);
    check(invalid(), r#"{"fail":{"kind":"output_invalid","message":"why"}}"#, true);
    check(invalid(), r#"{"fail":{"kind":"output_invalid","message":"because"}}"#, false);
    check(invalid(), r#"{"fail":{"kind":"not_found"}}"#, false);
    check(Decision::Fault("why".to_owned()), r#"{"fail":{"kind":"output_invalid"}}"#, false);
}
