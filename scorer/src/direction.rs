//! Scores of probability forecasts and the baselines they are measured against (scoring.md).
//!
//! Every baseline is a [`Probability`], so that a model that says the same scores the same to the
//! last bit. Never knows stakes beyond the crowd's weights and never decides money.

use domain::{Direction, Probability, Score, ScoreError, TokenAmount};

use crate::skill::half_even;

/// How many resolved rounds before this one [`persistence`] looks at.
pub const PERSISTENCE_WINDOW: usize = 2_016;
/// Under this many resolved rounds [`persistence`] is one half.
pub const PERSISTENCE_MINIMUM: usize = 100;

/// Log scores clip p to [1e-6, 1 − 1e-6].
const LOG_CLIP: f64 = 1e-6;

/// Brier score, 1 − (p − y)²; 0 to 1, higher is better.
#[must_use]
pub fn brier(p: Probability, y: Direction) -> f64 {
    let distance = p.to_f64() - side(y);
    1.0 - distance * distance
}

/// Log score, ln p(y) with p clipped to [1e-6, 1 − 1e-6]; at most 0, higher is better.
#[must_use]
pub fn log_score(p: Probability, y: Direction) -> f64 {
    let p = p.to_f64().clamp(LOG_CLIP, 1.0 - LOG_CLIP);
    libm::log(match y {
        Direction::Up => p,
        Direction::Down => 1.0 - p,
    })
}

/// 1 when p is on the outcome's side of one half, 0 on the other, 0.5 when p takes no side.
#[must_use]
pub fn hit(p: Probability, y: Direction) -> f64 {
    if p == Probability::HALF {
        return 0.5;
    }
    f64::from(u8::from((p > Probability::HALF) == (y == Direction::Up)))
}

/// The mean of [`hit`]; `None` without forecasts.
#[must_use]
pub fn accuracy(forecasts: &[(Probability, Direction)]) -> Option<f64> {
    mean(forecasts.iter().map(|(p, y)| hit(*p, *y)))
}

/// Skill: the mean of s − s_baseline over pairs of scores of the same rounds; `None` without any.
///
/// Works for Brier and log scores alike; the baseline is the score of one half
/// ([`Probability::HALF`]), of [`persistence`] or of [`crowd_without`].
#[must_use]
pub fn skill(scores_and_baselines: &[(f64, f64)]) -> Option<f64> {
    mean(scores_and_baselines.iter().map(|(s, base)| s - base))
}

/// q: the stake-weighted mean of everybody else, rounded half to even to ppm; `None` when nobody
/// else has a stake. A model without a stake passes 0 and gets P/W.
///
/// `weighted` is P = Σ w·p in units · ppm, `total` is W, both with the model in them. A model that
/// is no part of them gives `None` too.
#[must_use]
pub fn crowd_without(
    weighted: u128,
    total: TokenAmount,
    stake: TokenAmount,
    p: Probability,
) -> Option<Probability> {
    let own = u128::from(stake.units()).checked_mul(u128::from(p.ppm()))?;
    let others_weighted = weighted.checked_sub(own)?;
    let others = total.units().checked_sub(stake.units())?;
    half_even(others_weighted, u128::from(others))
}

/// The forecast that the last direction repeats as often as it did lately.
///
/// `history` holds the outcomes of resolved rounds before this one, oldest first, void rounds left
/// out; only the last [`PERSISTENCE_WINDOW`] count. The share of rounds in that window that repeat
/// the round before them in it (2,015 pairs when it is full), rounded half to even to ppm, is given
/// to the last direction. One half until [`PERSISTENCE_MINIMUM`] outcomes exist.
#[must_use]
pub fn persistence(history: &[Direction]) -> Probability {
    let start = history.len().saturating_sub(PERSISTENCE_WINDOW);
    let window = history.get(start..).unwrap_or_default();
    let Some(last) = window.last() else {
        return Probability::HALF;
    };
    if window.len() < PERSISTENCE_MINIMUM {
        return Probability::HALF;
    }
    let pairs = window.windows(2);
    let count = pairs.len() as u128;
    let repeats = pairs.filter(|pair| pair.first() == pair.last()).count() as u128;
    let favoured = match last {
        Direction::Up => repeats,
        Direction::Down => count - repeats,
    };
    half_even(favoured * 1_000_000, count).unwrap_or(Probability::HALF)
}

/// A float score as fixed point, 1e-9, rounded half to even: the only way from a float of this
/// crate to a number that money may depend on.
///
/// # Errors
/// [`ScoreError`] when the float is not finite or beyond ±9e9.
pub fn to_score_half_even(score: f64) -> Result<Score, ScoreError> {
    Score::from_f64_rounded_half_even(score)
}

/// y as a float: 1 for up, 0 for down.
pub(crate) fn side(y: Direction) -> f64 {
    match y {
        Direction::Up => 1.0,
        Direction::Down => 0.0,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of rounds stay far below 2^53"
)]
fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let count = numbers.len();
    (count > 0).then(|| numbers.sum::<f64>() / count as f64)
}
