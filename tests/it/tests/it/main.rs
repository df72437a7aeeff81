//! End-to-end tests: the real binary on a real broker. One binary, so that one broker serves them all.

mod bad_input;
mod contained;
mod enrichment;
mod restart;
mod security;
mod startup;
