//! Tests of the transactional writer against the embedded cluster, which answers what it is told to. They prove what the
//! writer makes of errors, not that anything is exactly once: that cluster hides nothing that is aborted and fences
//! nobody, which is judged on real brokers.

mod comeback;
mod injected;
mod resolving;
mod stay;
mod stored;
mod takeover;
