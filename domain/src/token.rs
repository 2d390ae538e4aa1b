//! Token amounts: integers in units of 1e-9 token, never floats.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Units in one token.
pub const UNITS_PER_TOKEN: u64 = 1_000_000_000;

/// An amount of the stake token in units of 1e-9 token, below 2^63. Serialises as a decimal
/// string of units, the form of records that are recomputed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct TokenAmount(u64);

/// A change of a stake in units of 1e-9 token. Serialises as a decimal string of units.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Delta(i64);

/// Why a number is not an amount.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TokenError {
    /// As people and bots write it.
    #[error(
        "amount {0:?} is not a decimal string of tokens, at least 0, with at most nine fraction digits"
    )]
    Tokens(String),
    /// As records write it.
    #[error("amount {0:?} is not an integer of 1e-9 token in range")]
    Units(String),
}

impl TokenAmount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From units of 1e-9 token.
    ///
    /// # Errors
    /// 2^63 or more.
    pub fn from_units(units: u64) -> Result<Self, TokenError> {
        if i64::try_from(units).is_ok() {
            Ok(Self(units))
        } else {
            Err(TokenError::Units(units.to_string()))
        }
    }

    /// From a database column; negative means a broken row.
    ///
    /// # Errors
    /// Negative.
    pub fn from_stored(units: i64) -> Result<Self, TokenError> {
        u64::try_from(units)
            .map(Self)
            .map_err(|_| TokenError::Units(units.to_string()))
    }

    /// From "1.5" tokens.
    ///
    /// # Errors
    /// Signs, exponents, more than nine fraction digits, or too large.
    pub fn from_tokens(text: &str) -> Result<Self, TokenError> {
        let bad = || TokenError::Tokens(text.chars().take(40).collect());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
            return Err(bad());
        }
        if text.ends_with('.') {
            return Err(bad());
        }
        let units: u64 = format!("{whole}{fraction:0<9}")
            .parse()
            .map_err(|_| bad())?;
        Self::from_units(units).map_err(|_| bad())
    }

    /// Units of 1e-9 token.
    #[must_use]
    pub fn units(self) -> u64 {
        self.0
    }

    /// For a BIGINT column.
    #[must_use]
    pub fn stored(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// Decimal tokens, `1.5`, without trailing zeros.
    #[must_use]
    pub fn tokens(self) -> String {
        tokens_text(self.0)
    }

    /// Sum, or `None` past 2^63.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::from_units(self.0.checked_add(other.0)?).ok()
    }

    /// Difference, at least zero.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Delta {
    /// From units.
    #[must_use]
    pub fn from_units(units: i64) -> Self {
        Self(units)
    }

    /// Units of 1e-9 token.
    #[must_use]
    pub fn units(self) -> i64 {
        self.0
    }

    /// Decimal tokens with a sign, `+1.5`, `−0.25`.
    #[must_use]
    pub fn tokens(self) -> String {
        let sign = match self.0.signum() {
            1 => "+",
            -1 => "−",
            _ => "",
        };
        format!("{sign}{}", tokens_text(self.0.unsigned_abs()))
    }
}

fn tokens_text(units: u64) -> String {
    let (whole, fraction) = (units / UNITS_PER_TOKEN, units % UNITS_PER_TOKEN);
    if fraction == 0 {
        return whole.to_string();
    }
    format!("{whole}.{}", format!("{fraction:09}").trim_end_matches('0'))
}

impl FromStr for TokenAmount {
    type Err = TokenError;
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let units: u64 = text
            .parse()
            .map_err(|_| TokenError::Units(text.chars().take(40).collect()))?;
        Self::from_units(units)
    }
}

impl TryFrom<String> for TokenAmount {
    type Error = TokenError;
    fn try_from(text: String) -> Result<Self, TokenError> {
        text.parse()
    }
}

impl From<TokenAmount> for String {
    fn from(amount: TokenAmount) -> Self {
        amount.0.to_string()
    }
}

impl TryFrom<String> for Delta {
    type Error = TokenError;
    fn try_from(text: String) -> Result<Self, TokenError> {
        text.parse()
            .map(Self)
            .map_err(|_| TokenError::Units(text.chars().take(40).collect()))
    }
}

impl From<Delta> for String {
    fn from(delta: Delta) -> Self {
        delta.0.to_string()
    }
}

impl fmt::Display for TokenAmount {
    /// Units, the form of records.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Delta {
    /// Units, the form of records.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_round_trip() {
        for (text, units) in [
            ("1.5", 1_500_000_000),
            ("0", 0),
            ("0.000000001", 1),
            ("12", 12_000_000_000),
        ] {
            let amount = TokenAmount::from_tokens(text).expect("valid");
            assert_eq!(amount.units(), units);
            assert_eq!(amount.tokens(), text);
        }
        assert_eq!(Delta::from_units(-250_000_000).tokens(), "−0.25");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            "-1",
            "1e3",
            "1.0000000001",
            "1.",
            ".5",
            "+1",
            "9223372037",
        ] {
            assert!(TokenAmount::from_tokens(text).is_err(), "{text}");
        }
        assert!(TokenAmount::from_units(1 << 63).is_err());
    }
}
