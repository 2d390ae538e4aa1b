//! The ledger of a vault, followed batch by batch: what `foretoken exit` rebuilds from calldata.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::collections::BTreeMap;

use thiserror::Error;

use crate::changes::Change;
use crate::tree::{LedgerLeaf, LedgerTree, MAX_MODELS, TreeError};

/// Entries by model index; an entry of (0, 0) does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: BTreeMap<u32, (i128, u128)>,
}

/// A change that no ledger takes.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LedgerError {
    /// An entry does not fit 128 bits.
    #[error("the ledger entry of model {0} does not fit 128 bits")]
    Overflow(u32),
    /// 2^20 or more.
    #[error("model index {0} does not fit the ledger")]
    IndexOutOfTree(u32),
}

impl Ledger {
    /// Adds a batch. All of it or, on an error, nothing.
    ///
    /// # Errors
    /// An index outside the tree or an entry that overflows.
    pub fn apply(&mut self, changes: &[Change]) -> Result<(), LedgerError> {
        let mut next = self.entries.clone();
        for change in changes {
            if change.index >= MAX_MODELS {
                return Err(LedgerError::IndexOutOfTree(change.index));
            }
            let (stake, pool) = next.get(&change.index).copied().unwrap_or_default();
            let overflow = || LedgerError::Overflow(change.index);
            let stake = stake
                .checked_add(i128::from(change.stake_delta))
                .ok_or_else(overflow)?;
            let pool = pool
                .checked_add(u128::from(change.pool_reward))
                .ok_or_else(overflow)?;
            if stake == 0 && pool == 0 {
                next.remove(&change.index);
            } else {
                next.insert(change.index, (stake, pool));
            }
        }
        self.entries = next;
        Ok(())
    }

    /// The entry of a model, (0, 0) if it has none.
    #[must_use]
    pub fn leaf(&self, index: u32) -> LedgerLeaf {
        let (stake_delta, pool_reward) = self.entries.get(&index).copied().unwrap_or_default();
        LedgerLeaf {
            index,
            stake_delta,
            pool_reward,
        }
    }

    /// All entries by ascending index.
    #[must_use]
    pub fn leaves(&self) -> Vec<LedgerLeaf> {
        self.entries.keys().map(|index| self.leaf(*index)).collect()
    }

    /// The tree over the entries.
    ///
    /// # Errors
    /// Sums that overflow.
    pub fn tree(&self) -> Result<LedgerTree, TreeError> {
        LedgerTree::from_leaves(&self.leaves())
    }
}
