//! Tests against the embedded cluster: the consumer's protocol with its pipeline, commits, deliveries. They say nothing
//! about guarantees; those are judged on real brokers.

mod bed;
mod committing;
mod consuming;
mod delivering;
mod ends;
mod pausing;
mod scanning;
mod settings;
