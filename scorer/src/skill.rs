//! The memory of a model's skill and stake that steers buyers' money (protocol.md §4).
//!
//! Owns E, V, w̄ and m. Skill is measured against two forecasts that no participant moves: ½ and
//! the mean of the public reference models. Never looks at the round being paid: the caller
//! freezes [`Skill::average_stake_floor`] and [`Skill::multiplier_floor`] before it.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use domain::{Direction, Probability, TokenAmount};

use crate::error::MoneyError;

/// A score of one in the units of this module and of [`crate::fee_shares`], 1e-12.
pub const ONE_SCORE: i64 = 1_000_000_000_000;

/// s = 1 − (p − y)² in 1e-12: exact, 0 to 1e12.
#[must_use]
pub fn score_exact(p: Probability, y: Direction) -> i64 {
    let distance = i64::from(p.ppm()).saturating_sub(i64::from(y.y_ppm()));
    ONE_SCORE.saturating_sub(distance.saturating_mul(distance))
}

/// The mean of the public reference models' counted p, rounded half to even; ½ when none spoke.
#[must_use]
pub fn reference_half_even(reports: &[Probability]) -> Probability {
    let count = u64::try_from(reports.len()).unwrap_or(u64::MAX);
    let sum = reports
        .iter()
        .fold(0_u64, |sum, p| sum.saturating_add(u64::from(p.ppm())));
    half_even(u128::from(sum), u128::from(count)).unwrap_or(Probability::HALF)
}

/// `numerator`/`denominator`, a mean in ppm, rounded half to even; `None` when there is no mean.
pub(crate) fn half_even(numerator: u128, denominator: u128) -> Option<Probability> {
    let floor = numerator.checked_div(denominator)?;
    let twice_rest = numerator.checked_rem(denominator)?.checked_mul(2)?;
    let odd = floor.checked_rem(2)? == 1;
    let up = twice_rest > denominator || (twice_rest == denominator && odd);
    let ppm = floor.checked_add(u128::from(up))?;
    u32::try_from(ppm)
        .ok()
        .and_then(|ppm| Probability::from_ppm(ppm).ok())
}

/// N of protocol.md §4: how many rounds back the averages reach; at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory(i64);

impl Memory {
    /// A memory of `rounds` rounds (protocol.md: 8,640).
    ///
    /// # Errors
    /// [`MoneyError::Memory`] when it is under 1.
    pub fn new(rounds: i64) -> Result<Self, MoneyError> {
        if rounds < 1 {
            return Err(MoneyError::Memory { rounds });
        }
        Ok(Self(rounds))
    }

    fn rounds(self) -> i64 {
        self.0
    }
}

/// m in ppm, 0 to 1,000,000: how much of a model's stake earns buyers' money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Multiplier(u32);

impl Multiplier {
    /// From stored ppm, at most 1,000,000.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] above it.
    pub fn from_ppm(ppm: u32) -> Result<Self, MoneyError> {
        if ppm > 1_000_000 {
            return Err(MoneyError::OutOfRange("a skill multiplier"));
        }
        Ok(Self(ppm))
    }

    /// Parts per million.
    #[must_use]
    pub fn ppm(self) -> u32 {
        self.0
    }

    /// 0 to 1, for the weights of the aggregate.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

/// What a model's past staked rounds add up to. Starts at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skill {
    /// E against ½, in 1e-12.
    pub e_half: i64,
    /// E against the public reference models, in 1e-12.
    pub e_reference: i64,
    /// V in units of 1e-9 token.
    pub stake_sum: u128,
}

impl Skill {
    /// The memory after one staked round: E ← E + s − s_baseline − ⌊E/N⌋, V ← V + w − ⌊V/N⌋.
    ///
    /// `reference` is [`reference_half_even`] of the round.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when the stored sums are broken.
    pub fn after_round_floor(
        self,
        memory: Memory,
        stake: TokenAmount,
        p: Probability,
        reference: Probability,
        y: Direction,
    ) -> Result<Self, MoneyError> {
        let own = score_exact(p, y);
        let next = |e, baseline| next_error_floor(e, own, score_exact(baseline, y), memory);
        Ok(Self {
            e_half: next(self.e_half, Probability::HALF)?,
            e_reference: next(self.e_reference, reference)?,
            stake_sum: next_stake_floor(self.stake_sum, stake, memory)?,
        })
    }

    /// m = ⌊lesser ⌊E/N⌋ / 1000⌋ within [0, 1e6].
    #[must_use]
    pub fn multiplier_floor(self, memory: Memory) -> Multiplier {
        let lesser = self.e_half.min(self.e_reference);
        multiplier_floor(mean_floor(lesser, memory))
    }

    /// w̄ = ⌊V/N⌋.
    ///
    /// # Errors
    /// [`MoneyError::OutOfRange`] when the stored V is broken.
    pub fn average_stake_floor(self, memory: Memory) -> Result<TokenAmount, MoneyError> {
        let broken = || MoneyError::OutOfRange("an average stake");
        let average = stake_share_floor(self.stake_sum, memory).ok_or_else(broken)?;
        u64::try_from(average)
            .ok()
            .and_then(|units| TokenAmount::from_units(units).ok())
            .ok_or_else(broken)
    }
}

/// ⌊E/N⌋ in 1e-12.
#[must_use]
pub fn mean_floor(e: i64, memory: Memory) -> i64 {
    // N is at least 1: neither a division by zero nor by −1 can happen.
    e.checked_div_euclid(memory.rounds()).unwrap_or(0)
}

/// ⌊e/1000⌋ within [0, 1e6], with e the lesser of the two means in 1e-12.
#[must_use]
pub fn multiplier_floor(lesser_mean: i64) -> Multiplier {
    let thousandth = lesser_mean.div_euclid(1_000).clamp(0, 1_000_000);
    Multiplier(u32::try_from(thousandth).unwrap_or(0))
}

/// E + s − s_baseline − ⌊E/N⌋.
///
/// # Errors
/// [`MoneyError::OutOfRange`] when E is broken.
pub fn next_error_floor(
    e: i64,
    score: i64,
    baseline_score: i64,
    memory: Memory,
) -> Result<i64, MoneyError> {
    score
        .checked_sub(baseline_score)
        .and_then(|gain| e.checked_add(gain))
        .and_then(|sum| sum.checked_sub(mean_floor(e, memory)))
        .ok_or(MoneyError::OutOfRange("a skill memory"))
}

/// V + w − ⌊V/N⌋.
///
/// # Errors
/// [`MoneyError::OutOfRange`] when V is broken.
pub fn next_stake_floor(
    stake_sum: u128,
    stake: TokenAmount,
    memory: Memory,
) -> Result<u128, MoneyError> {
    stake_share_floor(stake_sum, memory)
        .and_then(|leaves| stake_sum.checked_sub(leaves))
        .and_then(|kept| kept.checked_add(u128::from(stake.units())))
        .ok_or(MoneyError::OutOfRange("a stake memory"))
}

fn stake_share_floor(stake_sum: u128, memory: Memory) -> Option<u128> {
    stake_sum.checked_div(u128::try_from(memory.rounds()).ok()?)
}
