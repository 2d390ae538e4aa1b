//! What a model's scores over eras come to: the numbers of leaderboards and of `score` files.
//!
//! The same eras in the same order give the same bits on every machine. Never drops a value by
//! itself: the caller leaves unscored eras out.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::percentile::{percentile, position};

/// Bootstrap draws behind a confidence interval.
pub const DRAWS: usize = 2_000;
const SEED: u64 = 0;

/// Per model over its scored eras, in time order.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Scored eras.
    pub eras: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation, ddof 0.
    pub std: f64,
    /// Mean over standard deviation; `None` when the latter is 0.
    pub sharpe: Option<f64>,
    /// The largest fall of the cumulative sum from its highest value so far, at least 0.
    pub max_drawdown: f64,
    /// Lag 1, around the mean of all eras; `None` when the standard deviation is 0.
    pub autocorrelation: Option<f64>,
    /// Share of eras above 0.
    pub share_positive: f64,
    /// 95 % interval of the mean.
    pub interval: Interval,
}

/// A 95 % confidence interval of a mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The 2.5 % point.
    pub low: f64,
    /// The 97.5 % point.
    pub high: f64,
}

/// Summarises the scores of eras in time order; `None` without eras or with a value that is not
/// finite.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of eras stay far below 2^53"
)]
pub fn summarise(scores: &[f64]) -> Option<Summary> {
    let interval = bootstrap_interval(scores)?;
    let count = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / count;
    let constant = scores.windows(2).all(|pair| pair.first() == pair.last());
    let squares: f64 = scores.iter().map(|x| (x - mean) * (x - mean)).sum();
    // A constant series has no spread, whatever the rounding of its mean says.
    let std = if constant {
        0.0
    } else {
        libm::sqrt(squares / count)
    };
    let spread = std > 0.0;
    Some(Summary {
        eras: scores.len(),
        mean,
        std,
        sharpe: spread.then(|| mean / std),
        max_drawdown: max_drawdown(scores),
        autocorrelation: spread.then(|| lagged(scores, mean) / squares),
        share_positive: scores.iter().filter(|x| **x > 0.0).count() as f64 / count,
        interval,
    })
}

/// The 95 % interval of the mean by circular block bootstrap: blocks of ⌈n^(1/3)⌉ eras, the last
/// one cut so that a draw has n eras, 2,000 draws, percentile interval.
///
/// Block starts are `position`s of successive 32-bit words of ChaCha8 seeded with
/// `seed_from_u64(0)`. `None` without eras or with a value that is not finite.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of eras stay far below 2^53"
)]
pub fn bootstrap_interval(scores: &[f64]) -> Option<Interval> {
    if scores.is_empty() || scores.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let count = scores.len();
    let block = block_length(count);
    let (whole_blocks, rest) = (count / block, count % block);
    let whole = block_sums(scores, block);
    let cut = block_sums(scores, rest);
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut pick = |sums: &[f64]| {
        let start = position(random.next_u32(), count);
        sums.get(start).copied().unwrap_or_default()
    };
    let mut means: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let mut sum: f64 = (0..whole_blocks).map(|_| pick(&whole)).sum();
            if rest > 0 {
                sum += pick(&cut);
            }
            sum / count as f64
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    Some(Interval {
        low: percentile(&means, 0.025)?,
        high: percentile(&means, 0.975)?,
    })
}

/// The least b with b³ ≥ n, in integers: a float cube root may miss a perfect cube.
fn block_length(count: usize) -> usize {
    (1..=count)
        .find(|b| b.saturating_mul(*b).saturating_mul(*b) >= count)
        .unwrap_or(1)
}

/// The sum of the `length` eras from each start on, around the end: each summed afresh, so that no
/// rounding drifts along the series.
fn block_sums(scores: &[f64], length: usize) -> Vec<f64> {
    let around: Vec<f64> = scores.iter().chain(scores).copied().collect();
    around
        .windows(length.max(1))
        .take(scores.len())
        .map(|block| block.iter().take(length).sum())
        .collect()
}

fn max_drawdown(scores: &[f64]) -> f64 {
    let (mut sum, mut peak, mut worst) = (0.0_f64, f64::NEG_INFINITY, 0.0_f64);
    for score in scores {
        sum += score;
        peak = peak.max(sum);
        worst = worst.max(peak - sum);
    }
    worst
}

fn lagged(scores: &[f64], mean: f64) -> f64 {
    let next = scores.iter().skip(1);
    scores
        .iter()
        .zip(next)
        .map(|(x, y)| (x - mean) * (y - mean))
        .sum()
}
