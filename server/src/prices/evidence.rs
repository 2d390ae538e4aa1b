//! The record of a round's price evidence: what is hashed, published and decided from.
//!
//! Owns its JSON form and its canonical order. Must never hold a trade that the rule cannot use,
//! so that the record stays small, and never leave out one that it can.

use alloy::primitives::keccak256;
use domain::timestamp::SECOND_US;
use domain::{Origin, OutcomeRule, Price};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::PriceError;
use super::receipt::Receipt;

/// An hour of samples; more would only make a record large.
const MOST_SAMPLES: usize = 3_600;

/// One trade of one venue, or one observation of a source, as received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trade {
    /// Where it happened.
    pub venue: Origin,
    /// The venue's own number of it; of an observation its time.
    pub trade_id: i64,
    /// Its price, a decimal text in JSON.
    pub price: Price,
    /// When it happened, by the venue's clock.
    pub venue_time_us: i64,
    /// When we received it, by our clock.
    pub receive_time_us: i64,
}

/// A venue that must not count, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The venue.
    pub venue: Origin,
    /// Why, for people.
    pub reason: String,
}

/// The outcome rule as the record writes it; a key that is left out has protocol.md's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecordedRule {
    quorum: usize,
    samples: usize,
    min_samples: usize,
    max_age_s: i64,
    outlier_bp: i64,
    /// Basis points with at most two digits after the point.
    dead_band_bp: f64,
}

impl Default for RecordedRule {
    fn default() -> Self {
        Self::new(&OutcomeRule::default())
    }
}

impl RecordedRule {
    /// The rule as the record writes it.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a dead band is a few hundredths"
    )]
    pub fn new(rule: &OutcomeRule) -> Self {
        Self {
            quorum: rule.quorum,
            samples: rule.samples,
            min_samples: rule.min_samples,
            max_age_s: rule.max_age_s,
            outlier_bp: rule.outlier_bp,
            dead_band_bp: rule.dead_band_centi_bp as f64 / 100.0,
        }
    }

    /// The rule in exact integers.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float to integer cast saturates; a dead band that large voids every round"
    )]
    pub fn exact(&self) -> OutcomeRule {
        OutcomeRule {
            quorum: self.quorum,
            samples: self.samples,
            min_samples: self.min_samples,
            max_age_s: self.max_age_s,
            outlier_bp: self.outlier_bp,
            dead_band_centi_bp: (self.dead_band_bp * 100.0).round_ties_even() as i64,
        }
    }
}

/// Everything that an outcome is decided from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The rule.
    #[serde(default)]
    pub rule: RecordedRule,
    /// Start of the interval.
    pub t0_us: i64,
    /// End of the interval.
    pub t1_us: i64,
    /// Trades by venue name, venue time and trade id, repeats dropped.
    pub ticks: Vec<Trade>,
    /// Venues that must not count.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// What sources said, word for word; absent where venues are the evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
}

/// Why a record that can be read cannot be decided.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Undecidable {
    /// The interval.
    #[error("t0_us must be at least 0 and before t1_us")]
    Interval,
    /// A part of the rule.
    #[error("rule.{0}")]
    Rule(&'static str),
    /// A source's receipt.
    #[error("receipts: {0}")]
    Receipt(String),
}

impl Record {
    /// The canonical record: the same trades give the same bytes in whatever order they come.
    #[must_use]
    pub fn new(
        rule: &OutcomeRule,
        (t0_us, t1_us): (i64, i64),
        trades: Vec<Trade>,
        mut left_out: Vec<LeftOut>,
    ) -> Self {
        left_out.sort_by(|a, b| (a.venue.name(), &a.reason).cmp(&(b.venue.name(), &b.reason)));
        left_out.dedup_by(|b, a| a.venue == b.venue);
        let trades = in_order(trades);
        let ticks = trades
            .chunk_by(|a, b| a.venue == b.venue)
            .flat_map(|of_one| useful(of_one, rule, [t0_us, t1_us]))
            .collect();
        Self {
            rule: RecordedRule::new(rule),
            t0_us,
            t1_us,
            ticks,
            left_out,
            receipts: Vec::new(),
        }
    }

    /// With the receipts of its ticks; others are dropped.
    #[must_use]
    pub fn with_receipts(mut self, mut receipts: Vec<Receipt>) -> Self {
        receipts.retain(|receipt| self.ticks.iter().any(|tick| receipt.is_of(tick)));
        receipts.sort_by(|a, b| a.order().cmp(&b.order()));
        receipts.dedup();
        self.receipts = receipts;
        self
    }

