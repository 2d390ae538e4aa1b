//! A node of a tree and the sums that it carries.

use alloy_primitives::{B256, keccak256};

use super::TreeError;

/// Two 128-bit halves that add up from the leaves to the top.
pub trait Sums: Copy + Default + PartialEq + Eq + std::fmt::Debug {
    /// Both halves added, `None` if one overflows.
    fn checked_add(self, other: Self) -> Option<Self>;
    /// High half, then low half.
    fn to_word(self) -> B256;
    /// The inverse of `to_word`.
    fn from_word(word: B256) -> Self;
}

/// Sums of a prediction tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PredictionSums {
    /// W = Σ w, units.
    pub stake: u128,
    /// P = Σ w·p, units times ppm; 0 in a ranking round.
    pub weighted: u128,
}

/// Sums of the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerSums {
    /// Σ stakeDelta, minus all that was burned.
    pub stake_delta: i128,
    /// Σ poolReward, all that left the pool.
    pub pool_reward: u128,
}

/// (hash, sums). The default is the empty node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Node<S> {
    /// Zero only in the empty node.
    pub hash: B256,
    /// Of all leaves below.
    pub sums: S,
}

impl<S: Sums> Node<S> {
    /// The node above two others.
    ///
    /// # Errors
    /// Sums that do not fit 128 bits.
    pub fn above(left: Self, right: Self) -> Result<Self, TreeError> {
        if left == Self::default() && right == Self::default() {
            return Ok(Self::default());
        }
        let sums = left.sums.checked_add(right.sums);
        Ok(Self {
            hash: keccak256(Self::opening(left, right)),
            sums: sums.ok_or(TreeError::SumOverflow)?,
        })
    }

    /// What the hash of the node above two others is of: 0x01 ‖ left hash ‖ left sums ‖ right hash ‖
    /// right sums.
    #[must_use]
    pub fn opening(left: Self, right: Self) -> [u8; 129] {
        let [left_sums, right_sums] = [left, right].map(|node| node.sums.to_word());
        let parts = [left.hash.0, left_sums.0, right.hash.0, right_sums.0];
        let mut bytes = [1; 129];
        for (slot, byte) in bytes.iter_mut().skip(1).zip(parts.as_flattened()) {
            *slot = *byte;
        }
        bytes
    }

    /// keccak256(0x02 ‖ hash ‖ sums) of this node as the top.
    #[must_use]
    pub fn root(&self) -> B256 {
        root(self.hash, self.sums)
    }
}

/// keccak256(0x02 ‖ top hash ‖ sums).
#[must_use]
pub fn root(top: B256, sums: impl Sums) -> B256 {
    keccak256([&[2], top.as_slice(), sums.to_word().as_slice()].concat())
}

impl Sums for PredictionSums {
    fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            stake: self.stake.checked_add(other.stake)?,
            weighted: self.weighted.checked_add(other.weighted)?,
        })
    }

    fn to_word(self) -> B256 {
        join(self.stake.to_be_bytes(), self.weighted.to_be_bytes())
    }

    fn from_word(word: B256) -> Self {
        let (high, low) = split(word);
        Self {
            stake: u128::from_be_bytes(high),
            weighted: u128::from_be_bytes(low),
        }
    }
}

impl Sums for LedgerSums {
    fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            stake_delta: self.stake_delta.checked_add(other.stake_delta)?,
            pool_reward: self.pool_reward.checked_add(other.pool_reward)?,
        })
    }

    fn to_word(self) -> B256 {
        join(
            self.stake_delta.to_be_bytes(),
            self.pool_reward.to_be_bytes(),
        )
    }

    fn from_word(word: B256) -> Self {
        let (high, low) = split(word);
        Self {
            stake_delta: i128::from_be_bytes(high),
            pool_reward: u128::from_be_bytes(low),
        }
    }
}

fn join(high: [u8; 16], low: [u8; 16]) -> B256 {
    let mut word = B256::ZERO;
    for (slot, byte) in word.0.iter_mut().zip(high.into_iter().chain(low)) {
        *slot = byte;
    }
    word
}

fn split(word: B256) -> ([u8; 16], [u8; 16]) {
    let halves = word.0.as_chunks::<16>().0;
    let half = |place: usize| halves.get(place).copied().unwrap_or_default();
    (half(0), half(1))
}
