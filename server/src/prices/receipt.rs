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
    /// What the value is in, `°C`.
    pub unit: String,
    /// Added to a value to make it a price, which is above zero.
    pub shift: String,
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
