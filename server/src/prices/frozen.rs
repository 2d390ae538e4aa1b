//! What the hosted models of a round were given.

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
