//! What venues say, in one form.
//!
//! Owns the shapes that the decoders answer. Must never know a venue's own field names.

use std::borrow::Cow;

use datasets::Candle;
use domain::timestamp::{SECOND_US, parse_rfc3339};
use domain::{Price, Quantity};
use serde::Deserialize;
use thiserror::Error;

/// The longest frame that is looked at, bytes. A subscription's snapshot has a few thousand.
pub const LONGEST_FRAME: usize = 1 << 20;
/// The longest answer of a venue's REST interface, bytes: a thousand trades have about 200,000.
pub const LONGEST_ANSWER: usize = 4 << 20;

/// One trade as a venue states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueTrade {
    /// The venue's own name of the market: `BTCUSDT`, `BTC-USD`, `BTC/USD`.
    pub symbol: String,
    /// The venue's own number of the trade, one more for each trade of the market.
    pub trade_id: i64,
    /// At which price.
    pub price: Price,
    /// How much of the asset.
    pub quantity: Quantity,
    /// When, by the venue's clock, microseconds.
    pub venue_time_us: i64,
}

/// One frame of a venue's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Trades, in the venue's order.
    Trades(Vec<VenueTrade>),
    /// The venue will send the trades of these markets; none named: of all that were asked for.
    Subscribed(Vec<String>),
    /// The venue refuses a subscription, or says what else it dislikes.
    Refused(String),
    /// The venue is about to close the connection.
    Closing,
    /// Well-formed and of no use to us: heartbeats, answers to pings, other channels.
    Other,
}

/// Why a frame or an answer is not used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Too long to be looked at.
    #[error("it has {bytes} bytes, the limit is {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Not the JSON that the venue documents.
    #[error("{0}")]
    Malformed(String),
    /// A message of a kind that the venue does not document.
    #[error("unknown message {0:?}")]
    Unknown(String),
    /// The venue answers with an error of its own.
    #[error("the venue says {0:?}")]
    Refused(String),
}

impl DecodeError {
    /// Of a JSON error.
    pub(super) fn json(error: &serde_json::Error) -> Self {
        Self::Malformed(shortened(&error.to_string()))
    }
}

/// What a JSON answer of REST is when it is not what was asked for: the venue's own error (`msg` at
/// Binance, `message` at Coinbase), or something that nobody documents.
pub(super) fn refusal(text: &str, error: &serde_json::Error) -> DecodeError {
    #[derive(Deserialize)]
    struct Refusal<'a> {
        #[serde(alias = "message", borrow)]
        msg: Cow<'a, str>,
    }
    serde_json::from_str::<Refusal<'_>>(text).map_or_else(
        |_| DecodeError::json(error),
        |said| DecodeError::Refused(shortened(&said.msg)),
    )
}

/// A venue's RFC 3339 text as microseconds.
pub(super) fn moment(text: &str) -> Result<i64, DecodeError> {
    parse_rfc3339(text)
        .ok_or_else(|| DecodeError::Malformed(format!("{:?} is not a time", shortened(text))))
}

/// Whole seconds since the epoch as microseconds.
pub(super) fn seconds_us(seconds: i64) -> Result<i64, DecodeError> {
    seconds
        .checked_mul(SECOND_US)
        .ok_or_else(|| DecodeError::Malformed(format!("{seconds} is not a time")))
}

/// A venue's text, short enough for a log line or a table.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(120).collect()
}

/// A frame or answer as text, when it is text and not too long.
pub(super) fn text_of(bytes: &[u8], limit: usize) -> Result<&str, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLong {
            bytes: bytes.len(),
            limit,
        });
    }
    std::str::from_utf8(bytes).map_err(|_| DecodeError::Malformed("it is not UTF-8".into()))
}

/// One five-minute bar as a venue states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueCandle {
    /// When it opens, microseconds.
    pub open_time_us: i64,
    /// First trade.
    pub open: Price,
    /// Highest.
    pub high: Price,
    /// Lowest.
    pub low: Price,
    /// Last trade.
    pub close: Price,
    /// Traded amount of the asset.
    pub volume: Quantity,
}

impl VenueCandle {
    /// The bar as datasets know it.
    #[must_use]
    pub fn candle(&self) -> Candle {
        Candle {
            open_time_us: self.open_time_us,
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            volume: self.volume.to_f64(),
        }
    }
}
