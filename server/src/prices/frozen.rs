//! What the hosted models of a round were given.

use sha2::{Digest, Sha256};

/// The features of a round at the freeze: their digest, or why there are none. Written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// When they were frozen, on the market clock.
    pub frozen_us: i64,
    /// SHA-256 of the row's little-endian float32 values, hex; empty when there are none.
    pub digest: String,
    /// Why hosted models sit the round out; empty when they do not.
    pub reason: String,
}

impl Frozen {
    /// A row that was given at `frozen_us`.
    #[must_use]
    pub fn row(frozen_us: i64, row: &[f32]) -> Self {
        let mut hash = Sha256::new();
        for value in row {
            hash.update(value.to_le_bytes());
        }
        Self {
            frozen_us,
            digest: hex::encode(hash.finalize()),
            reason: String::new(),
        }
    }

    /// Nothing was given.
    #[must_use]
    pub fn nothing(frozen_us: i64, reason: String) -> Self {
        Self {
            frozen_us,
            digest: String::new(),
            reason,
        }
    }
}
