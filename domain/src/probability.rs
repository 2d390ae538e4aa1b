//! Probabilities in parts per million.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A probability in parts per million, 0 to 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Probability(u32);

/// Why a number is not a probability.
#[derive(Debug, Error, PartialEq)]
pub enum ProbabilityError {
    /// As people and bots write it.
    #[error("probability {0} is not a number from 0 to 1")]
    Number(f64),
    /// As records write it.
    #[error("probability {0} ppm is above 1000000")]
    Ppm(u32),
}

impl Probability {
    /// One half.
    pub const HALF: Self = Self(500_000);

    /// From parts per million.
    ///
    /// # Errors
    /// Above 1,000,000.
    pub fn from_ppm(ppm: u32) -> Result<Self, ProbabilityError> {
        if ppm <= 1_000_000 {
            Ok(Self(ppm))
        } else {
            Err(ProbabilityError::Ppm(ppm))
        }
    }

    /// From a number 0 to 1; 1e6·p rounds half to even (protocol.md §1).
    ///
    /// # Errors
    /// Outside 0 to 1, NaN or infinite.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to lie in 0 to 1e6"
    )]
    pub fn from_f64(p: f64) -> Result<Self, ProbabilityError> {
        if !(0.0..=1.0).contains(&p) {
            return Err(ProbabilityError::Number(p));
        }
        Ok(Self((p * 1e6).round_ties_even() as u32))
    }

    /// Parts per million.
    #[must_use]
    pub fn ppm(self) -> u32 {
        self.0
    }

    /// As a number 0 to 1.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    /// The nearest probability inside [a, 1 − a], `a` in ppm (at most 500,000).
    #[must_use]
    pub fn clamp_to_edge(self, a_ppm: u32) -> Self {
        let a = a_ppm.min(500_000);
        Self(self.0.clamp(a, 1_000_000 - a))
    }
}

impl TryFrom<u32> for Probability {
    type Error = ProbabilityError;
    fn try_from(ppm: u32) -> Result<Self, ProbabilityError> {
        Self::from_ppm(ppm)
    }
}

impl From<Probability> for u32 {
    fn from(p: Probability) -> Self {
        p.0
    }
}

impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_to_even_and_refuses_the_rest() {
        assert_eq!(
            Probability::from_f64(0.6200005).expect("in range").ppm(),
            620_000
        );
        assert_eq!(
            Probability::from_f64(1.0).expect("in range").ppm(),
            1_000_000
        );
        for p in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Probability::from_f64(p).is_err());
        }
    }

    #[test]
    fn clamps_to_the_edge() {
        let clamp = |ppm| Probability(ppm).clamp_to_edge(350_000).ppm();
        assert_eq!(
            (clamp(0), clamp(500_000), clamp(1_000_000)),
            (350_000, 500_000, 650_000)
        );
    }
}
