//! The daily calibration of the aggregate: logit p̂ = b + k·x (protocol.md §5).
//!
//! Never extrapolates from little: under 500 rounds, or where no best fit exists, b = 0 and k = 1.

use domain::Direction;

use crate::direction::side;

/// Under this many resolved rounds nothing is fitted.
pub const MINIMUM_ROUNDS: usize = 500;
/// k stays within these.
pub const SLOPE_RANGE: (f64, f64) = (0.25, 4.0);

const STEPS: usize = 100;
const HALVINGS: usize = 30;
/// A Newton step shorter than this, in b and k, has arrived.
const ARRIVED: f64 = 1e-11;
/// Losses closer than this share of themselves differ by rounding only.
const SAME_LOSS: f64 = 1e-12;
/// Beyond this no probability differs from 0 or 1: the data are separable and have no best fit.
const DIVERGED: f64 = 1e3;

/// One resolved round: its pooled logit and how it ended.
pub type Example = (f64, Direction);

/// b and k of protocol.md §5 and the number of rounds behind them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Refit {
    /// b.
    pub intercept: f64,
    /// k, in [0.25, 4].
    pub slope: f64,
    /// Resolved rounds offered, whether or not they sufficed.
    pub rounds: usize,
}

impl Refit {
    /// b = 0, k = 1: the pooled forecast as it is.
    #[must_use]
    pub fn identity(rounds: usize) -> Self {
        Self {
            intercept: 0.0,
            slope: 1.0,
            rounds,
        }
    }

    /// The probability of a pooled logit.
    #[must_use]
    pub fn apply(self, pooled_logit: f64) -> f64 {
        logistic(self.intercept + self.slope * pooled_logit)
    }
}

/// Fits y on the pooled logit by maximum likelihood, k within [0.25, 4].
///
/// When the best k lies outside, it is set to the nearer end and b is the best one for that k. The
/// fit is b = 0, k = 1 under 500 rounds, when all outcomes are the same, or when all logits are.
/// `examples` in time order: the order fixes the last bits.
#[must_use]
pub fn refit(examples: &[Example]) -> Refit {
    let identity = Refit::identity(examples.len());
    let usable = examples.iter().all(|(x, _)| x.is_finite());
    let mixed = examples.windows(2).any(|pair| differ(pair, |(_, y)| *y));
    let spread = examples
        .windows(2)
        .any(|pair| differ(pair, |(x, _)| x.to_bits()));
    if examples.len() < MINIMUM_ROUNDS || !usable || !mixed || !spread {
        return identity;
    }
    let (low, high) = SLOPE_RANGE;
    let inside = newton(examples, (0.0, 1.0), Free::Both).filter(|(_, k)| (low..=high).contains(k));
    // The loss is convex in k, so a best fit outside the range leaves the better end as the best.
    let fitted = inside.or_else(|| {
        [low, high]
            .into_iter()
            .filter_map(|k| newton(examples, (0.0, k), Free::Intercept))
            .min_by(|one, other| loss_at(examples, *one).total_cmp(&loss_at(examples, *other)))
    });
    fitted.map_or(identity, |(intercept, slope)| Refit {
        intercept,
        slope,
        rounds: examples.len(),
    })
}

#[derive(Clone, Copy)]
enum Free {
    Both,
    Intercept,
}

/// Damped Newton on the negative log-likelihood, which is convex. `None` when it cannot go on.
fn newton(examples: &[Example], start: (f64, f64), free: Free) -> Option<(f64, f64)> {
    let mut at = start;
    let mut loss = loss_at(examples, at);
    for _ in 0..STEPS {
        let (step_b, step_k) = step(examples, at, free)?;
        let mut size = 1.0;
        let mut moved = None;
        for _ in 0..HALVINGS {
            let next = (at.0 + size * step_b, at.1 + size * step_k);
            let next_loss = loss_at(examples, next);
            if next_loss <= loss + SAME_LOSS * loss.abs() {
                moved = Some((next, next_loss));
                break;
            }
            size *= 0.5;
        }
        // No shorter step is better: this is the best that float64 can tell apart.
        let Some((next, next_loss)) = moved else {
            return Some(at);
        };
        (at, loss) = (next, next_loss);
        // Separable data drive k to infinity; the clamp of the caller takes it from there.
        if at.1.abs() > DIVERGED || (step_b.abs() + step_k.abs()) * size < ARRIVED {
            break;
        }
    }
    (at.0.is_finite() && at.1.is_finite()).then_some(at)
}

/// The full Newton step in (b, k); `None` where the curvature vanishes.
fn step(examples: &[Example], (b, k): (f64, f64), free: Free) -> Option<(f64, f64)> {
    let (mut gradient_b, mut gradient_k) = (0.0, 0.0);
    let (mut curve_bb, mut curve_bk, mut curve_kk) = (0.0, 0.0, 0.0);
    for (x, y) in examples {
        let p = logistic(b + k * x);
        let (rest, weight) = (p - side(*y), p * (1.0 - p));
        gradient_b += rest;
        gradient_k += rest * x;
        curve_bb += weight;
        curve_bk += weight * x;
        curve_kk += weight * x * x;
    }
    let step = match free {
        Free::Intercept => (-gradient_b / curve_bb, 0.0),
        Free::Both => {
            let determinant = curve_bb * curve_kk - curve_bk * curve_bk;
            (
                (curve_bk * gradient_k - curve_kk * gradient_b) / determinant,
                (curve_bk * gradient_b - curve_bb * gradient_k) / determinant,
            )
        }
    };
    (step.0.is_finite() && step.1.is_finite()).then_some(step)
}

fn loss_at(examples: &[Example], (b, k): (f64, f64)) -> f64 {
    examples
        .iter()
        .map(|(x, y)| {
            let z = b + k * x;
            // −ln p(y) = ln(1 + e^∓z), written so that it cannot overflow.
            let z = if *y == Direction::Up { -z } else { z };
            z.max(0.0) + libm::log1p(libm::exp(-z.abs()))
        })
        .sum()
}

fn logistic(z: f64) -> f64 {
    if z >= 0.0 {
        1.0 / (1.0 + libm::exp(-z))
    } else {
        let e = libm::exp(z);
        e / (1.0 + e)
    }
}

fn differ<T: PartialEq>(pair: &[Example], value: impl Fn(&Example) -> T) -> bool {
    match pair {
        [one, other] => value(one) != value(other),
        _ => false,
    }
}
