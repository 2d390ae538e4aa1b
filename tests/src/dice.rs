//! Chance with a fixed seed: the same run twice draws the same faults.

use std::sync::atomic::{AtomicU64, Ordering};

/// SplitMix64; one may be shared by many tasks.
#[derive(Debug)]
pub struct Dice(AtomicU64);

impl Dice {
    /// Starts at `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next 64 bits.
    pub fn next(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let state = self.0.fetch_add(step, Ordering::SeqCst).wrapping_add(step);
        mix(state)
    }

    /// A number of `0..end`; 0 when that is empty.
    pub fn below(&self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }
}

/// SplitMix64's last step: 64 bits that look unrelated to those of any other `state`.
#[must_use]
pub fn mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_numbers_in_range() {
        let (one, two) = (Dice::new(7), Dice::new(7));
        let drawn: Vec<u64> = (0..100).map(|_| one.below(6)).collect();
        assert!((0..100).all(|index| drawn[index] == two.below(6)));
        assert!(drawn.contains(&0) && drawn.contains(&5) && drawn.iter().all(|n| *n < 6));
        assert_eq!(one.below(0), 0);
    }
}
