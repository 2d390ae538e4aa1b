//! The three kinds of leaves and their hashes.

use alloy_primitives::{B256, keccak256};

use super::{LedgerSums, Node, PredictionSums, sum_tree::Leaf};

/// A prediction that a direction round counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PredictionLeaf {
    /// Model index.
    pub index: u32,
    /// Stake at risk, units.
    pub w: u64,
    /// Counted report, ppm.
    pub p: u32,
}

/// An upload that a ranking round counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankingLeaf {
    /// Model index.
    pub index: u32,
    /// Stake at risk, units.
    pub w: u64,
    /// sha256 of the uploaded file.
    pub file: B256,
}

/// What a vault owes a model beyond its deposits. (0, 0) is the empty leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerLeaf {
    /// Model index.
    pub index: u32,
    /// Σ wagers and ranking losses, units.
    pub stake_delta: i128,
    /// Σ fee shares and ranking gains, units.
    pub pool_reward: u128,
}

impl Leaf for PredictionLeaf {
    type Sums = PredictionSums;

    fn index(&self) -> u32 {
        self.index
    }

    /// 0x00 ‖ index u32 ‖ w u64 ‖ p u32.
    fn opening(&self) -> Vec<u8> {
        let bytes = [
            &[0][..],
            &self.index.to_be_bytes(),
            &self.w.to_be_bytes(),
            &self.p.to_be_bytes(),
        ];
        bytes.concat()
    }

    /// keccak256 of the opening, sums (w, w·p).
    fn node(&self) -> Node<PredictionSums> {
        Node {
            hash: keccak256(self.opening()),
            sums: PredictionSums {
                stake: u128::from(self.w),
                // 64 and 32 bits: the product fits and never saturates.
                weighted: u128::from(self.w).saturating_mul(u128::from(self.p)),
            },
        }
    }
}

impl Leaf for RankingLeaf {
    type Sums = PredictionSums;

    fn index(&self) -> u32 {
        self.index
    }

    /// 0x00 ‖ index u32 ‖ w u64 ‖ file.
    fn opening(&self) -> Vec<u8> {
        let bytes = [
            &[0][..],
            &self.index.to_be_bytes(),
            &self.w.to_be_bytes(),
            self.file.as_slice(),
        ];
        bytes.concat()
    }

    /// keccak256 of the opening, sums (w, 0).
    fn node(&self) -> Node<PredictionSums> {
        Node {
            hash: keccak256(self.opening()),
            sums: PredictionSums {
                stake: u128::from(self.w),
                weighted: 0,
            },
        }
    }
}

impl Leaf for LedgerLeaf {
    type Sums = LedgerSums;

    fn index(&self) -> u32 {
        self.index
    }

    /// 0x00 ‖ index u32 ‖ stakeDelta i128 ‖ poolReward u128.
    fn opening(&self) -> Vec<u8> {
        let bytes = [
            &[0][..],
            &self.index.to_be_bytes(),
            &self.stake_delta.to_be_bytes(),
            &self.pool_reward.to_be_bytes(),
        ];
        bytes.concat()
    }

    /// keccak256 of the opening, sums the same; the empty node for (0, 0).
    fn node(&self) -> Node<LedgerSums> {
        if self.stake_delta == 0 && self.pool_reward == 0 {
            return Node::default();
        }
        Node {
            hash: keccak256(self.opening()),
            sums: LedgerSums {
                stake_delta: self.stake_delta,
                pool_reward: self.pool_reward,
            },
        }
    }
}
