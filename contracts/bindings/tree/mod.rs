//! Merkle-sum trees of depth 20: the predictions of a round and the ledger of a vault. Owns hashing,
//! proofs and their verification; knows nothing of scores or payouts.
//!
//! The position of a leaf is the model's index. A node is (hash, sums); an empty node is all zero,
//! also above two empty nodes. Everything is big-endian and packed, as in `SumTree.sol`.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod leaf;
mod node;
mod proof;
mod sum_tree;

pub use leaf::{LedgerLeaf, PredictionLeaf, RankingLeaf};
pub use node::{LedgerSums, Node, PredictionSums, Sums, root};
pub use proof::Proof;
pub use sum_tree::{Leaf, SumTree};

use thiserror::Error;

/// Levels between a leaf and the top.
pub const DEPTH: usize = 20;

/// Indexes are below this.
pub const MAX_MODELS: u32 = 1 << DEPTH;

/// Tree of a direction round.
pub type PredictionTree = SumTree<PredictionSums>;

/// Tree of a ranking round.
pub type RankingTree = SumTree<PredictionSums>;

/// Tree of a vault's ledger.
pub type LedgerTree = SumTree<LedgerSums>;

/// Why there is no tree or no proof.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TreeError {
    /// 2^20 or more.
    #[error("model index {0} does not fit the tree")]
    IndexOutOfTree(u32),
    /// Leaves come by strictly ascending index.
    #[error("the leaf of model {0} does not ascend by index")]
    Unordered(u32),
    /// A sum does not fit 128 bits.
    #[error("a sum of the tree does not fit 128 bits")]
    SumOverflow,
}
