//! What a model's scores over eras come to: the numbers of leaderboards and of `score` files.
//!
//! The same eras in the same order give the same bits on every machine. Never drops a value by
//! itself: the caller leaves unscored eras out.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::percentile::{percentile, position};

/// Bootstrap draws behind a confidence interval.
pub const DRAWS: usize = 2_000;
const SEED: u64 = 0;

/// Per model over its scored eras, in time order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The 2.5 % point.
    pub low: f64,
    /// The 97.5 % point.
    pub high: f64,
}

/// Summarises the scores of eras in time order; `None` without eras or with a value that is not
/// finite.
///
/// For many series, [`summarise_all`] gives the same bits sooner.
#[must_use]
pub fn summarise(scores: &[f64]) -> Option<Summary> {
    Bootstrap::new(scores.len()).summarise(scores)
}

/// As [`summarise`] of each series, in their order; series of one length share their draws. Takes
/// one length after the other, so that only one set of draws is ever held.
#[must_use]
pub fn summarise_all(series: &[Vec<f64>]) -> Vec<Option<Summary>> {
    let mut order: Vec<(usize, &Vec<f64>)> = series.iter().enumerate().collect();
    order.sort_by_key(|(_, scores)| scores.len());
    let mut bootstrap = Bootstrap::new(0);
    let mut found: Vec<(usize, Option<Summary>)> = Vec::with_capacity(series.len());
    for (at, scores) in order {
        if bootstrap.count() != scores.len() {
            bootstrap = Bootstrap::new(scores.len());
        }
        found.push((at, bootstrap.summarise(scores)));
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, summary)| summary).collect()
}

/// The 95 % interval of the mean: [`Bootstrap::interval`] of a series of its own.
#[must_use]
pub fn bootstrap_interval(scores: &[f64]) -> Option<Interval> {
    Bootstrap::new(scores.len()).interval(scores)
}

/// The draws of a circular block bootstrap for series of one length, drawn once for all of them.
///
/// Blocks have ⌈n^(1/3)⌉ eras, the last one of a draw is cut so that the draw has n eras. Block
/// starts are `position`s of successive 32-bit words of ChaCha8 seeded with `seed_from_u64(0)`: they
/// depend on n alone. 2,000 draws take about 8,000·n^(2/3) bytes, 1.3 MB for 2,016 eras.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    count: usize,
    block: usize,
    /// Of every draw in turn, the start of each of its blocks.
    starts: Vec<u32>,
}

impl Bootstrap {
    /// Draws the block starts for series of `count` eras.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a start lies below the count, and no series has 2^32 eras"
    )]
    pub fn new(count: usize) -> Self {
        let block = block_length(count);
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let starts = (0..DRAWS * count.div_ceil(block))
            .map(|_| position(random.next_u32(), count) as u32)
            .collect();
        Self {
            count,
            block,
            starts,
        }
    }

    /// Eras of the series that this is for.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// As [`summarise`]; `None` also for a series of another length.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of eras stay far below 2^53"
    )]
    pub fn summarise(&self, scores: &[f64]) -> Option<Summary> {
        let interval = self.interval(scores)?;
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

    /// The 95 % percentile interval of the mean.
    ///
    /// `None` without eras, with a value that is not finite, or for a series of another length.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of eras stay far below 2^53"
    )]
    pub fn interval(&self, scores: &[f64]) -> Option<Interval> {
        let is_finite = scores.iter().all(|x| x.is_finite());
        if scores.is_empty() || scores.len() != self.count || !is_finite {
            return None;
        }
        let (whole_blocks, rest) = (self.count / self.block, self.count % self.block);
        let whole = block_sums(scores, self.block);
        let cut = block_sums(scores, rest);
        let at = |sums: &[f64], start: &u32| sums.get(*start as usize).copied().unwrap_or_default();
        let draws = self.starts.chunks_exact(self.count.div_ceil(self.block));
        let mut means: Vec<f64> = draws
            .map(|draw| {
                let blocks = draw.iter().take(whole_blocks);
                let mut sum: f64 = blocks.map(|start| at(&whole, start)).sum();
                // The block after the whole ones, if any, is the cut one.
                if let Some(start) = draw.get(whole_blocks) {
                    sum += at(&cut, start);
                }
                sum / self.count as f64
            })
            .collect();
        means.sort_unstable_by(f64::total_cmp);
        Some(Interval {
            low: percentile(&means, 0.025)?,
            high: percentile(&means, 0.975)?,
        })
    }
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
