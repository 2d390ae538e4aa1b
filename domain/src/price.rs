//! Exact prices.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Fraction digits of a [`Price`].
pub const PRICE_DECIMALS: usize = 8;
const ONE: i64 = 100_000_000;

/// A price in 1e-8 of the quote currency, above zero. Exact: never a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Price(i64);

/// Why a text is not a price.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("price {0:?} is not a decimal above 0 with at most 8 fraction digits, below 92233720368")]
pub struct PriceError(String);

impl Price {
    /// A price of `units` × 1e-8.
    ///
    /// # Errors
    /// When `units` is not above zero.
    pub fn from_units(units: i64) -> Result<Self, PriceError> {
        if units > 0 {
            Ok(Self(units))
        } else {
            Err(PriceError(units.to_string()))
        }
    }

    /// In units of 1e-8.
    #[must_use]
    pub fn units(self) -> i64 {
        self.0
    }

    /// For charts and features only; never for an outcome.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "charts and features do not need the last digit"
    )]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / ONE as f64
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / ONE, self.0 % ONE);
        let digits = format!("{fraction:08}");
        let digits = digits.trim_end_matches('0');
        if digits.len() < 2 {
            return write!(f, "{whole}.{digits:0<2}");
        }
        write!(f, "{whole}.{digits}")
    }
}

impl FromStr for Price {
    type Err = PriceError;
    fn from_str(text: &str) -> Result<Self, PriceError> {
        let bad = || PriceError(text.chars().take(40).collect());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        // Venues pad with zeros beyond eight digits; only zeros may be cut.
        let fraction = fraction.trim_end_matches('0');
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty()
            || fraction.len() > PRICE_DECIMALS
            || !digits(whole)
            || !digits(fraction)
        {
            return Err(bad());
        }
        let units: i64 = format!("{whole}{fraction:0<8}")
            .parse()
            .map_err(|_| bad())?;
        Self::from_units(units).map_err(|_| bad())
    }
}

impl TryFrom<String> for Price {
    type Error = PriceError;
    fn try_from(text: String) -> Result<Self, PriceError> {
        text.parse()
    }
}

impl From<Price> for String {
    fn from(price: Price) -> Self {
        price.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        assert_eq!(
            "42607.62".parse::<Price>().expect("valid").units(),
            4_260_762_000_000
        );
        assert_eq!("0.00000001".parse::<Price>().expect("valid").units(), 1);
        assert_eq!(
            "60000.0000000000"
                .parse::<Price>()
                .expect("valid")
                .to_string(),
            "60000.00"
        );
        assert_eq!(
            "1.234567".parse::<Price>().expect("valid").to_string(),
            "1.234567"
        );
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for text in [
            "",
            "0",
            "-1",
            "1e5",
            "NaN",
            "1.000000001",
            "1.2.3",
            ".5",
            "99999999999",
        ] {
            assert!(text.parse::<Price>().is_err(), "{text}");
        }
    }
}
