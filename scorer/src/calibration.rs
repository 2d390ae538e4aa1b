//! Whether forecast probabilities come true as often as they say (scoring.md).
//!
//! Sums run over the forecasts as sorted here, so the same forecasts in the same order give the same
//! bits on every machine. Never knows baselines, stakes or money.

use domain::{Direction, Probability};
use serde::{Deserialize, Serialize};

use crate::direction::side;
use crate::summary::Interval;

/// Bins of the reliability table, of equal counts.
pub const BINS: usize = 10;

/// Φ⁻¹(0.975): how many standard errors a 95 % interval reaches.
const Z: f64 = 1.959_963_984_540_054;

/// How well a set of forecasts is calibrated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// n, forecasts behind all numbers.
    pub forecasts: usize,
    /// At most [`BINS`], in rising p, none empty.
    pub bins: Vec<Bin>,
    /// Expected calibration error Σ n_b/n·|p̄_b − ȳ_b|, 0 to 1.
    pub expected_error: f64,
    /// Mean Brier loss, (p − y)²; a Brier score is 1 minus it.
    pub brier_loss: f64,
    /// What the loss is made of.
    pub split: Split,
}

/// The forecasts of one bin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// n_b, at least 1.
    pub count: usize,
    /// p̄_b, the mean forecast probability of up.
    pub mean_p: f64,
    /// ȳ_b, the share of outcomes that were up.
    pub frequency: f64,
    /// Wilson's 95 % interval of that share, inside 0 to 1.
    pub interval: Interval,
}

/// Murphy's split of the mean Brier loss: loss = reliability − resolution + uncertainty + within.
///
/// Murphy (1973) splits forecasts that are equal within a bin; ours are not, which leaves the two
/// within-bin terms of Stephenson, Coelho and Jolliffe (2008), here as one number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Σ n_b/n·(p̄_b − ȳ_b)²: lower is better, 0 when every bin comes true as often as it says.
    pub reliability: f64,
    /// Σ n_b/n·(ȳ_b − ȳ)²: higher is better, 0 when bins do not differ.
    pub resolution: f64,
    /// ȳ·(1 − ȳ), the loss of always saying ȳ: the same for every model over the same rounds.
    pub uncertainty: f64,
    /// Σ_b Σ_j [(p_j − p̄_b)² − 2·(p_j − p̄_b)·(y_j − ȳ_b)]/n: what differences within bins cost,
    /// less what they gain; it may be negative.
    pub within: f64,
}

/// Calibration of forecasts of up and what happened; `None` without forecasts.
///
/// Forecasts are sorted by p, equal ones stay in their order; bin b of 0 to 9 holds those at
/// ⌊n·b/10⌋ up to, and without, ⌊n·(b + 1)/10⌋. So counts differ by at most 1, equal forecasts may
/// fall into neighbouring bins, and under ten forecasts some bins are empty and left out.
#[must_use]
pub fn calibrate(forecasts: &[(Probability, Direction)]) -> Option<Calibration> {
    if forecasts.is_empty() {
        return None;
    }
    let mut sorted = forecasts.to_vec();
    sorted.sort_by_key(|(p, _)| *p);
    let binned = binned(&sorted);
    let count = number(sorted.len());
    let base_rate = ups(&sorted) / count;
    let over_bins = |of: &dyn Fn(&Bin) -> f64| {
        let parts = binned.iter().map(|(_, bin)| number(bin.count) * of(bin));
        parts.sum::<f64>() / count
    };
    let losses = sorted.iter().map(|(p, y)| squared(p.to_f64() - side(*y)));
    let split = Split {
        reliability: over_bins(&|bin| squared(bin.mean_p - bin.frequency)),
        resolution: over_bins(&|bin| squared(bin.frequency - base_rate)),
        uncertainty: base_rate * (1.0 - base_rate),
        within: binned.iter().map(within).sum::<f64>() / count,
    };
    Some(Calibration {
        forecasts: sorted.len(),
        expected_error: over_bins(&|bin| (bin.mean_p - bin.frequency).abs()),
        brier_loss: losses.sum::<f64>() / count,
        split,
        bins: binned.into_iter().map(|(_, bin)| bin).collect(),
    })
}

type Forecast = (Probability, Direction);

/// The bins that are not empty, each with its forecasts.
fn binned(sorted: &[Forecast]) -> Vec<(&[Forecast], Bin)> {
    let edge = |b: usize| sorted.len() * b / BINS;
    let held = (0..BINS).filter_map(|b| sorted.get(edge(b)..edge(b + 1)));
    held.filter(|held| !held.is_empty())
        .map(|held| (held, bin(held)))
        .collect()
}

fn bin(held: &[Forecast]) -> Bin {
    // Whole numbers far below 2^53: these sums are exact.
    let ppm: f64 = held.iter().map(|(p, _)| f64::from(p.ppm())).sum();
    let (count, ups) = (number(held.len()), ups(held));
    Bin {
        count: held.len(),
        mean_p: ppm / (count * 1e6),
        frequency: ups / count,
        interval: wilson(ups, count),
    }
}

/// What the differences of a bin's forecasts from their mean add to the loss, summed.
fn within((held, bin): &(&[Forecast], Bin)) -> f64 {
    let one = |(p, y): &Forecast| {
        let (p, y) = (p.to_f64() - bin.mean_p, side(*y) - bin.frequency);
        p * p - 2.0 * p * y
    };
    held.iter().map(one).sum()
}

/// Wilson's 95 % score interval of `ups` of `count` (Wilson 1927), without a correction for
/// continuity: (ȳ + z²/2n ± z·√(ȳ(1 − ȳ)/n + z²/4n²))/(1 + z²/n).
fn wilson(ups: f64, count: f64) -> Interval {
    let (share, square) = (ups / count, Z * Z);
    let middle = share + square / (2.0 * count);
    let spread = share * (1.0 - share) / count + square / (4.0 * count * count);
    let reach = Z * libm::sqrt(spread);
    let scale = 1.0 + square / count;
    // The formula stays inside [0, 1]; its rounding may not.
    Interval {
        low: ((middle - reach) / scale).max(0.0),
        high: ((middle + reach) / scale).min(1.0),
    }
}

fn ups(forecasts: &[Forecast]) -> f64 {
    forecasts.iter().map(|(_, y)| side(*y)).sum()
}

fn squared(x: f64) -> f64 {
    x * x
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of forecasts stay far below 2^53"
)]
fn number(count: usize) -> f64 {
    count as f64
}
