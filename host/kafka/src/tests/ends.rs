//! The ends of a partition, where one of the two questions about them is refused: whichever it is, that is an error and
//! never an empty partition.

use super::bed::*;
use crate::context::LogContext;
use crate::mock::{Refusal, Request};
use crate::reader::reading;
use crate::watermarks::watermarks;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::BaseConsumer;
use std::time::Duration;

#[test]
fn an_end_that_is_not_told_is_an_error() {
    let (cluster, config) = cluster("t", 1);
    fill(&config, "t", 0, 7, 10);
    let client = reading(&config, "ends").unwrap();
    let client: BaseConsumer<LogContext> = BaseConsumer::from_config_and_context(&client, LogContext).unwrap();
    let ask = || watermarks(&client, "t", 0, Duration::from_secs(10));
    assert_eq!(ask(), Ok((0, 7)));
    for answers in [[Some(Refusal::NotCoordinator), None], [None, Some(Refusal::NotCoordinator)]] {
        cluster.answer_next(1, Request::ListOffsets, &answers).unwrap();
        assert!(ask().is_err(), "{answers:?}");
        // What was not asked any more is not left for the next question.
        while cluster.answers_left(1, Request::ListOffsets).unwrap() > 0 {
            assert_eq!(ask(), Ok((0, 7)));
        }
    }
    assert!(watermarks(&client, "t", 9, Duration::from_secs(10)).is_err());
}
