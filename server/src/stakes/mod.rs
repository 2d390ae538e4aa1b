//! Stakes: what the vault holds for each model, what rounds have reserved of it, what is free.
//!
//! Owns the tables `stake_accounts`, `pools`, `withdrawal_requests` and `reservations`. They copy
//! what final blocks say; only chain events and accepted batches change them, never a guess. Never
//! risks anything twice.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic
)]

mod free;
mod limits;
mod project;
mod registered;
mod store;
#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first surprise"
)]
pub(crate) mod testing;
#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests;

use alloy::primitives::keccak256;
use domain::{Delta, ModelId, RoundId, StakeRule, TokenAmount, Tournament};
use thiserror::Error;

use crate::accounts::AccountError;
use crate::chain::ChainError;
use crate::db::Conn;
use crate::models::ModelError;
use crate::rounds::RoundError;
use crate::{chain, models, rounds};

use registered::{Linking, requests_seen, rows_of, wallet_of, with_seen, would};
use store::StakeRow;

pub use limits::{Limits, Reservation, limits, reservations};
pub use project::apply;

/// One model's stake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stake {
    /// The vault, `0x…`.
    pub vault: String,
    /// The model's position in the vault's trees.
    pub model_index: u32,
    /// The wallet that deposited and is paid.
    pub owner: String,
    /// Paid in so far.
    pub deposited: TokenAmount,
    /// Paid out so far.
    pub withdrawn: TokenAmount,
    /// Sum of wagers in accepted batches, units.
    pub stake_delta: i64,
    /// Sum of fee shares in accepted batches, units.
    pub pool_reward: i64,
    /// deposited − withdrawn + stake_delta + pool_reward.
    pub claimable: TokenAmount,
    /// Asked for and not yet paid; counts as soon as it is seen.
    pub requested: TokenAmount,
    /// When the request may be paid, microseconds; 0 without one.
    pub matures_us: i64,
    /// Held by rounds that are not final.
    pub reserved: TokenAmount,
    /// What the next round can use.
    pub free: TokenAmount,
}

/// What a round takes of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtRisk {
    /// The model.
    pub model: ModelId,
    /// Its position in the trees; `None`: scored, not staked.
    pub model_index: Option<u32>,
    /// w; 0 when it is not staked.
    pub at_risk: TokenAmount,
}

/// What a model would risk if a round locked now; by default it has no stake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WouldRisk {
    /// Its position in the trees; `None`: it has no registered stake.
    pub model_index: Option<u32>,
    /// What no round holds and nobody has asked back.
    pub free: TokenAmount,
    /// The least of free, named (else the default limit) and the cap; 0 under the minimum. The
    /// round's own cap, which divides what all ask for, is only known at the lock.
    pub at_risk: TokenAmount,
}

/// What a final batch changes in one model's stake, units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    /// The model's position.
    pub model_index: u32,
    /// Sum of its wagers.
    pub stake_delta: i64,
    /// Sum of its fee shares.
    pub pool_reward: i64,
}

/// One entry of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The model's position.
    pub model_index: u32,
    /// Sum of its wagers so far, units.
    pub stake_delta: i64,
    /// Sum of its fee shares so far, units.
    pub pool_reward: i64,
    /// What it can claim.
    pub claimable: TokenAmount,
}