    /// The first receipt that does not say what its tick says.
    #[must_use]
    pub fn receipt_problem(&self) -> Option<String> {
        let of_sources = self.ticks.iter().filter(|t| t.venue.source().is_some());
        let mut pairs = of_sources.map(|tick| (tick, self.receipts.iter()));
        pairs.find_map(|(tick, mut all)| all.find_map(|receipt| receipt.problem(tick)))
    }

    /// Somebody's record in canonical form: trades in order and without repeats, none that the rule
    /// cannot use.
    ///
    /// # Errors
    /// An interval or a rule that cannot be decided by.
    pub fn canonical(self) -> Result<Self, Undecidable> {
        let rule = self.rule.exact();
        if self.t0_us < 0 || self.t0_us >= self.t1_us {
            return Err(Undecidable::Interval);
        }
        let broken = if rule.quorum == 0 {
            Some("quorum must be at least 1")
        } else if rule.min_samples == 0 || rule.min_samples > rule.samples {
            Some("min_samples must be at least 1 and at most rule.samples")
        } else if rule.samples > MOST_SAMPLES {
            Some("samples must be at most 3600")
        } else if rule.max_age_s < 0 || rule.outlier_bp < 0 || rule.dead_band_centi_bp < 0 {
            Some("max_age_s, outlier_bp and dead_band_bp must be at least 0")
        } else {
            None
        };
        if let Some(broken) = broken {
            return Err(Undecidable::Rule(broken));
        }
        let span = (self.t0_us, self.t1_us);
        let record = Self::new(&rule, span, self.ticks, self.left_out).with_receipts(self.receipts);
        match record.receipt_problem() {
            Some(problem) => Err(Undecidable::Receipt(problem)),
            None => Ok(record),
        }
    }

    /// The bytes that are stored and hashed.
    ///
    /// # Errors
    /// [`PriceError::Record`] when it cannot be written, which no record of numbers and names does.
    pub fn json(&self) -> Result<String, PriceError> {
        serde_json::to_string(self).map_err(PriceError::Record)
    }

    /// Reads a stored or published record.
    ///
    /// # Errors
    /// [`PriceError::Record`] when the text is no such record.
    pub fn parse(json: &str) -> Result<Self, PriceError> {
        serde_json::from_str(json).map_err(PriceError::Record)
    }
}

/// keccak256 of a record's bytes, the form that the chain's reveal carries: `0x` and 64 digits.
#[must_use]
pub fn hash(json: &str) -> String {
    format!("{:#x}", keccak256(json.as_bytes()))
}

/// Trades by venue name, venue time and trade id; of repeats (one venue, one trade id) the first.
pub(super) fn in_order(mut trades: Vec<Trade>) -> Vec<Trade> {
    // Prices and receive times take part only so that a venue that contradicts itself still gives
    // one answer whatever the order of arrival.
    trades.sort_by(|a, b| order(a).cmp(&order(b)));
    let mut seen = std::collections::HashSet::new();
    trades.retain(|trade| seen.insert((trade.venue.clone(), trade.trade_id)));
    trades
}

/// The part of ordered trades that is one venue's.
pub(super) fn of_venue<'a>(ordered: &'a [Trade], venue: &Origin) -> &'a [Trade] {
    let from = ordered.partition_point(|trade| trade.venue < *venue);
    let to = ordered.partition_point(|trade| trade.venue <= *venue);
    ordered.get(from..to).unwrap_or_default()
}

fn order(trade: &Trade) -> (&Origin, i64, i64, Price, i64) {
    let Trade {
        venue,
        trade_id,
        price,
        venue_time_us,
        receive_time_us,
    } = trade;
    (venue, *venue_time_us, *trade_id, *price, *receive_time_us)
}

/// How long before a boundary a trade can still be a sample, microseconds.
pub(super) fn reach_us(rule: &OutcomeRule) -> i64 {
    let before = i64::try_from(rule.samples.saturating_sub(1)).unwrap_or(i64::MAX);
    before
        .saturating_add(rule.max_age_s)
        .saturating_mul(SECOND_US)
}

/// The trades that samples and witnesses are taken from, one venue's, in order.
fn useful(trades: &[Trade], rule: &OutcomeRule, boundaries: [i64; 2]) -> Vec<Trade> {
    let witnesses = boundaries.map(|t_us| trades.partition_point(|t| t.venue_time_us <= t_us));
    let is_sample = |trade: &Trade| {
        boundaries.iter().any(|t_us| {
            let age_us = t_us.saturating_sub(trade.venue_time_us);
            (0..=reach_us(rule)).contains(&age_us)
        })
    };
    let kept = trades.iter().enumerate();
    kept.filter(|(at, trade)| witnesses.contains(at) || is_sample(trade))
        .map(|(_, trade)| trade.clone())
        .collect()
}
