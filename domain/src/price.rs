//! Exact prices and traded amounts.

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
        let (units, cut) = decimal_units(text).ok_or_else(bad)?;
        if cut {
            return Err(bad());
        }
        Self::from_units(units).map_err(|_| bad())
    }
}

/// A traded amount in 1e-8 of the asset, 0 or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i64);

/// Why a text is not a quantity.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("quantity {0:?} is not a decimal of 0 or more, below 92233720368")]
pub struct QuantityError(String);

impl Quantity {
    /// No amount.
    pub const ZERO: Self = Self(0);

    /// A quantity of `units` × 1e-8.
    ///
    /// # Errors
    /// When `units` is below zero.
    pub fn from_units(units: i64) -> Result<Self, QuantityError> {
        if units >= 0 {
            Ok(Self(units))
        } else {
            Err(QuantityError(units.to_string()))
        }
    }

    /// From decimal text; digits beyond the eighth are cut: no volume needs them.
    ///
    /// # Errors
    /// When the text is no such decimal.
    pub fn from_text_floored(text: &str) -> Result<Self, QuantityError> {
        decimal_units(text)
            .map(|(units, _)| Self(units))
            .ok_or_else(|| QuantityError(text.chars().take(40).collect()))
    }

    /// In units of 1e-8.
    #[must_use]
    pub fn units(self) -> i64 {
        self.0
    }

    /// As a float, for candles; exact to the unit below 2^53 units.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "volumes are far below 2^53 units"
    )]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e8
    }
}

impl std::iter::Sum for Quantity {
    /// Saturates: nothing that is traded comes near.
    fn sum<I: Iterator<Item = Self>>(quantities: I) -> Self {
        quantities.fold(Self::ZERO, |sum, one| Self(sum.0.saturating_add(one.0)))
    }
}

/// A decimal with or without a minus sign in units of 1e-8; none when it is no such decimal or has
/// digits beyond the eighth that are not zero. For numbers that are no prices, such as degrees.
#[must_use]
pub fn exact_units(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (units, cut) = decimal_units(digits)?;
    (!cut).then(|| sign * units)
}

/// A decimal without sign or exponent in units of 1e-8, and whether digits that are not zero were
/// cut from its end.
fn decimal_units(text: &str) -> Option<(i64, bool)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let kept = fraction.get(..PRICE_DECIMALS).unwrap_or(fraction);
    let beyond = fraction.get(PRICE_DECIMALS..).unwrap_or("");
    // Venues pad with zeros beyond eight digits: those say nothing.
    let cut = beyond.bytes().any(|b| b != b'0');
    let units = format!("{whole}{kept:0<8}").parse().ok()?;
    Some((units, cut))
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
    fn quantities_are_floored_to_eight_digits() {
        let units = |text| Quantity::from_text_floored(text).map(Quantity::units);
        assert_eq!(units("0.123456789"), Ok(12_345_678));
        assert_eq!(units("0"), Ok(0));
        assert!(units("-1").is_err());
        assert!(units("1e3").is_err());
    }

    #[test]
    fn signed_decimals_lose_nothing() {
        assert_eq!(exact_units("-3.25"), Some(-325_000_000));
        assert_eq!(exact_units("0"), Some(0));
        assert_eq!(exact_units("273.150000000"), Some(27_315_000_000));
        for text in ["--1", "+1", "-", "1e3", "0.000000001", "99999999999"] {
            assert_eq!(exact_units(text), None, "{text}");
        }
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
