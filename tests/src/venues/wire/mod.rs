//! How each venue writes what it says: the other side of `server::prices::feeds::protocol`.
//!
//! Owns the texts of streams and of REST answers. Must never decide what is said.

pub(super) mod binance;
pub(super) mod coinbase;
pub(super) mod kraken;

use datasets::Asset;
use domain::timestamp::{SECOND_US, rfc3339};
use domain::{Price, Venue};
use server::prices::feeds::message::VenueTrade;

use super::rest::History;
use crate::plain_http::Request;

/// What a client's text makes a venue do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// Markets whose trades are sent from now on.
    pub subscribed: Vec<Asset>,
    /// Said at once, before anything about the markets.
    pub answers: Vec<String>,
}

impl Heard {
    fn answer(text: String) -> Self {
        Self {
            answers: vec![text],
            ..Self::default()
        }
    }
}

/// Reads a client's text.
pub(super) fn hear(venue: Venue, text: &str, now_us: i64) -> Heard {
    match venue {
        Venue::Binance => binance::hear(text),
        Venue::Coinbase => coinbase::hear(text),
        Venue::Kraken => kraken::hear(text, now_us),
    }
}

/// Said when somebody connects.
pub(super) fn greeting(venue: Venue) -> Option<String> {
    match venue {
        Venue::Binance | Venue::Coinbase => None,
        Venue::Kraken => Some(kraken::STATUS.to_owned()),
    }
}

/// Said each second of a subscription.
pub(super) fn heartbeat(venue: Venue) -> Option<&'static str> {
    match venue {
        Venue::Binance | Venue::Coinbase => None,
        Venue::Kraken => Some(kraken::HEARTBEAT),
    }
}

/// Said before the daily cut.
pub(super) fn farewell(venue: Venue, now_us: i64) -> Option<String> {
    match venue {
        Venue::Binance => Some(binance::shutdown(now_us)),
        Venue::Coinbase | Venue::Kraken => None,
    }
}

/// Trades of one market as frames; `is_combined` where Binance was asked for a combined stream.
pub(super) fn frames(venue: Venue, trades: &[VenueTrade], is_combined: bool) -> Vec<String> {
    match venue {
        Venue::Binance => trades
            .iter()
            .map(|trade| binance::frame(trade, is_combined))
            .collect(),
        Venue::Coinbase => trades
            .iter()
            .map(|trade| coinbase::frame("match", trade))
            .collect(),
        Venue::Kraken => trades
            .chunks(kraken::TRADES_PER_FRAME)
            .map(|part| kraken::frame("update", part))
            .collect(),
    }
}

/// How many of the newest trades a venue sends first, and the frame for them.
pub(super) fn snapshot(venue: Venue) -> i64 {
    match venue {
        Venue::Binance => 0,
        Venue::Coinbase => 1,
        Venue::Kraken => 50,
    }
}

/// The frame of a snapshot.
pub(super) fn snapshot_frame(venue: Venue, trades: &[VenueTrade]) -> Option<String> {
    match venue {
        Venue::Binance => None,
        Venue::Coinbase => Some(coinbase::frame("last_match", trades.last()?)),
        Venue::Kraken => Some(kraken::frame("snapshot", trades)),
    }
}

/// Whether the snapshot comes before the answer to the subscription.
pub(super) fn is_snapshot_first(venue: Venue) -> bool {
    venue == Venue::Coinbase
}

/// The answer to a REST request: status and body.
pub(super) fn rest(venue: Venue, request: &Request, history: &History<'_>) -> (u16, String) {
    match venue {
        Venue::Binance => binance::rest(request, history),
        Venue::Coinbase => coinbase::rest(request, history),
        Venue::Kraken => kraken::rest(request, history),
    }
}

/// A moment with six digits after the point, zeros too.
fn micro_text(us: i64) -> String {
    let whole = rfc3339(us - us.rem_euclid(SECOND_US));
    let whole = whole.trim_end_matches('Z');
    format!("{whole}.{:06}Z", us.rem_euclid(SECOND_US))
}

/// Units of 1e-8 with so many digits after the point; digits that do not fit are cut.
fn fixed(units: i64, digits: usize) -> String {
    let fraction = format!("{:08}00", units % 100_000_000);
    let kept = fraction.get(..digits).unwrap_or(&fraction);
    format!("{}.{kept}", units / 100_000_000)
}

/// A price with at least so many digits after the point, and as many as it needs.
fn padded(price: Price, digits: usize) -> String {
    let text = price.to_string();
    let fraction = text
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len());
    format!("{text}{}", "0".repeat(digits.saturating_sub(fraction)))
}

/// Which side took: any will do, but the same each time.
fn is_buy(trade: &VenueTrade) -> bool {
    crate::dice::mix(trade.trade_id.unsigned_abs()).is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_moments_are_written_like_the_venues_do() {
        assert_eq!(fixed(1_234_567_890, 8), "12.34567890");
        assert_eq!(fixed(5, 5), "0.00000");
        let price: Price = "64000.1".parse().expect("a price");
        assert_eq!(padded(price, 5), "64000.10000");
        assert_eq!(padded(price, 0), "64000.10");
        assert_eq!(
            micro_text(1_709_640_000_000_250),
            "2024-03-05T12:00:00.000250Z"
        );
    }
}