/// What can go wrong with stakes.
#[derive(Debug, Error)]
pub enum StakeError {
    /// Stored numbers break their own rules: halt and reconcile.
    #[error("stored stake is broken: {0}")]
    Broken(String),
    /// The stakes of a round are written once.
    #[error("round {0} has its stakes already")]
    AlreadyReserved(RoundId),
    /// The round's cap.
    #[error(transparent)]
    Money(#[from] scorer::MoneyError),
    /// The round or its tournament.
    #[error(transparent)]
    Round(#[from] RoundError),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The account.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The record of the chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The contracts' name of a model: keccak256 of its id.
#[must_use]
pub fn model_key(model: &ModelId) -> chain::B256 {
    keccak256(model.as_str().as_bytes())
}

/// The stake of a model: the registration of its key by its account's own wallet.
///
/// # Errors
/// [`StakeError::Model`] for an unknown model, [`StakeError::Broken`].
pub async fn of_model(conn: &mut Conn, model: &ModelId) -> Result<Option<Stake>, StakeError> {
    // In this order, so that what becomes final meanwhile counts twice rather than not at all.
    let reserved = store::reserved_by(conn, model).await?;
    let seen = requests_seen(conn).await?;
    let Some(row) = find(conn, model).await? else {
        return Ok(None);
    };
    stake(&with_seen(row, &seen, reserved)).map(Some)
}

/// Freezes what a round takes of each model, in the order of the asks, and reserves it
/// (protocol.md §2). To be called once, in the transaction that locks the round.
///
/// # Errors
/// [`StakeError::AlreadyReserved`], [`StakeError::Broken`].
pub async fn snapshot(
    conn: &mut Conn,
    round: &RoundId,
    rule: &StakeRule,
    asks: &[(ModelId, Option<TokenAmount>)],
) -> Result<Vec<AtRisk>, StakeError> {
    let tournament = rounds::tournament(conn, round.tournament()).await?;
    let rows = rows_of(conn, &tournament.chain_key, asks, Linking::Link).await?;
    let (mut indices, mut wanted) = (Vec::new(), Vec::new());
    for (row, (_, named)) in rows.into_iter().zip(asks) {
        let would = would(row.as_ref(), *named, rule)?;
        indices.push(would.model_index);
        wanted.push(would.at_risk);
    }
    let capped = scorer::stake_cap::capped_floor(&wanted, rule.round_cap)?;
    let taken: Vec<AtRisk> = asks
        .iter()
        .zip(indices)
        .zip(capped)
        .map(|(((model, _), index), at_risk)| {
            // What the round's cap leaves may be under the minimum: scored, not staked.
            let is_staked = at_risk > TokenAmount::ZERO && at_risk >= rule.minimum;
            AtRisk {
                model: model.clone(),
                model_index: index.filter(|_| is_staked),
                at_risk: if is_staked {
                    at_risk
                } else {
                    TokenAmount::ZERO
                },
            }
        })
        .collect();
    reserve(conn, round, &taken).await?;
    Ok(taken)
}

/// What each model would risk if a round of the tournament locked now, in the order of the asks and
/// by the same rule as [`snapshot`]. Reserves and links nothing; its queries do not grow in number
/// with the models (one more of each for every 500).
///
/// # Errors
/// [`StakeError::Broken`].
pub async fn would_risk(
    conn: &mut Conn,
    tournament: &Tournament,
    asks: &[(ModelId, Option<TokenAmount>)],
) -> Result<Vec<WouldRisk>, StakeError> {
    let chain_key = keccak256(tournament.id.as_str()).to_string();
    let rows = rows_of(conn, &chain_key, asks, Linking::Leave).await?;
    let both = rows.iter().zip(asks);
    both.map(|(row, (_, named))| would(row.as_ref(), *named, &tournament.stake))
        .collect()
}

async fn reserve(conn: &mut Conn, round: &RoundId, taken: &[AtRisk]) -> Result<(), StakeError> {
    let staked: Vec<(&ModelId, TokenAmount)> = taken
        .iter()
        .filter(|one| one.model_index.is_some())
        .map(|one| (&one.model, one.at_risk))
        .collect();
    let written = store::reserve(conn, round, &staked).await?;
    if u64::try_from(staked.len()) == Ok(written) {
        return Ok(());
    }
    Err(StakeError::AlreadyReserved(round.clone()))
}

/// Once a round is scored it holds only losses. A gain is not free until its batch is final.
///
/// # Errors
/// [`StakeError::Broken`] when a loss is above what was at risk.
pub async fn keep_only_losses(
    conn: &mut Conn,
    round: &RoundId,
    deltas: &[(ModelId, Delta)],
) -> Result<(), StakeError> {
    for (model, delta) in deltas {
        let loss = delta
            .units()
            .checked_neg()
            .map_or(i64::MAX, |loss| loss.max(0));
        if !store::lower(conn, round, model, loss).await? {
            return Err(StakeError::Broken(format!(
                "{model} lost {loss} units in {round}, more than it had at risk"
            )));
        }
    }
    Ok(())
}

/// A round that is final or void holds nothing.
///
/// # Errors
/// Database errors.
pub async fn release(conn: &mut Conn, round: &RoundId) -> Result<(), StakeError> {
    store::release(conn, round).await
}

/// Books a final batch into the stakes of a vault, and what it took from the pool. To be called in
/// the transaction that makes the batch final.
///
/// # Errors
/// [`StakeError::Broken`] when a stake would fall below 0 or does not exist.
pub async fn credit(
    conn: &mut Conn,
    vault: &str,
    credits: &[Credit],
    pool_used: i64,
) -> Result<(), StakeError> {
    for credit in credits {
        if !store::add_credit(conn, vault, credit).await? {
            return Err(StakeError::Broken(format!(
                "{credit:?} does not fit vault {vault}"
            )));
        }
    }
    store::add_to_pool(conn, vault, 0, pool_used).await
}

/// The ledger of a vault at the last final batch, by index.
///
/// # Errors
/// [`StakeError::Broken`].
pub async fn ledger(conn: &mut Conn, vault: &str) -> Result<Vec<Entry>, StakeError> {
    let rows = store::of_vault(conn, vault).await?;
    rows.iter()
        .map(|row| {
            Ok(Entry {
                model_index: position(row.model_index)?,
                stake_delta: row.position.stake_delta,
                pool_reward: row.position.pool_reward,
                claimable: free::claimable(&row.position)?,
            })
        })
        .collect()
}

/// The wallet of a registered model, `0x…`.
///
/// # Errors
/// [`StakeError::Broken`] when there is no such model.
pub async fn owner(conn: &mut Conn, vault: &str, model_index: u32) -> Result<String, StakeError> {
    let owner = store::owner(conn, vault, i64::from(model_index)).await?;
    owner.ok_or_else(|| StakeError::Broken(format!("vault {vault} has no model {model_index}")))
}

/// What is in the pool of a vault, units.
///
/// # Errors
/// Database errors.
pub async fn pool(conn: &mut Conn, vault: &str) -> Result<i64, StakeError> {
    store::pool(conn, vault).await
}

async fn find(conn: &mut Conn, model: &ModelId) -> Result<Option<StakeRow>, StakeError> {
    if let Some(row) = store::by_model(conn, model).await? {
        return Ok(Some(row));
    }
    let wallet = wallet_of(conn, model).await?;
    let tournament = models::get(conn, model).await?.tournament;
    let tournament = rounds::tournament(conn, &tournament).await?;
    let key = model_key(model).to_string();
    let found = store::by_key(conn, &tournament.chain_key, &key, &wallet).await?;
    Ok(found.filter(|row| !wallet.is_empty() && row.model_id.is_empty()))
}

fn stake(row: &StakeRow) -> Result<Stake, StakeError> {
    let amount = |units: u64| {
        TokenAmount::from_units(units).map_err(|error| StakeError::Broken(error.to_string()))
    };
    let most = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
    Ok(Stake {
        vault: row.vault.clone(),
        model_index: position(row.model_index)?,
        owner: row.owner.clone(),
        deposited: amount(row.position.deposited)?,
        withdrawn: amount(row.position.withdrawn)?,
        stake_delta: row.position.stake_delta,
        pool_reward: row.position.pool_reward,
        claimable: free::claimable(&row.position)?,
        requested: amount(row.position.requested.min(most))?,
        matures_us: row.matures_us,
        reserved: amount(row.position.reserved)?,
        free: free::free(&row.position)?,
    })
}

fn position(model_index: i64) -> Result<u32, StakeError> {
    u32::try_from(model_index).map_err(|_| StakeError::Broken(format!("index {model_index}")))
}
