//! Decimals out of a venue's JSON, digit by digit as it wrote them.
//!
//! Some venues quote their numbers and some do not; a JSON number read the ordinary way becomes a
//! float and loses its last digit. Must never go through a float.

use std::borrow::Cow;

use domain::{Price, Quantity};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::message::DecodeError;

/// The longest number that a venue may send, bytes; real ones have under 30.
const LONGEST: usize = 64;
/// An exponent beyond this cannot give a price or a quantity of ours.
const LARGEST_EXPONENT: i32 = 40;

/// The text of a JSON number, or of a JSON string that holds one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exact<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Exact<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        let text = match raw
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
        {
            Some(inner) if inner.contains('\\') => {
                return Err(serde::de::Error::custom("a number with an escape in it"));
            }
            Some(inner) => inner,
            None => raw,
        };
        if text.len() > LONGEST {
            return Err(serde::de::Error::custom("a number of over 64 digits"));
        }
        plain(text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not a decimal number")))
    }
}

impl Exact<'_> {
    /// As a price.
    pub(super) fn price(&self) -> Result<Price, DecodeError> {
        let price = self.0.parse::<Price>();
        price.map_err(|error| DecodeError::Malformed(error.to_string()))
    }

    /// Every digit of it, without an exponent.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// As a traded amount, cut to eight digits.
    pub(super) fn quantity(&self) -> Result<Quantity, DecodeError> {
        let quantity = Quantity::from_text_floored(&self.0);
        quantity.map_err(|error| DecodeError::Malformed(error.to_string()))
    }

    /// As a moment: seconds since the epoch with a fraction, floored to microseconds.
    pub(super) fn seconds_as_us(&self) -> Result<i64, DecodeError> {
        let bad = || DecodeError::Malformed(format!("{:?} is not a time in seconds", self.0));
        let (whole, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
        let kept = fraction.get(..6).unwrap_or(fraction);
        format!("{whole}{kept:0<6}").parse().map_err(|_| bad())
    }
}

/// The number without an exponent: `1.5e-7` is `0.00000015`. None when it is no number.
fn plain(text: &str) -> Option<Cow<'_, str>> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return is_decimal(text).then_some(Cow::Borrowed(text));
    };
    let shift: i32 = exponent.parse().ok()?;
    if !is_decimal(mantissa) || shift.abs() > LARGEST_EXPONENT {
        return None;
    }
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let room = usize::try_from(shift.unsigned_abs()).ok()?;
    // Zeros on both sides, then the point moves.
    let padded = format!("{0}{whole}{fraction}{0}", "0".repeat(room));
    let point = i64::try_from(room + whole.len()).ok()? + i64::from(shift);
    let point = usize::try_from(point).ok()?;
    let (whole, fraction) = padded.split_at_checked(point)?;
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Some(Cow::Owned(format!("{sign}{whole}{point}{fraction}")))
}

/// Digits with at most one point and a minus sign in front.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    all(whole) && all(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<String, String> {
        serde_json::from_str::<Exact<'_>>(json)
            .map(|exact| exact.0.into_owned())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_keep_every_digit_quoted_or_not() {
        assert_eq!(read("0.51170000001"), Ok("0.51170000001".into()));
        assert_eq!(read("\"64000.10\""), Ok("64000.10".into()));
        assert_eq!(read("90071992547409931"), Ok("90071992547409931".into()));
    }

    #[test]
    fn exponents_move_the_point() {
        assert_eq!(read("1.5e-7"), Ok("0.00000015".into()));
        assert_eq!(read("6.4e4"), Ok("64000".into()));
        assert_eq!(read("12.345E+2"), Ok("1234.5".into()));
        assert_eq!(read("-2e-1"), Ok("-0.2".into()));
        assert_eq!(read("0e0"), Ok("0".into()));
        assert!(read("1e999").is_err());
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for json in [
            "true",
            "null",
            "[1]",
            "\"\"",
            "\"1.\"",
            "\"NaN\"",
            "\"1,5\"",
            "\"\\u0031\"",
        ] {
            assert!(read(json).is_err(), "{json}");
        }
        assert!(read(&"1".repeat(65)).is_err());
    }

    #[test]
    fn seconds_become_microseconds() {
        let us = |json| {
            serde_json::from_str::<Exact<'_>>(json)
                .expect("a number")
                .seconds_as_us()
        };
        assert_eq!(us("1688669597.8277369"), Ok(1_688_669_597_827_736));
        assert_eq!(us("1688669448"), Ok(1_688_669_448_000_000));
    }
}
