//! The file format of `foretoken settle --round R.json` (scoring.md): text in, text out.
//!
//! Owns the reading of untrusted numbers and the words of every refusal. Never rounds, clamps or
//! skips an entry: what is not exactly a settled round's record is refused.

use std::collections::HashSet;

use domain::{Probability, TokenAmount};
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::error::MoneyError;
use crate::wager::{Entry, Settlement, settle};

/// What is wrong with the file: the thing, the rule and the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SettleFileError {
    /// Not JSON at all.
    #[error("the round is not JSON: {0}; write an object with a, y and entries")]
    Json(serde_json::Error),
    /// A field is missing.
    #[error("{place} is missing; {remedy}")]
    Missing {
        /// `entries[3].p`.
        place: String,
        /// What to write.
        remedy: &'static str,
    },
    /// A field holds something else.
    #[error("{place} is {found}, but must be {rule}")]
    Field {
        /// `entries[3].p`.
        place: String,
        /// What stands there.
        found: String,
        /// What must stand there.
        rule: &'static str,
    },
    /// A model stands twice.
    #[error(
        "entries[{position}].model {model} stands there twice; a round counts one entry per model"
    )]
    Twice {
        /// The second one.
        position: usize,
        /// Its model, as JSON.
        model: String,
    },
    /// The numbers break a rule of the wager.
    #[error("entries cannot be settled: {0}")]
    Money(#[from] MoneyError),
}

#[derive(Serialize)]
struct Output {
    #[serde(rename = "W")]
    total: String,
    #[serde(rename = "P")]
    weighted: String,
    payouts: Vec<Payout>,
    burned: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    thin: bool,
}

#[derive(Serialize)]
struct Payout {
    model: Value,
    delta: String,
}

struct Round {
    a_ppm: u32,
    y_ppm: u32,
    models: Vec<Value>,
    entries: Vec<Entry>,
}

/// Settles the round in `text`, `{a, y, entries: [{model, w, p}]}` with integers as numbers or
/// decimal strings, and answers `{W, P, payouts: [{model, delta}], burned}` with decimal strings,
/// `"thin": true` beside them for a single entry. Payouts stand in the order of the entries.
///
/// # Errors
/// [`SettleFileError`]: exit code 2 of the command.
pub fn settle_json(text: &str) -> Result<String, SettleFileError> {
    let round = parse(text)?;
    let settlement = settle(round.a_ppm, round.y_ppm, &round.entries)?;
    let output = output(round.models, &settlement);
    serde_json::to_string_pretty(&output).map_err(SettleFileError::Json)
}

fn output(models: Vec<Value>, settlement: &Settlement) -> Output {
    Output {
        total: settlement.totals.stake.to_string(),
        weighted: settlement.totals.weighted.to_string(),
        payouts: models
            .into_iter()
            .zip(&settlement.deltas)
            .map(|(model, delta)| Payout {
                model,
                delta: delta.to_string(),
            })
            .collect(),
        burned: settlement.burned.to_string(),
        thin: settlement.thin,
    }
}

fn parse(text: &str) -> Result<Round, SettleFileError> {
    let value: Value = serde_json::from_str(text).map_err(SettleFileError::Json)?;
    let round = object(&value, "the round", "an object with a, y and entries")?;
    let rows = match round.get("entries") {
        Some(Value::Array(rows)) => rows,
        Some(other) => return Err(refused("entries", other, "a list of {model, w, p}")),
        None => return Err(missing("entries", "write a list of {model, w, p}")),
    };
    let (mut models, mut entries) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for (position, row) in rows.iter().enumerate() {
        let place = format!("entries[{position}]");
        let row = object(row, &place, "an object {model, w, p}")?;
        let model = model(row, &place)?;
        if !seen.insert(model) {
            return Err(SettleFileError::Twice {
                position,
                model: model.to_string(),
            });
        }
        models.push(model.clone());
        entries.push(entry(row, &place)?);
    }
    Ok(Round {
        a_ppm: ppm(round, "a", "a")?,
        y_ppm: ppm(round, "y", "y")?,
        models,
        entries,
    })
}

fn model<'a>(row: &'a Map<String, Value>, place: &str) -> Result<&'a Value, SettleFileError> {
    let place = format!("{place}.model");
    match row.get("model") {
        Some(model @ (Value::String(_) | Value::Number(_))) => Ok(model),
        Some(other) => Err(refused(&place, other, "a name or a number")),
        None => Err(missing(&place, "name the model")),
    }
}

fn entry(row: &Map<String, Value>, place: &str) -> Result<Entry, SettleFileError> {
    const RULE: &str = "a whole number of 1e-9 token from 1 to 9223372036854775807";
    let stake_place = format!("{place}.w");
    let stake = integer(row, "w", &stake_place, RULE)?;
    let stake = TokenAmount::from_units(stake)
        .ok()
        .filter(|stake| *stake > TokenAmount::ZERO)
        .ok_or_else(|| refused(&stake_place, &stake.into(), RULE))?;
    let p_place = format!("{place}.p");
    let p_ppm = ppm(row, "p", &p_place)?;
    let p = Probability::from_ppm(p_ppm).map_err(|_| refused(&p_place, &p_ppm.into(), PPM_RULE))?;
    Ok(Entry { stake, p })
}

const PPM_RULE: &str = "a whole number of ppm from 0 to 1000000";

fn ppm(object: &Map<String, Value>, key: &str, place: &str) -> Result<u32, SettleFileError> {
    let number = integer(object, key, place, PPM_RULE)?;
    u32::try_from(number)
        .ok()
        .filter(|ppm| *ppm <= 1_000_000)
        .ok_or_else(|| refused(place, &number.into(), PPM_RULE))
}

/// An integer, at least 0, as a number or a string of digits.
fn integer(
    object: &Map<String, Value>,
    key: &str,
    place: &str,
    rule: &'static str,
) -> Result<u64, SettleFileError> {
    let value = object
        .get(key)
        .ok_or_else(|| missing(place, "write an integer or a decimal string"))?;
    let read = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    read.ok_or_else(|| refused(place, value, rule))
}

fn object<'a>(
    value: &'a Value,
    place: &str,
    rule: &'static str,
) -> Result<&'a Map<String, Value>, SettleFileError> {
    value.as_object().ok_or_else(|| refused(place, value, rule))
}

fn missing(place: &str, remedy: &'static str) -> SettleFileError {
    SettleFileError::Missing {
        place: place.to_owned(),
        remedy,
    }
}

fn refused(place: &str, found: &Value, rule: &'static str) -> SettleFileError {
    let found: String = found.to_string().chars().take(60).collect();
    SettleFileError::Field {
        place: place.to_owned(),
        found,
        rule,
    }
}
