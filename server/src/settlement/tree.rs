//! The trees of rounds and of the ledger, built with the crate that the contracts are tested with.

use alloy::primitives::B256;
use contracts::changes::{Change, sums};
use contracts::tree::{LedgerLeaf, LedgerTree, PredictionLeaf, PredictionTree};
use domain::TokenAmount;

use super::{SettlementError, Staked, broken};
use crate::predictions::Counted;
use crate::stakes::Entry;

/// What a round's tree comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frozen {
    pub(super) top: B256,
    pub(super) root: B256,
    pub(super) total_w: TokenAmount,
    pub(super) total_p: u128,
}

/// The staked models of a round by ascending index. A model is staked exactly if it has an index.
pub(super) fn staked(counted: &[Counted]) -> Result<Vec<Staked<'_>>, SettlementError> {
    let mut staked = Vec::new();
    for one in counted {
        match (one.model_index, one.at_risk > TokenAmount::ZERO) {
            (Some(index), true) => staked.push(Staked {
                model: &one.model,
                index,
                at_risk: one.at_risk,
                counted: one.counted,
            }),
            (None, false) => {}
            _ => {
                return Err(broken(format!(
                    "{} is staked without an index or inverse",
                    one.model
                )));
            }
        }
    }
    staked.sort_by_key(|one| one.index);
    Ok(staked)
}

/// The tree over the staked models of a round.
pub(super) fn of_round(staked: &[Staked<'_>]) -> Result<Frozen, SettlementError> {
    let top = over(&leaves(staked))?.top();
    let total_w = u64::try_from(top.sums.stake)
        .ok()
        .and_then(|w| TokenAmount::from_units(w).ok());
    Ok(Frozen {
        top: top.hash,
        root: top.root(),
        total_w: total_w.ok_or_else(|| broken("W of a round is 2^63 units or more"))?,
        total_p: top.sums.weighted,
    })
}

/// The leaves of the staked models, in the same order.
pub(super) fn leaves(staked: &[Staked<'_>]) -> Vec<PredictionLeaf> {
    let leaf = |one: &Staked<'_>| PredictionLeaf {
        index: one.index,
        w: one.at_risk.units(),
        p: one.counted.ppm(),
    };
    staked.iter().map(leaf).collect()
}

/// The tree over leaves by ascending index.
pub(super) fn over(leaves: &[PredictionLeaf]) -> Result<PredictionTree, SettlementError> {
    PredictionTree::from_leaves(leaves).map_err(|error| broken(error.to_string()))
}

/// The ledger after some changes: entries by ascending index, changes too.
pub(super) fn of_ledger(
    entries: &[Entry],
    changes: &[Change],
) -> Result<LedgerTree, SettlementError> {
    let mut left = changes.iter().peekable();
    let mut leaves = Vec::with_capacity(entries.len());
    for entry in entries {
        let change = left.next_if(|change| change.index == entry.model_index);
        leaves.push(leaf(entry, change).ok_or_else(|| broken(format!("{entry:?} overflows")))?);
    }
    if let Some(change) = left.next() {
        return Err(broken(format!(
            "{change:?} changes a model that is not registered"
        )));
    }
    LedgerTree::from_leaves(&leaves).map_err(|error| broken(error.to_string()))
}

fn leaf(entry: &Entry, change: Option<&Change>) -> Option<LedgerLeaf> {
    let (delta, reward) = change.map_or((0, 0), |change| (change.stake_delta, change.pool_reward));
    Some(LedgerLeaf {
        index: entry.model_index,
        stake_delta: i128::from(entry.stake_delta).checked_add(i128::from(delta))?,
        pool_reward: u128::try_from(entry.pool_reward)
            .ok()?
            .checked_add(u128::from(reward))?,
    })
}

/// Refuses changes that do not conserve money: ΣΔ stakeDelta = −burned, ΣΔ poolReward = poolUsed.
pub(super) fn conserve(
    changes: &[Change],
    burned: u64,
    pool_used: u64,
) -> Result<(), SettlementError> {
    let (stake, pool) = sums(changes);
    let paid = stake.checked_add(i128::from(burned));
    if paid == Some(0) && pool == u128::from(pool_used) {
        return Ok(());
    }
    Err(broken(format!(
        "changes sum to {stake} and {pool}, but {burned} burns, {pool_used} is used"
    )))
}
