//! The leave-one-out quadratic wager of `direction` rounds (protocol.md §2), in integers.
//!
//! Owns the payout formula. Never rounds in a model's favour: every division floors toward −∞, so
//! what rounding takes is burned.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use alloy_primitives::I256;
use domain::{Delta, Probability, TokenAmount};

use crate::error::MoneyError;

const PPM: u32 = 1_000_000;

/// One model's stake at risk, above zero, and its counted report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// w.
    pub stake: TokenAmount,
    /// p, inside [a, 1 − a].
    pub p: Probability,
}

/// The sums that every payout needs and the chain commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// W = Σ w, in units.
    pub stake: TokenAmount,
    /// P = Σ w·p, in units · ppm; at most 1e6·W.
    pub weighted: u128,
}

/// What a round pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// W and P.
    pub totals: Totals,
    /// One change per entry, in the order of the entries.
    pub deltas: Vec<Delta>,
    /// −Σ deltas, floor dust included.
    pub burned: TokenAmount,
    /// A single staked model: nothing to win or lose.
    pub thin: bool,
}

/// The tournament's a and the outcome y: what all payouts of a round share.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    a_ppm: u32,
    y_ppm: u32,
}

impl Rule {
    /// `a` in ppm, under 500,000; `y` in ppm (up 1,000,000, down 0; the formula takes any between).
    ///
    /// # Errors
    /// [`MoneyError::EdgeTooWide`], [`MoneyError::OutcomeRange`].
    pub fn new(a_ppm: u32, y_ppm: u32) -> Result<Self, MoneyError> {
        if a_ppm >= PPM / 2 {
            return Err(MoneyError::EdgeTooWide { a_ppm });
        }
        if y_ppm > PPM {
            return Err(MoneyError::OutcomeRange { y_ppm });
        }
        Ok(Self { a_ppm, y_ppm })
    }
}

/// Settles a round: O(n), and the order of the entries changes nothing but the order of the deltas.
///
/// No entries give an empty settlement; a single one gives a `thin` round with delta 0.
///
/// # Errors
/// [`MoneyError::EdgeTooWide`], [`MoneyError::OutcomeRange`], [`MoneyError::ZeroStake`],
/// [`MoneyError::OutsideEdge`], [`MoneyError::TotalTooLarge`].
pub fn settle(a_ppm: u32, y_ppm: u32, entries: &[Entry]) -> Result<Settlement, MoneyError> {
    let rule = Rule::new(a_ppm, y_ppm)?;
    let totals = totals(a_ppm, entries)?;
    let deltas = entries
        .iter()
        .map(|entry| payout_floor(rule, totals, *entry))
        .collect::<Result<Vec<_>, _>>()?;
    let burned = burned(&deltas)?;
    Ok(Settlement {
        totals,
        deltas,
        burned,
        thin: entries.len() == 1,
    })
}

/// W and P of a round, after checking every entry against `a`.
///
/// # Errors
/// [`MoneyError::ZeroStake`], [`MoneyError::OutsideEdge`], [`MoneyError::TotalTooLarge`].
pub fn totals(a_ppm: u32, entries: &[Entry]) -> Result<Totals, MoneyError> {
    let mut stake = TokenAmount::ZERO;
    let mut weighted = 0_u128;
    for (position, entry) in entries.iter().enumerate() {
        if entry.stake == TokenAmount::ZERO {
            return Err(MoneyError::ZeroStake { position });
        }
        if entry.p.clamp_to_edge(a_ppm) != entry.p {
            return Err(MoneyError::OutsideEdge {
                position,
                p_ppm: entry.p.ppm(),
                a_ppm,
            });
        }
        stake = stake
            .checked_add(entry.stake)
            .ok_or(MoneyError::TotalTooLarge)?;
        let product = u128::from(entry.stake.units()).checked_mul(u128::from(entry.p.ppm()));
        weighted = product
            .and_then(|product| weighted.checked_add(product))
            .ok_or(MoneyError::TotalTooLarge)?;
    }
    Ok(Totals { stake, weighted })
}

/// D of one model whose entry is part of `totals`; 0 when it is alone.
///
/// `⌊ 1e6·w·(A − B·p)·(A + B·(p − 2y)) / ((1e6 − 2a)·B·W·1e12) ⌋` with A = P − w·p, B = W − w.
/// The numerator stays under 2^247, the denominator under 2^186.
///
/// # Errors
/// [`MoneyError::OutOfRange`] when the entry cannot be part of `totals`.
pub fn payout_floor(rule: Rule, totals: Totals, entry: Entry) -> Result<Delta, MoneyError> {
    let broken = || MoneyError::OutOfRange("a payout");
    let (w, p) = (i128::from(entry.stake.units()), i128::from(entry.p.ppm()));
    let total = i128::from(totals.stake.units());
    let own = w.checked_mul(p).ok_or_else(broken)?;
    let others_weighted = i128::try_from(totals.weighted)
        .ok()
        .and_then(|sum| sum.checked_sub(own))
        .filter(|a| *a >= 0)
        .ok_or_else(broken)?;
    let others = total
        .checked_sub(w)
        .filter(|b| *b >= 0)
        .ok_or_else(broken)?;
    if others == 0 {
        return Ok(Delta::from_units(0));
    }
    // p − 2y and 1e6 − 2a in i128: neither can leave it.
    let shift = p.saturating_sub(i128::from(rule.y_ppm).saturating_mul(2));
    let width = i128::from(PPM).saturating_sub(i128::from(rule.a_ppm).saturating_mul(2));
    let ahead = others
        .checked_mul(p)
        .and_then(|own_report| others_weighted.checked_sub(own_report))
        .ok_or_else(broken)?;
    let around = others
        .checked_mul(shift)
        .and_then(|reflected| others_weighted.checked_add(reflected))
        .ok_or_else(broken)?;
    let numerator = product([w, i128::from(PPM), ahead, around]).ok_or_else(broken)?;
    let denominator = product([width, others, total, 1_000_000_000_000]).ok_or_else(broken)?;
    // The denominator is above zero, so the Euclidean quotient is the floor.
    let units = numerator
        .checked_div_euclid(denominator)
        .and_then(|floor| i64::try_from(floor).ok())
        .ok_or_else(broken)?;
    let at_most = w.min(others);
    if i128::from(units).saturating_abs() > at_most {
        return Err(broken());
    }
    Ok(Delta::from_units(units))
}

fn product(factors: [i128; 4]) -> Option<I256> {
    let [first, second, third, fourth] = factors;
    // The first two factors of either product stay under 2^83: one narrow multiplication.
    let narrow = first.checked_mul(second)?;
    wide(narrow)?
        .checked_mul(wide(third)?)?
        .checked_mul(wide(fourth)?)
}

fn wide(number: i128) -> Option<I256> {
    I256::try_from(number).ok()
}

fn burned(deltas: &[Delta]) -> Result<TokenAmount, MoneyError> {
    let mut sum = 0_i128;
    for delta in deltas {
        sum = sum.saturating_sub(i128::from(delta.units()));
    }
    u64::try_from(sum)
        .ok()
        .and_then(|units| TokenAmount::from_units(units).ok())
        .ok_or(MoneyError::OutOfRange("the burn of a round"))
}
