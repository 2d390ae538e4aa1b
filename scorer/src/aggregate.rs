//! The combined forecast of a round, the thing that traders buy (protocol.md §5).
//!
//! Never settles anything: payouts use P/W in integers ([`crate::wager`]).

use alloy_primitives::keccak256;
use domain::{ModelId, Probability, RoundId, TokenAmount};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::percentile::{percentile, position};
use crate::refit::Refit;
use crate::skill::Multiplier;

/// Bootstrap draws behind the band.
pub const DRAWS: usize = 200;

/// Logits clip p to [1e-6, 1 − 1e-6], which only tournaments with a = 0 can notice.
const CLIP: f64 = 1e-6;

/// One staked model's part in a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Whose; unique in a round. Members are sorted by it before anything is summed.
    pub model: ModelId,
    /// w.
    pub stake: TokenAmount,
    /// p, the counted one.
    pub p: Probability,
    /// m, frozen before the round.
    pub multiplier: Multiplier,
}

/// The aggregate of one round.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// p̂ = logistic(b + k·pooled logit), 0 to 1.
    pub p_hat: f64,
    /// P/W, the stake-weighted mean, 0 to 1.
    pub linear: f64,
    /// Σ ω·logit(p), what the refit learns from.
    pub pooled_logit: f64,
    /// The b and k used.
    pub refit: Refit,
    /// Staked models.
    pub models: usize,
    /// W.
    pub stake: TokenAmount,
    /// (Σω)²/Σω².
    pub effective_models: f64,
    /// ω-weighted standard deviation of p.
    pub disagreement: f64,
    /// 5 % point of p̂ over the draws.
    pub band_low: f64,
    /// 95 % point of p̂ over the draws.
    pub band_high: f64,
}

/// p̂ with one model left out.
#[derive(Clone, Debug, PartialEq)]
pub struct OneOut {
    /// The model left out.
    pub model: ModelId,
    /// p̂ of the others with the weights they have in the full round; `None` when there are none.
    pub p_hat_without: Option<f64>,
    /// p̂ − `p_hat_without`: how far the model moved the forecast.
    pub contribution: Option<f64>,
}

/// Pools a round's staked models; `None` when nothing is staked or W would reach 2^63.
///
/// ω_i ∝ min(w_i, W/10)·exp(3·m_i). The band: 200 draws of n members with replacement, each with
/// the weight it has in the full round; members in the order of their ids, picked by
/// ⌊bits·n / 2^32⌋ of successive 32-bit words of ChaCha8 whose 32-byte seed is the keccak256 of the
/// round id's text (`btc-usd-5m-20240305T1200Z`); percentiles linear between neighbours.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "the sums become floats once, for a forecast"
)]
pub fn pool(round: &RoundId, members: &[Member], refit: Refit) -> Option<Aggregate> {
    let pool = Weighted::new(members)?;
    let mean = pool.mean(|member| member.p)?;
    let variance = pool.mean(|member| (member.p - mean) * (member.p - mean))?;
    let squares: f64 = pool.members.iter().map(|m| m.weight * m.weight).sum();
    let pooled_logit = pool.mean(|member| member.logit)?;
    let (band_low, band_high) = pool.band(round, refit)?;
    Some(Aggregate {
        p_hat: refit.apply(pooled_logit),
        linear: pool.weighted_ppm as f64 / (pool.stake.units() as f64 * 1e6),
        pooled_logit,
        refit,
        models: pool.members.len(),
        stake: pool.stake,
        effective_models: pool.weight * pool.weight / squares,
        disagreement: libm::sqrt(variance),
        band_low,
        band_high,
    })
}

/// What each staked model contributed, in the order of the ids; empty when nothing is staked.
#[must_use]
pub fn one_out(members: &[Member], refit: Refit) -> Vec<OneOut> {
    let Some(pool) = Weighted::new(members) else {
        return Vec::new();
    };
    let logits: f64 = pool.members.iter().map(|m| m.weight * m.logit).sum();
    let full = refit.apply(logits / pool.weight);
    let without = |member: &Weight<'_>| {
        let rest = pool.weight - member.weight;
        (pool.members.len() > 1 && rest > 0.0)
            .then(|| refit.apply((logits - member.weight * member.logit) / rest))
    };
    pool.members
        .iter()
        .map(|member| {
            let p_hat_without = without(member);
            OneOut {
                model: member.model.clone(),
                p_hat_without,
                contribution: p_hat_without.map(|p| full - p),
            }
        })
        .collect()
}

struct Weight<'a> {
    model: &'a ModelId,
    /// ω before division by their sum.
    weight: f64,
    p: f64,
    logit: f64,
}

struct Weighted<'a> {
    members: Vec<Weight<'a>>,
    /// Σω.
    weight: f64,
    stake: TokenAmount,
    weighted_ppm: u128,
}

impl<'a> Weighted<'a> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "stakes become weights of a forecast, not money"
    )]
    fn new(members: &'a [Member]) -> Option<Self> {
        let mut staked: Vec<&Member> = members
            .iter()
            .filter(|member| member.stake > TokenAmount::ZERO)
            .collect();
        staked.sort_by(|one, other| one.model.cmp(&other.model));
        let (mut stake, mut weighted_ppm) = (TokenAmount::ZERO, 0_u128);
        for member in &staked {
            stake = stake.checked_add(member.stake)?;
            weighted_ppm += u128::from(member.stake.units()) * u128::from(member.p.ppm());
        }
        let cap = stake.units() as f64 / 10.0;
        let members: Vec<Weight<'a>> = staked
            .into_iter()
            .map(|member| Weight {
                model: &member.model,
                weight: (member.stake.units() as f64).min(cap)
                    * libm::exp(3.0 * member.multiplier.to_f64()),
                p: member.p.to_f64(),
                logit: logit(member.p),
            })
            .collect();
        let weight: f64 = members.iter().map(|member| member.weight).sum();
        (weight > 0.0).then_some(Self {
            members,
            weight,
            stake,
            weighted_ppm,
        })
    }

    /// The ω-weighted mean; `None` never, once there is weight.
    fn mean(&self, value: impl Fn(&Weight<'a>) -> f64) -> Option<f64> {
        let sum: f64 = self.members.iter().map(|m| m.weight * value(m)).sum();
        (self.weight > 0.0).then(|| sum / self.weight)
    }

    fn band(&self, round: &RoundId, refit: Refit) -> Option<(f64, f64)> {
        let count = self.members.len();
        let seed = keccak256(round.to_string());
        let mut random = ChaCha8Rng::from_seed(seed.0);
        let mut draws: Vec<f64> = (0..DRAWS)
            .map(|_| {
                let (mut weight, mut logits) = (0.0, 0.0);
                for _ in 0..count {
                    if let Some(member) = self.members.get(position(random.next_u32(), count)) {
                        weight += member.weight;
                        logits += member.weight * member.logit;
                    }
                }
                refit.apply(logits / weight)
            })
            .collect();
        draws.sort_unstable_by(f64::total_cmp);
        Some((percentile(&draws, 0.05)?, percentile(&draws, 0.95)?))
    }
}

/// ln(p/(1 − p)) with p clipped to [1e-6, 1 − 1e-6].
fn logit(p: Probability) -> f64 {
    let p = p.to_f64().clamp(CLIP, 1.0 - CLIP);
    libm::log(p / (1.0 - p))
}
