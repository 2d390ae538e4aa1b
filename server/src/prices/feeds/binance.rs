//! Binance spot: the `@trade` stream and the public REST interface.
//!
//! Owns Binance's names and shapes. Sources: Binance's "WebSocket Streams" and "Market Data
//! endpoints" of the spot interface. The server pings every 20 s and wants the pong within a
//! minute, which the WebSocket layer sends by itself; it cuts every connection after 24 hours.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::exact::Exact;
use super::message::{
    DecodeError, LONGEST_ANSWER, LONGEST_FRAME, Message, VenueCandle, VenueTrade, refusal,
    shortened, text_of,
};
use super::protocol::Cursor;

/// Trades of one REST page at most.
const PAGE: usize = 1000;
/// Bars of one REST page at most.
pub(super) const CANDLES_PER_PAGE: i64 = 1000;

/// The text that subscribes to the trades of `symbols`.
pub(super) fn subscribe(symbols: &[String]) -> String {
    let streams: Vec<String> = symbols
        .iter()
        .map(|symbol| format!("{}@trade", symbol.to_lowercase()))
        .collect();
    serde_json::json!({"method": "SUBSCRIBE", "params": streams, "id": 1}).to_string()
}

/// What every message has, whichever it is.
#[derive(Deserialize)]
struct Head<'a> {
    /// Inside a combined stream the event is in here.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(rename = "e", borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<Refusal<'a>>,
    /// An error outside of an answer has its text here.
    #[serde(borrow)]
    msg: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(borrow)]
    msg: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Trade<'a> {
    #[serde(rename = "s", borrow)]
    symbol: Cow<'a, str>,
    #[serde(rename = "t")]
    trade_id: i64,
    #[serde(rename = "p", borrow)]
    price: Exact<'a>,
    #[serde(rename = "q", borrow)]
    quantity: Exact<'a>,
    #[serde(rename = "T")]
    time: i64,
}

/// Reads one frame.
pub(super) fn decode(frame: &[u8]) -> Result<Message, DecodeError> {
    let text = text_of(frame, LONGEST_FRAME)?;
    let head: Head<'_> = serde_json::from_str(text).map_err(|e| DecodeError::json(&e))?;
    let Some(inner) = head.data else {
        return event(text, &head);
    };
    let head: Head<'_> = serde_json::from_str(inner.get()).map_err(|e| DecodeError::json(&e))?;
    event(inner.get(), &head)
}

fn event(text: &str, head: &Head<'_>) -> Result<Message, DecodeError> {
    if let Some(refusal) = &head.error {
        return Ok(Message::Refused(shortened(&refusal.msg)));
    }
    match head.event.as_deref() {
        Some("trade") => {
            let trade: Trade<'_> = serde_json::from_str(text).map_err(|e| DecodeError::json(&e))?;
            Ok(Message::Trades(vec![stream_trade(&trade)?]))
        }
        Some("serverShutdown") => Ok(Message::Closing),
        Some(
            "aggTrade" | "kline" | "24hrTicker" | "24hrMiniTicker" | "depthUpdate" | "avgPrice",
        ) => Ok(Message::Other),
        Some(other) => Err(DecodeError::Unknown(shortened(other))),
        None => match (&head.msg, head.id) {
            (Some(msg), _) => Ok(Message::Refused(shortened(msg))),
            // `{"result":null,"id":1}` is how a subscription is acknowledged.
            (None, Some(_)) => Ok(Message::Subscribed(Vec::new())),
            (None, None) => Err(DecodeError::Unknown(shortened(text))),
        },
    }
}

fn stream_trade(trade: &Trade<'_>) -> Result<VenueTrade, DecodeError> {
    Ok(VenueTrade {
        symbol: trade.symbol.clone().into_owned(),
        trade_id: trade.trade_id,
        price: trade.price.price()?,
        quantity: trade.quantity.quantity()?,
        venue_time_us: epoch_us(trade.time)?,
    })
}

