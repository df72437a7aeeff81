//! Waiting until every record of a producer has its report.

use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use std::time::{Duration, Instant};

/// The time between two looks: what an acknowledgement may be noticed too late.
const STEP: Duration = Duration::from_millis(1);

/// Waits until every record is acknowledged or has failed. The binding's own flush looks once in 100 ms, so with it no
/// transaction was written faster than that.
///
/// # Errors
/// It took longer than `patience`.
pub(crate) fn flush<C: ProducerContext>(producer: &BaseProducer<C>, patience: Duration) -> Result<(), Native> {
    let deadline = Instant::now() + patience;
    while producer.in_flight_count() > 0 {
        if Instant::now() >= deadline {
            return Err(Native::Flush(Code::OperationTimedOut));
        }
        producer.poll(STEP);
    }
    Ok(())
}
