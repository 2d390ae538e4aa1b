//! `foretoken resolve --evidence E.json`: recompute an outcome from its price evidence.

use std::path::PathBuf;

use domain::Origin;
use serde::Serialize;
use serde_json::value::RawValue;

use super::input::{self, Input};
use super::{Ended, print, refuse};
use crate::prices::evidence::{self, Record};
use crate::prices::rule::{self, Decision, VenueVerdict};

/// A record of ours has some hundred kilobytes.
const LARGEST: u64 = 64 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct ResolveArgs {
    /// {"rule", "t0_us", "t1_us", "ticks": […], "left_out": […]}, as `GET /rounds/{id}/evidence`
    /// answers it; `-` reads standard input
    #[arg(long, value_name = "E.json")]
    evidence: PathBuf,
}

#[derive(Serialize)]
struct Answer {
    outcome: &'static str,
    reason: Option<String>,
    median_return: Option<Box<RawValue>>,
    venues: Vec<VenueAnswer>,
    evidence_hash: String,
}

#[derive(Serialize)]
struct VenueAnswer {
    venue: Origin,
    p0: Option<String>,
    p1: Option<String>,
    #[serde(rename = "return")]
    price_return: Option<Box<RawValue>>,
    used: bool,
    why_not: Option<String>,
}

pub(super) fn run(args: &ResolveArgs) -> anyhow::Result<Ended> {
    let file = args.evidence.display();
    let text = match input::read(&args.evidence, LARGEST)? {
        Input::Text(text) => text,
        Input::Refused(why) => return Ok(refuse(&why)),
    };
    let record = match Record::parse(&text) {
        Ok(record) => record,
        Err(error) => return Ok(refuse(&format!("{file}: {error}"))),
    };
    let record = match record.canonical() {
        Ok(record) => record,
        Err(error) => return Ok(refuse(&format!("{file}: {error}"))),
    };
    let answer = answer(rule::decide(&record), evidence::hash(&record.json()?))?;
    print(&serde_json::to_string(&answer)?)?;
    Ok(Ended::Done)
}

fn answer(decision: Decision, evidence_hash: String) -> anyhow::Result<Answer> {
    let median_return = decision.return_e12.map(decimal_e12).transpose()?;
    let venues: anyhow::Result<Vec<_>> = decision.venues.iter().map(venue_answer).collect();
    Ok(Answer {
        outcome: decision.outcome.name(),
        reason: decision.void.map(|void| void.to_string()),
        median_return,
        venues: venues?,
        evidence_hash,
    })
}

fn venue_answer(verdict: &VenueVerdict) -> anyhow::Result<VenueAnswer> {
    Ok(VenueAnswer {
        venue: verdict.venue.clone(),
        p0: verdict.p0.map(|price| price.to_string()),
        p1: verdict.p1.map(|price| price.to_string()),
        price_return: verdict.return_e12.map(decimal_e12).transpose()?,
        used: verdict.is_used(),
        why_not: verdict.why_not.as_ref().map(ToString::to_string),
    })
}

/// A JSON number with every one of the twelve digits, which a float might not have.
fn decimal_e12(units: i64) -> serde_json::Result<Box<RawValue>> {
    let sign = if units < 0 { "-" } else { "" };
    let units = units.unsigned_abs();
    let (whole, fraction) = (units / 1_000_000_000_000, units % 1_000_000_000_000);
    RawValue::from_string(format!("{sign}{whole}.{fraction:012}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_keep_their_twelve_digits() {
        let text = |units| decimal_e12(units).expect("a number").get().to_owned();
        assert_eq!(text(1), "0.000000000001");
        assert_eq!(text(-2_500_000_000_000), "-2.500000000000");
        assert_eq!(text(0), "0.000000000000");
    }
}
