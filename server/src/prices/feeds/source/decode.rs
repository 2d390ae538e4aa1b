//! A source's body as a value and its moment, digit by digit.
//!
//! Must never go through a float, and never guess: what is not there or not a number is refused.

use std::collections::BTreeMap;

use domain::Price;
use domain::timestamp::parse_rfc3339;
use serde_json::value::RawValue;

use super::settings::SourceSettings;
use crate::prices::feeds::exact::Exact;
use crate::prices::feeds::message::{DecodeError, shortened, text_of};
use crate::prices::receipt::TimeForm;

/// Parts of a pointer at most: each is one reading of what is below.
const MOST_PARTS: usize = 16;

/// What a body says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The moment that the value holds for, microseconds.
    pub observed_us: i64,
    /// The value as the source wrote it, without an exponent.
    pub value: String,
    /// The value with the shift.
    pub price: Price,
}

/// Reads a body.
///
/// # Errors
/// Bodies that are too long, no JSON, or lack the value or its moment.
pub fn decode(settings: &SourceSettings, body: &[u8]) -> Result<Said, DecodeError> {
    let text = text_of(body, settings.longest_body_bytes)?;
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| DecodeError::json(&error))?;
    let observed_us = moment(settings.time, at(whole, &settings.time_at)?)
        .map_err(|why| malformed(&settings.time_at, &why))?;
    let raw = at(whole, &settings.value_at)?;
    let value: Exact<'_> = serde_json::from_str(raw.get())
        .map_err(|error| malformed(&settings.value_at, &error.to_string()))?;
    let value = value.text().to_owned();
    let Some(price) = settings.reading().price(&value) else {
        let why = format!(
            "not above 0 or over 8 fraction digits: {value} + {}",
            settings.shift
        );
        return Err(malformed(&settings.value_at, &why));
    };
    Ok(Said {
        observed_us,
        value,
        price,
    })
}

/// What a JSON pointer (RFC 6901) points at.
fn at<'a>(whole: &'a RawValue, pointer: &str) -> Result<&'a RawValue, DecodeError> {
    let missing = || malformed(pointer, "is not there");
    let parts: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();
    if parts.len() > MOST_PARTS {
        return Err(malformed(pointer, "has more than 16 parts"));
    }
    let mut here = whole;
    for part in parts {
        let below = if here.get().starts_with('{') {
            let object: BTreeMap<String, &'a RawValue> =
                serde_json::from_str(here.get()).map_err(|error| DecodeError::json(&error))?;
            object.get(&part).copied()
        } else if here.get().starts_with('[') {
            let array: Vec<&'a RawValue> =
                serde_json::from_str(here.get()).map_err(|error| DecodeError::json(&error))?;
            let index: Option<usize> = part.parse().ok();
            index.and_then(|index| array.get(index).copied())
        } else {
            None
        };
        here = below.ok_or_else(missing)?;
    }
    Ok(here)
}

fn moment(form: TimeForm, raw: &RawValue) -> Result<i64, String> {
    if form == TimeForm::Rfc3339 {
        let text: String = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
        return parse_rfc3339(&text).ok_or_else(|| format!("{text:?} is not RFC 3339"));
    }
    let number: Exact<'_> = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
    let digits_to_us = if form == TimeForm::Unix { 6 } else { 3 };
    let bad = || format!("{:?} is not a time", number.text());
    let (whole, fraction) = number.text().split_once('.').unwrap_or((number.text(), ""));
    let kept = fraction.get(..digits_to_us).unwrap_or(fraction);
    let us: i64 = format!("{whole}{kept:0<digits_to_us$}")
        .parse()
        .map_err(|_| bad())?;
    if us <= 0 {
        return Err(bad());
    }
    Ok(us)
}

fn malformed(pointer: &str, why: &str) -> DecodeError {
    DecodeError::Malformed(shortened(&format!("{pointer}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prices::feeds::live::settings::FeedSettings;

    fn settings() -> SourceSettings {
        let file = include_str!("berlin-temperature.toml");
        let mut sources = FeedSettings::parse(file).expect("a feeds file").sources;
        sources.remove(0)
    }

    fn said(body: &str) -> Result<(i64, String, String), String> {
        decode(&settings(), body.as_bytes())
            .map(|said| (said.observed_us, said.value, said.price.to_string()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn values_keep_every_digit_and_may_be_negative() {
        let body = |value: &str| {
            format!(
                r#"{{"current":{{"time":1709640000,"interval":900,"temperature_2m":{value}}}}}"#
            )
        };
        let at = 1_709_640_000_000_000;
        for (value, text, price) in [
            ("7.3", "7.3", "280.45"),
            ("-12.00000001", "-12.00000001", "261.14999999"),
            ("\"0.10\"", "0.10", "273.25"),
            ("1.5e1", "15", "288.15"),
        ] {
            assert_eq!(said(&body(value)), Ok((at, text.into(), price.into())));
        }
        for (value, why) in [
            ("null", "not a decimal"),
            ("true", "not a decimal"),
            ("\"warm\"", "not a decimal"),
            ("{}", "not a decimal"),
            ("-273.15", "not above 0"),
            ("0.000000001", "8 fraction digits"),
            ("1e40", "8 fraction digits"),
        ] {
            let error = said(&body(value)).expect_err(value);
            assert!(
                error.contains(why) && error.contains("/current/temperature_2m"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (body, why) in [
            (
                r#"{"current":{"temperature_2m":1}}"#,
                "/current/time: is not there",
            ),
            (
                r#"{"current":{"time":1709640000}}"#,
                "/current/temperature_2m: is not there",
            ),
            (r#"{"current":[1,2]}"#, "/current/time: is not there"),
            (r#"{"current":5}"#, "/current/time: is not there"),
            (
                r#"{"current":{"time":"noon","temperature_2m":1}}"#,
                "/current/time",
            ),
            (
                r#"{"current":{"time":-5,"temperature_2m":1}}"#,
                "is not a time",
            ),
            (r#"{"error":true,"reason":"busy"}"#, "is not there"),
            ("<html>", "expected value"),
            ("", "EOF"),
        ] {
            let error = said(body).expect_err(body);
            assert!(error.contains(why), "{body}: {error}");
        }
        let long = vec![b' '; 70_000];
        let error = decode(&settings(), &long).expect_err("too long");
        assert!(matches!(error, DecodeError::TooLong { .. }), "{error}");
    }

    #[test]
    fn moments_and_pointers_have_several_forms() {
        let mut of = settings();
        of.value_at = "/data/1/price~1mwh".into();
        of.time_at = "/data/1/from".into();
        for (form, time) in [
            (TimeForm::UnixMs, "1709640000500"),
            (TimeForm::Unix, "\"1709640000.5\""),
            (TimeForm::Rfc3339, "\"2024-03-05T13:00:00.5+01:00\""),
        ] {
            of.time = form;
            let body = format!(r#"{{"data":[{{}},{{"from":{time},"price/mwh":-1.25}}]}}"#);
            let said = decode(&of, body.as_bytes()).expect("a value");
            assert_eq!(said.observed_us, 1_709_640_000_500_000);
            assert_eq!(said.price.to_string(), "271.90");
        }
    }
}