/// A moment in milliseconds, or in microseconds where the connection asked for those: a moment of
/// this century has 13 digits in the one and 16 in the other.
fn epoch_us(time: i64) -> Result<i64, DecodeError> {
    match time {
        1..100_000_000_000_000 => Ok(time * 1_000),
        100_000_000_000_000..100_000_000_000_000_000 => Ok(time),
        _ => Err(DecodeError::Malformed(format!("{time} is not a time"))),
    }
}

/// Path of the trades after the cursor, oldest first.
pub(super) fn trades_path(symbol: &str, cursor: &Cursor) -> String {
    let from_id = cursor.after_id.saturating_add(1);
    format!("/api/v3/historicalTrades?symbol={symbol}&fromId={from_id}&limit={PAGE}")
}

#[derive(Deserialize)]
struct OldTrade<'a> {
    id: i64,
    #[serde(borrow)]
    price: Exact<'a>,
    #[serde(borrow)]
    qty: Exact<'a>,
    time: i64,
}

/// Reads a page of old trades.
pub(super) fn decode_trades(symbol: &str, answer: &[u8]) -> Result<Vec<VenueTrade>, DecodeError> {
    let text = text_of(answer, LONGEST_ANSWER)?;
    let trades: Vec<OldTrade<'_>> = serde_json::from_str(text).map_err(|e| refusal(text, &e))?;
    let trade = |old: &OldTrade<'_>| {
        Ok(VenueTrade {
            symbol: symbol.to_owned(),
            trade_id: old.id,
            price: old.price.price()?,
            quantity: old.qty.quantity()?,
            venue_time_us: epoch_us(old.time)?,
        })
    };
    trades.iter().map(trade).collect()
}

/// Where to ask on after a page; none when it was the last.
pub(super) fn after_page(page: &[VenueTrade]) -> Option<Cursor> {
    if page.len() < PAGE {
        return None;
    }
    let last = page.iter().max_by_key(|trade| trade.trade_id)?;
    Some(Cursor::after(last.trade_id, last.venue_time_us))
}

/// Path of the closed bars that open in `[from_us, to_us)`.
pub(super) fn candles_path(symbol: &str, from_us: i64, to_us: i64) -> String {
    let (from_ms, last_ms) = (from_us / 1_000, to_us / 1_000 - 1);
    format!(
        "/api/v3/klines?symbol={symbol}&interval=5m&startTime={from_ms}&endTime={last_ms}\
         &limit={CANDLES_PER_PAGE}"
    )
}

/// A kline: open time, open, high, low, close, volume, then six fields of no use here.
#[derive(Deserialize)]
struct Kline<'a>(
    i64,
    #[serde(borrow)] Exact<'a>,
    #[serde(borrow)] Exact<'a>,
    #[serde(borrow)] Exact<'a>,
    #[serde(borrow)] Exact<'a>,
    #[serde(borrow)] Exact<'a>,
    IgnoredAny,
    IgnoredAny,
    IgnoredAny,
    IgnoredAny,
    IgnoredAny,
    IgnoredAny,
);

/// Reads a page of bars.
pub(super) fn decode_candles(answer: &[u8]) -> Result<Vec<VenueCandle>, DecodeError> {
    let text = text_of(answer, LONGEST_ANSWER)?;
    let klines: Vec<Kline<'_>> = serde_json::from_str(text).map_err(|e| refusal(text, &e))?;
    let candle = |kline: &Kline<'_>| {
        Ok(VenueCandle {
            open_time_us: epoch_us(kline.0)?,
            open: kline.1.price()?,
            high: kline.2.price()?,
            low: kline.3.price()?,
            close: kline.4.price()?,
            volume: kline.5.quantity()?,
        })
    };
    klines.iter().map(candle).collect()
}

/// Path of the venue's clock.
pub(super) const TIME_PATH: &str = "/api/v3/time";

/// Reads the venue's clock, microseconds.
pub(super) fn decode_time(answer: &[u8]) -> Result<i64, DecodeError> {
    #[derive(Deserialize)]
    struct Time {
        #[serde(rename = "serverTime")]
        server_time: i64,
    }
    let text = text_of(answer, LONGEST_ANSWER)?;
    let time: Time = serde_json::from_str(text).map_err(|e| refusal(text, &e))?;
    epoch_us(time.server_time)
}
