//! Fixed-point scores: the one place where a float becomes an integer that money may depend on.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A score in 1e-9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Score(i64);

/// Why a float is not a score.
#[derive(Debug, Error, PartialEq)]
#[error("score {0} is not a finite number within ±9e9")]
pub struct ScoreError(f64);

impl Score {
    /// From a float, 1e9·x rounded half to even (scoring.md).
    ///
    /// # Errors
    /// NaN, infinite or beyond ±9e9.
    #[expect(clippy::cast_possible_truncation, reason = "checked to lie within i64")]
    pub fn from_f64_rounded_half_even(x: f64) -> Result<Self, ScoreError> {
        if x.is_finite() && x.abs() <= 9e9 {
            return Ok(Self((x * 1e9).round_ties_even() as i64));
        }
        Err(ScoreError(x))
    }

    /// From stored units of 1e-9.
    #[must_use]
    pub fn from_units(units: i64) -> Self {
        Self(units)
    }

    /// Units of 1e-9.
    #[must_use]
    pub fn units(self) -> i64 {
        self.0
    }

    /// For charts and statistics.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "statistics do not need the last digit"
    )]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_to_even() {
        let units = |x| Score::from_f64_rounded_half_even(x).map(Score::units);
        assert_eq!(units(0.25), Ok(250_000_000));
        assert_eq!(units(-1.5e-9), Ok(-2));
        assert!(units(f64::NAN).is_err());
    }
}
