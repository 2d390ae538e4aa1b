//! Payouts of `ranking` rounds: the field's rule, made solvent by a budget (protocol.md §3).
//!
//! Never takes more than ⌈L·w⌉ of a stake and never pays out more than the budget.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use alloy_primitives::I256;
use domain::{Delta, Score, TokenAmount};

use crate::error::MoneyError;

/// One staked model and its scores, in 1e-9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// w.
    pub stake: TokenAmount,
    /// CORR.
    pub corr: Score,
    /// MMC.
    pub mmc: Score,
}

/// The tournament's numbers and the round's reserved budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// c: what CORR weighs, ppm.
    pub corr_ppm: u32,
    /// k: what MMC weighs, ppm.
    pub mmc_ppm: u32,
    /// L: the most of a stake that one round gives or takes, ppm, at most 1,000,000.
    pub limit_ppm: u32,
    /// Θ: above this much at risk, payouts shrink.
    pub threshold: TokenAmount,
    /// The most that gains may sum to.
    pub budget: TokenAmount,
}

/// What a ranking round pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RankingPayouts {
    /// x before the budget, in the order of the entries.
    pub before_budget: Vec<Delta>,
    /// x, in the order of the entries.
    pub deltas: Vec<Delta>,
    /// Σ of the gains, at most the budget; the rest of the budget returns.
    pub pool_used: TokenAmount,
    /// −Σ of the losses.
    pub burned: TokenAmount,
}

const PPM: u32 = 1_000_000;
const BROKEN: MoneyError = MoneyError::OutOfRange("a ranking payout");

/// Pays a round. Ω, the total at risk, is the sum of the stakes.
///
/// # Errors
/// [`MoneyError::LimitRange`], [`MoneyError::TotalTooLarge`].
pub fn payouts_floor(rule: Rule, entries: &[Entry]) -> Result<RankingPayouts, MoneyError> {
    if rule.limit_ppm > PPM {
        return Err(MoneyError::LimitRange {
            ppm: rule.limit_ppm,
        });
    }
    let mut at_risk = TokenAmount::ZERO;
    for entry in entries {
        at_risk = at_risk
            .checked_add(entry.stake)
            .ok_or(MoneyError::TotalTooLarge)?;
    }
    let before = entries
        .iter()
        .map(|entry| payout_floor(rule, at_risk, *entry))
        .collect::<Result<Vec<i64>, _>>()?;
    let gains = sum(before.iter().map(|x| (*x).max(0)))?;
    let after = if gains > i128::from(rule.budget.units()) {
        before
            .iter()
            .map(|x| within_budget_floor(*x, rule.budget, gains))
            .collect::<Result<Vec<i64>, _>>()?
    } else {
        before.clone()
    };
    Ok(RankingPayouts {
        pool_used: amount(sum(after.iter().map(|x| (*x).max(0)))?)?,
        burned: amount(sum(after.iter().map(|x| x.saturating_neg().max(0)))?)?,
        before_budget: before.into_iter().map(Delta::from_units).collect(),
        deltas: after.into_iter().map(Delta::from_units).collect(),
    })
}

/// ⌈L·w⌉: what a round reserves of a stake.
///
/// # Errors
/// [`MoneyError::LimitRange`] when `limit_ppm` is above 1,000,000.
pub fn reserve_ceil(limit_ppm: u32, stake: TokenAmount) -> Result<TokenAmount, MoneyError> {
    if limit_ppm > PPM {
        return Err(MoneyError::LimitRange { ppm: limit_ppm });
    }
    let product = u128::from(stake.units())
        .checked_mul(u128::from(limit_ppm))
        .ok_or(BROKEN)?;
    let units = u64::try_from(product.div_ceil(u128::from(PPM))).map_err(|_| BROKEN)?;
    TokenAmount::from_units(units).map_err(|_| BROKEN)
}

/// ⌊ w · clip( ⌊(c·CORR + k·MMC)·Θ / max(Θ, Ω)⌋, −L·1e9, +L·1e9 ) / 1e15 ⌋.
fn payout_floor(rule: Rule, at_risk: TokenAmount, entry: Entry) -> Result<i64, MoneyError> {
    let weighed = |ppm: u32, score: Score| i128::from(ppm).checked_mul(i128::from(score.units()));
    let score = weighed(rule.corr_ppm, entry.corr)
        .zip(weighed(rule.mmc_ppm, entry.mmc))
        .and_then(|(corr, mmc)| corr.checked_add(mmc))
        .ok_or(BROKEN)?;
    let scale = rule.threshold.max(at_risk);
    let shrunk = if scale == TokenAmount::ZERO {
        // Nothing is at risk and nothing shrinks.
        wide(score)?
    } else {
        wide(score)?
            .checked_mul(wide(i128::from(rule.threshold.units()))?)
            .and_then(|product| product.checked_div_euclid(wide(i128::from(scale.units())).ok()?))
            .ok_or(BROKEN)?
    };
    let limit = i128::from(rule.limit_ppm).saturating_mul(1_000_000_000);
    let clipped = shrunk
        .clamp(wide(limit.saturating_neg())?, wide(limit)?)
        .try_into()
        .map_err(|_| BROKEN);
    let share: i128 = clipped?;
    let floor = i128::from(entry.stake.units())
        .checked_mul(share)
        .map(|product| product.div_euclid(1_000_000_000_000_000))
        .ok_or(BROKEN)?;
    i64::try_from(floor).map_err(|_| BROKEN)
}

/// ⌊x·budget/X⌋ for a gain; a loss stays.
fn within_budget_floor(x: i64, budget: TokenAmount, gains: i128) -> Result<i64, MoneyError> {
    if x <= 0 {
        return Ok(x);
    }
    i128::from(x)
        .checked_mul(i128::from(budget.units()))
        .and_then(|product| product.checked_div(gains))
        .and_then(|floor| i64::try_from(floor).ok())
        .ok_or(BROKEN)
}

fn sum(mut numbers: impl Iterator<Item = i64>) -> Result<i128, MoneyError> {
    numbers
        .try_fold(0_i128, |sum, x| sum.checked_add(i128::from(x)))
        .ok_or(BROKEN)
}

fn wide(number: i128) -> Result<I256, MoneyError> {
    I256::try_from(number).map_err(|_| BROKEN)
}

fn amount(units: i128) -> Result<TokenAmount, MoneyError> {
    u64::try_from(units)
        .ok()
        .and_then(|units| TokenAmount::from_units(units).ok())
        .ok_or(BROKEN)
}
