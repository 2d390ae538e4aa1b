//! Source receipts: what a source said, word for word, and how its value was read.
//!
//! Owns the form in which evidence names them. Must never depend on a feeds file: a receipt says
//! itself how its bytes are to be read, so that anybody who has them can.

use domain::price::exact_units;
use domain::{Origin, Price};
use serde::{Deserialize, Serialize};

use super::evidence::Trade;

/// One answer of a source that told something new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The source, as in the ticks.
    pub venue: Origin,
    /// The observation's time, microseconds, as in the ticks.
    pub trade_id: i64,
    /// The source said another value for this moment before. The first that was received counts;
    /// this one was received before the evidence closed and changed nothing.
    pub is_revision: bool,
    /// How the value is read.
    pub reading: Reading,
    /// The value as the source wrote it, digit by digit, without an exponent.
    pub value: String,
    /// When we received it, by our clock.
    pub fetched_us: i64,
    /// The HTTP status of the answer.
    pub status: u16,
    /// SHA-256 of the answer's body, hex. `GET /api/v1/source-receipts/{sha256}` gives the bytes.
    pub sha256: String,
}

/// How a value is read from a body. The same in both receipts of a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// Where the body came from.
    pub url: String,
    /// JSON pointer of the value.
    pub value_at: String,
    /// JSON pointer of the observation's time.
    pub time_at: String,
    /// How that time is written.
    pub time: TimeForm,
    /// What the value is in, `°C`.
    pub unit: String,
    /// Added to a value to make it a price, which is above zero.
    pub shift: String,
}

/// How a source writes a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeForm {
    /// `2024-03-05T12:00:00Z`, with any offset.
    #[default]
    Rfc3339,
    /// Seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
}

impl TimeForm {
    const NAMES: [(Self, &'static str); 3] = [
        (Self::Rfc3339, "rfc3339"),
        (Self::Unix, "unix"),
        (Self::UnixMs, "unix-ms"),
    ];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let mut names = Self::NAMES.iter();
        names
            .find(|(form, _)| *form == self)
            .map_or("rfc3339", |(_, name)| name)
    }

    /// The form of a stored name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut names = Self::NAMES.iter();
        names.find(|(_, name)| *name == text).map(|(form, _)| *form)
    }
}

impl Reading {
    /// The price of a value; none when the sum is not above zero or has over eight digits.
    #[must_use]
    pub fn price(&self, value: &str) -> Option<Price> {
        let units = exact_units(value)?.checked_add(exact_units(&self.shift)?)?;
        Price::from_units(units).ok()
    }
}

impl Receipt {
    /// Whether it is of this observation.
    pub(super) fn is_of(&self, tick: &Trade) -> bool {
        self.venue == tick.venue && self.trade_id == tick.trade_id
    }

    /// Where it stands among others.
    pub(super) fn order(&self) -> (&Origin, i64, bool, i64, &str) {
        let Self {
            venue,
            trade_id,
            is_revision,
            fetched_us,
            sha256,
            ..
        } = self;
        (venue, *trade_id, *is_revision, *fetched_us, sha256)
    }

    /// Why it cannot be the receipt of `tick`, of which it says to be; none when it can.
    pub(super) fn problem(&self, tick: &Trade) -> Option<String> {
        if !self.is_of(tick) || self.is_revision {
            return None;
        }
        let says = self.reading.price(&self.value);
        let is_same = says == Some(tick.price)
            && tick.trade_id == tick.venue_time_us
            && self.fetched_us == tick.receive_time_us;
        (!is_same).then(|| {
            format!(
                "{} of {} says {} with the shift {}, received at {}; its tick says {}, received at {}",
                self.venue,
                self.trade_id,
                self.value,
                self.reading.shift,
                self.fetched_us,
                tick.price,
                tick.receive_time_us
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::evidence::{Record, Undecidable};
    use super::super::rule::decide;
    use super::TimeForm;

    const EVIDENCE: &str = r#"{
        "rule": {"quorum": 1, "samples": 1, "min_samples": 1, "max_age_s": 0, "outlier_bp": 0, "dead_band_bp": 0},
        "t0_us": 1709640000000000, "t1_us": 1709643600000000,
        "ticks": [
            {"venue": "source:x", "trade_id": 1709643600000000, "price": "273.16", "venue_time_us": 1709643600000000, "receive_time_us": 1709643700000000},
            {"venue": "source:x", "trade_id": 1709640000000000, "price": "273.15", "venue_time_us": 1709640000000000, "receive_time_us": 1709640100000000}
        ],
        "receipts": [RECEIPTS]
    }"#;
    const RECEIPT: &str = r#"{
        "venue": "source:x", "trade_id": 1709640000000000, "is_revision": false,
        "reading": {"url": "https://x", "value_at": "/v", "time_at": "/t", "time": "unix", "unit": "°C", "shift": "273.15"},
        "value": "0", "fetched_us": 1709640100000000, "status": 200, "sha256": "00"
    }"#;

    fn record(receipts: &str) -> Record {
        Record::parse(&EVIDENCE.replace("RECEIPTS", receipts)).expect("a record")
    }

    #[test]
    fn forms_of_time_have_one_name_in_files_and_tables() {
        for (form, name) in TimeForm::NAMES {
            assert_eq!(
                serde_json::to_string(&form).expect("JSON"),
                format!("\"{name}\"")
            );
            assert_eq!(TimeForm::parse(form.name()), Some(form));
        }
    }

    #[test]
    fn evidence_of_one_source_lists_it_alone_and_needs_no_witness() {
        for receipts in ["", RECEIPT] {
            let record = record(receipts).canonical().expect("decidable");
            let decision = decide(&record);
            assert_eq!(decision.outcome.name(), "up");
            assert_eq!(decision.venues.len(), 1);
            assert_eq!(decision.return_e12, Some(36_609_921));
            assert_eq!(record.ticks[0].trade_id, 1_709_640_000_000_000, "in order");
        }
        let without = record("").json().expect("JSON");
        assert!(!without.contains("receipts"), "{without}");
    }

    #[test]
    fn a_receipt_that_contradicts_its_tick_is_refused_and_a_strange_one_is_dropped() {
        for (from, to) in [
            (r#""value": "0""#, r#""value": "0.1""#),
            (r#""shift": "273.15""#, r#""shift": "0""#),
            (r#""fetched_us": 1709640100000000"#, r#""fetched_us": 7"#),
        ] {
            let refused = record(&RECEIPT.replace(from, to)).canonical();
            assert!(
                matches!(refused, Err(Undecidable::Receipt(_))),
                "{refused:?}"
            );
        }
        let revision = RECEIPT.replace("false", "true").replace(r#""0""#, r#""9""#);
        let kept = record(&revision).canonical().expect("decidable");
        assert_eq!(kept.receipts.len(), 1);
        let strange = RECEIPT.replace("1709640000000000", "5");
        let dropped = record(&strange).canonical().expect("decidable");
        assert!(dropped.receipts.is_empty());
        let mistyped = EVIDENCE
            .replace("RECEIPTS", "")
            .replace("source:x", "krakn");
        assert!(Record::parse(&mistyped).is_err());
    }
}
