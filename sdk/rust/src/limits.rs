//! Limits of the contract that this crate keeps by itself, on every target. What only tests check is in `testing`.

/// Asks of one event that may be open at once; one more is a guest fault. No operator can set another number.
pub(crate) const ASKS_OPEN_MAX: usize = 64;
