//! Random numbers for jitter: nothing that security rests on.

use std::hash::{BuildHasher, RandomState};

/// A number from 0 to 1, evenly distributed: the standard library seeds every hasher state differently.
pub(crate) fn jitter() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    #[test]
    fn jitter_is_spread_over_its_range() {
        let drawn: Vec<f64> = (0..1_000).map(|_| super::jitter()).collect();
        assert!(drawn.iter().all(|j| (0.0..1.0).contains(j)));
        let mean = drawn.iter().sum::<f64>() / 1_000.0;
        assert!((0.4..0.6).contains(&mean), "{mean}");
    }
}
