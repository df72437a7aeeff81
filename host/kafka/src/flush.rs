//! Waiting until every record of a producer has its report.

use rdkafka::error::{KafkaError as Native, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use std::thread;
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
    loop {
        let open = producer.in_flight_count();
        if open == 0 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Native::Flush(Code::OperationTimedOut));
        }
        // A poll that may take a millisecond spins for most of it.
        producer.poll(Duration::ZERO);
        if producer.in_flight_count() == open {
            thread::park_timeout(STEP);
        }
    }
}
