//! The venues' protocols behind one door: which file speaks for which venue.
//!
//! Must never hold anything that only one venue has.

use domain::Venue;

use super::message::{DecodeError, Message, VenueCandle, VenueTrade};
use super::{binance, coinbase, kraken};

/// From where old trades are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The last trade that is known; what is asked for comes after it.
    pub after_id: i64,
    /// When it happened, microseconds.
    pub after_time_us: i64,
    /// At a venue that pages backwards: the oldest trade of the page before.
    pub before_id: Option<i64>,
}

impl Cursor {
    /// The trades after a known one.
    #[must_use]
    pub fn after(trade_id: i64, venue_time_us: i64) -> Self {
        Self {
            after_id: trade_id,
            after_time_us: venue_time_us,
            before_id: None,
        }
    }
}

/// The text that subscribes to the trades of `symbols`.
#[must_use]
pub fn subscribe(venue: Venue, symbols: &[String]) -> String {
    match venue {
        Venue::Binance => binance::subscribe(symbols),
        Venue::Coinbase => coinbase::subscribe(symbols),
        Venue::Kraken => kraken::subscribe(symbols),
    }
}

/// The text that keeps a connection open, where the venue wants one.
#[must_use]
pub fn ping(venue: Venue) -> Option<&'static str> {
    match venue {
        Venue::Binance | Venue::Coinbase => None,
        Venue::Kraken => Some(kraken::PING),
    }
}

/// Reads one frame of a venue's stream.
///
/// # Errors
/// Frames that are too long, malformed or unknown.
pub fn decode(venue: Venue, frame: &[u8]) -> Result<Message, DecodeError> {
    match venue {
        Venue::Binance => binance::decode(frame),
        Venue::Coinbase => coinbase::decode(frame),
        Venue::Kraken => kraken::decode(frame),
    }
}

/// REST path and query of a page of old trades.
#[must_use]
pub fn trades_path(venue: Venue, symbol: &str, cursor: &Cursor) -> String {
    match venue {
        Venue::Binance => binance::trades_path(symbol, cursor),
        Venue::Coinbase => coinbase::trades_path(symbol, cursor),
        Venue::Kraken => kraken::trades_path(symbol, cursor),
    }
}

/// Reads a page of old trades.
///
/// # Errors
/// Answers that are too long or malformed, and the venue's own errors.
pub fn decode_trades(
    venue: Venue,
    symbol: &str,
    answer: &[u8],
) -> Result<Vec<VenueTrade>, DecodeError> {
    match venue {
        Venue::Binance => binance::decode_trades(symbol, answer),
        Venue::Coinbase => coinbase::decode_trades(symbol, answer),
        Venue::Kraken => kraken::decode_trades(symbol, answer),
    }
}

/// Where to ask on after `page`; none when nothing more is to come.
#[must_use]
pub fn after_page(venue: Venue, cursor: &Cursor, page: &[VenueTrade]) -> Option<Cursor> {
    match venue {
        Venue::Binance => binance::after_page(page),
        Venue::Coinbase => coinbase::after_page(cursor, page),
        Venue::Kraken => kraken::after_page(page),
    }
}

/// Five-minute bars of one REST page at most.
#[must_use]
pub fn candles_per_page(venue: Venue) -> i64 {
    match venue {
        Venue::Binance => binance::CANDLES_PER_PAGE,
        Venue::Coinbase => coinbase::CANDLES_PER_PAGE,
        Venue::Kraken => kraken::CANDLES_PER_PAGE,
    }
}

/// REST path and query of the five-minute bars that open in `[from_us, to_us)`; a venue may answer
/// later ones too.
#[must_use]
pub fn candles_path(venue: Venue, symbol: &str, from_us: i64, to_us: i64) -> String {
    match venue {
        Venue::Binance => binance::candles_path(symbol, from_us, to_us),
        Venue::Coinbase => coinbase::candles_path(symbol, from_us, to_us),
        Venue::Kraken => kraken::candles_path(symbol, from_us),
    }
}

/// Reads a page of bars, oldest first. The newest may not have closed.
///
/// # Errors
/// Answers that are too long or malformed, and the venue's own errors.
pub fn decode_candles(venue: Venue, answer: &[u8]) -> Result<Vec<VenueCandle>, DecodeError> {
    match venue {
        Venue::Binance => binance::decode_candles(answer),
        Venue::Coinbase => coinbase::decode_candles(answer),
        Venue::Kraken => kraken::decode_candles(answer),
    }
}

/// REST path of the venue's clock.
#[must_use]
pub fn time_path(venue: Venue) -> &'static str {
    match venue {
        Venue::Binance => binance::TIME_PATH,
        Venue::Coinbase => coinbase::TIME_PATH,
        Venue::Kraken => kraken::TIME_PATH,
    }
}

/// Reads the venue's clock, microseconds.
///
/// # Errors
/// Answers that are malformed, and the venue's own errors.
pub fn decode_time(venue: Venue, answer: &[u8]) -> Result<i64, DecodeError> {
    match venue {
        Venue::Binance => binance::decode_time(answer),
        Venue::Coinbase => coinbase::decode_time(answer),
        Venue::Kraken => kraken::decode_time(answer),
    }
}
