//! How buyers' money is divided in one round (protocol.md §4).
//!
//! Never pays out more than the pool or than the rate allows; what rounding leaves stays in the
//! pool. The operator's own models get no share: the caller leaves them out.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use alloy_primitives::U256;
use domain::{Direction, Probability, TokenAmount};

use crate::error::MoneyError;
use crate::skill::{Multiplier, ONE_SCORE, score_exact};

/// The rate of protocol.md §4: at most 500 ppm of the skilled stake per round.
pub const RATE_PPM: u32 = 500;

/// One staked model with what was frozen before the round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// w.
    pub stake: TokenAmount,
    /// p, the counted one.
    pub p: Probability,
    /// w̄.
    pub average_stake: TokenAmount,
    /// m.
    pub multiplier: Multiplier,
}

/// What a round takes from its feed's pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeShares {
    /// F: the most that may be paid.
    pub payable: TokenAmount,
    /// s̄ in 1e-12; `None` when no model has weight.
    pub mean_score: Option<u64>,
    /// One share per entry, in the order of the entries.
    pub shares: Vec<TokenAmount>,
    /// Σ shares, at most F.
    pub pool_used: TokenAmount,
}

/// Divides the pool G of the round's feed.
///
/// # Errors
/// [`MoneyError::TotalTooLarge`] when the stakes sum to 2^63 or more.
pub fn shares_floor(
    y: Direction,
    pool: TokenAmount,
    entries: &[Entry],
) -> Result<FeeShares, MoneyError> {
    let weights = weights(entries)?;
    let weight = checked_sum(weights.iter().copied())?;
    if weight == 0 {
        return Ok(FeeShares {
            payable: TokenAmount::ZERO,
            mean_score: None,
            shares: vec![TokenAmount::ZERO; entries.len()],
            pool_used: TokenAmount::ZERO,
        });
    }
    let scores: Vec<u64> = entries.iter().map(|entry| score(entry.p, y)).collect();
    let payable = payable_floor(pool, weight)?;
    let mean_score = mean_score_ceil(&weights, &scores, weight)?;
    let mut shares = Vec::with_capacity(entries.len());
    let mut pool_used = TokenAmount::ZERO;
    for (v, s) in weights.iter().zip(&scores) {
        let share = share_floor(payable, *v, *s, mean_score, weight)?;
        pool_used = pool_used.checked_add(share).ok_or(BROKEN)?;
        shares.push(share);
    }
    if pool_used > payable {
        return Err(BROKEN);
    }
    Ok(FeeShares {
        payable,
        mean_score: Some(mean_score),
        shares,
        pool_used,
    })
}

const BROKEN: MoneyError = MoneyError::OutOfRange("a fee share");

/// v = min(w, w̄)·m, under 2^83, in the order of the entries.
fn weights(entries: &[Entry]) -> Result<Vec<u128>, MoneyError> {
    let mut stake = TokenAmount::ZERO;
    let mut weights = Vec::with_capacity(entries.len());
    for entry in entries {
        stake = stake
            .checked_add(entry.stake)
            .ok_or(MoneyError::TotalTooLarge)?;
        let lesser = u128::from(entry.stake.min(entry.average_stake).units());
        let weight = lesser.checked_mul(u128::from(entry.multiplier.ppm()));
        weights.push(weight.ok_or(BROKEN)?);
    }
    Ok(weights)
}

fn score(p: Probability, y: Direction) -> u64 {
    u64::try_from(score_exact(p, y)).unwrap_or(0)
}

/// F = min(G, ⌊500·Σv / 1e12⌋).
fn payable_floor(pool: TokenAmount, weight: u128) -> Result<TokenAmount, MoneyError> {
    let rate = weight
        .checked_mul(u128::from(RATE_PPM))
        .map(|product| product / 1_000_000_000_000)
        .ok_or(BROKEN)?;
    let units = u128::from(pool.units()).min(rate);
    amount(u64::try_from(units).map_err(|_| BROKEN)?)
}

/// s̄ = ⌈Σ v·s / Σv⌉; the sum stays under 2^123.
fn mean_score_ceil(weights: &[u128], scores: &[u64], weight: u128) -> Result<u64, MoneyError> {
    let mut sum = 0_u128;
    for (v, s) in weights.iter().zip(scores) {
        let product = v.checked_mul(u128::from(*s)).ok_or(BROKEN)?;
        sum = sum.checked_add(product).ok_or(BROKEN)?;
    }
    if weight == 0 {
        return Err(BROKEN);
    }
    u64::try_from(sum.div_ceil(weight)).map_err(|_| BROKEN)
}

/// ⌊F·v·(1e12 + s − s̄) / (Σv·1e12)⌋; the numerator stays under 2^188.
fn share_floor(
    payable: TokenAmount,
    v: u128,
    s: u64,
    mean_score: u64,
    weight: u128,
) -> Result<TokenAmount, MoneyError> {
    let one = u64::try_from(ONE_SCORE).map_err(|_| BROKEN)?;
    let factor = one
        .checked_add(s)
        .and_then(|sum| sum.checked_sub(mean_score))
        .ok_or(BROKEN)?;
    let numerator = U256::from(payable.units())
        .checked_mul(U256::from(v))
        .and_then(|product| product.checked_mul(U256::from(factor)));
    let denominator = U256::from(weight).checked_mul(U256::from(one));
    let floor = numerator
        .zip(denominator)
        .and_then(|(numerator, denominator)| numerator.checked_div(denominator))
        .ok_or(BROKEN)?;
    amount(u64::try_from(floor).map_err(|_| BROKEN)?)
}

fn checked_sum(mut numbers: impl Iterator<Item = u128>) -> Result<u128, MoneyError> {
    numbers.try_fold(0_u128, u128::checked_add).ok_or(BROKEN)
}

fn amount(units: u64) -> Result<TokenAmount, MoneyError> {
    TokenAmount::from_units(units).map_err(|_| BROKEN)
}
