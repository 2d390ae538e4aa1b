//! Coinbase Exchange: the `matches` channel and the public REST interface.
//!
//! Owns Coinbase's names and shapes. Sources: Coinbase Exchange's "WebSocket Channels" and "REST
//! API" references. The server pings by itself now and then; the WebSocket layer answers.

use std::borrow::Cow;

use domain::timestamp::{SECOND_US, rfc3339};
use serde::Deserialize;

use super::exact::Exact;
use super::message::{
    DecodeError, LONGEST_ANSWER, LONGEST_FRAME, Message, VenueCandle, VenueTrade, moment, refusal,
    seconds_us, shortened, text_of,
};
use super::protocol::Cursor;

/// Trades of one REST page at most.
const PAGE: usize = 1000;
/// Bars of one REST page at most.
pub(super) const CANDLES_PER_PAGE: i64 = 300;

/// The text that subscribes to the trades of `symbols`.
pub(super) fn subscribe(symbols: &[String]) -> String {
    serde_json::json!({"type": "subscribe", "product_ids": symbols, "channels": ["matches"]})
        .to_string()
}

/// The kind of a message and the texts that some kinds have.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Match<'a> {
    trade_id: i64,
    #[serde(borrow)]
    product_id: Cow<'a, str>,
    #[serde(borrow)]
    price: Exact<'a>,
    #[serde(borrow)]
    size: Exact<'a>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Subscriptions<'a> {
    #[serde(borrow)]
    channels: Vec<Channel<'a>>,
}

#[derive(Deserialize)]
struct Channel<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    product_ids: Vec<String>,
}

/// Reads one frame.
pub(super) fn decode(frame: &[u8]) -> Result<Message, DecodeError> {
    let text = text_of(frame, LONGEST_FRAME)?;
    let head: Head<'_> = serde_json::from_str(text).map_err(|e| DecodeError::json(&e))?;
    match head.kind.as_ref() {
        // The last trade before the subscription comes first: it is a trade like the others.
        "match" | "last_match" => {
            let matched: Match<'_> =
                serde_json::from_str(text).map_err(|e| DecodeError::json(&e))?;
            Ok(Message::Trades(vec![stream_trade(&matched)?]))
        }
        "subscriptions" => subscribed(text),
        "error" => {
            let texts = [head.message, head.reason].into_iter().flatten();
            let text = texts.collect::<Vec<_>>().join(": ");
            Ok(Message::Refused(shortened(&text)))
        }
        "heartbeat" | "ticker" | "ticker_batch" | "snapshot" | "l2update" | "received" | "open"
        | "done" | "change" | "activate" | "status" => Ok(Message::Other),
        other => Err(DecodeError::Unknown(shortened(other))),
    }
}

fn subscribed(text: &str) -> Result<Message, DecodeError> {
    let answer: Subscriptions<'_> =
        serde_json::from_str(text).map_err(|e| DecodeError::json(&e))?;
    let ours = answer
        .channels
        .into_iter()
        .filter(|channel| channel.name == "matches" || channel.name == "full");
    let symbols: Vec<String> = ours.flat_map(|channel| channel.product_ids).collect();
    if symbols.is_empty() {
        return Ok(Message::Refused("subscribed to no market".into()));
    }
    Ok(Message::Subscribed(symbols))
}

fn stream_trade(matched: &Match<'_>) -> Result<VenueTrade, DecodeError> {
    Ok(VenueTrade {
        symbol: matched.product_id.clone().into_owned(),
        trade_id: matched.trade_id,
        price: matched.price.price()?,
        quantity: matched.size.quantity()?,
        venue_time_us: moment(&matched.time)?,
    })
}

/// Path of the newest trades before the cursor's page, newest first: Coinbase pages backwards.
pub(super) fn trades_path(symbol: &str, cursor: &Cursor) -> String {
    match cursor.before_id {
        None => format!("/products/{symbol}/trades?limit={PAGE}"),
        Some(before_id) => format!("/products/{symbol}/trades?limit={PAGE}&after={before_id}"),
    }
}

#[derive(Deserialize)]
struct OldTrade<'a> {
    trade_id: i64,
    #[serde(borrow)]
    price: Exact<'a>,
    #[serde(borrow)]
    size: Exact<'a>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// Reads a page of old trades.
pub(super) fn decode_trades(symbol: &str, answer: &[u8]) -> Result<Vec<VenueTrade>, DecodeError> {
    let text = text_of(answer, LONGEST_ANSWER)?;
    let trades: Vec<OldTrade<'_>> = serde_json::from_str(text).map_err(|e| refusal(text, &e))?;
    let trade = |old: &OldTrade<'_>| {
        Ok(VenueTrade {
            symbol: symbol.to_owned(),
            trade_id: old.trade_id,
            price: old.price.price()?,
            quantity: old.size.quantity()?,
            venue_time_us: moment(&old.time)?,
        })
    };
    trades.iter().map(trade).collect()
}

/// Where to ask on after a page; none when it reached what is known or the first trade.
pub(super) fn after_page(cursor: &Cursor, page: &[VenueTrade]) -> Option<Cursor> {
    let oldest = page.iter().map(|trade| trade.trade_id).min()?;
    (oldest > cursor.after_id.saturating_add(1)).then(|| Cursor {
        before_id: Some(oldest),
        ..cursor.clone()
    })
}

/// Path of the closed bars that open in `[from_us, to_us)`.
pub(super) fn candles_path(symbol: &str, from_us: i64, to_us: i64) -> String {
    // Both ends are included.
    let (from, last) = (rfc3339(from_us), rfc3339(to_us - SECOND_US));
    format!("/products/{symbol}/candles?granularity=300&start={from}&end={last}")
}

/// A candle: open time in seconds, low, high, open, close, volume.
#[derive(Deserialize)]
struct Bar<'a>(
    i64,
    #[serde(borrow)] Exact<'a>,
    #[serde(borrow)] Exact<'a>,
    #[serde(borrow)] Exact<'a>,
    #[serde(borrow)] Exact<'a>,
    #[serde(borrow)] Exact<'a>,
);

/// Reads a page of bars; Coinbase sends the newest first.
pub(super) fn decode_candles(answer: &[u8]) -> Result<Vec<VenueCandle>, DecodeError> {
    let text = text_of(answer, LONGEST_ANSWER)?;
    let bars: Vec<Bar<'_>> = serde_json::from_str(text).map_err(|e| refusal(text, &e))?;
    let candle = |bar: &Bar<'_>| {
        Ok(VenueCandle {
            open_time_us: seconds_us(bar.0)?,
            low: bar.1.price()?,
            high: bar.2.price()?,
            open: bar.3.price()?,
            close: bar.4.price()?,
            volume: bar.5.quantity()?,
        })
    };
    bars.iter().rev().map(candle).collect()
}

/// Path of the venue's clock.
pub(super) const TIME_PATH: &str = "/time";

/// Reads the venue's clock, microseconds.
pub(super) fn decode_time(answer: &[u8]) -> Result<i64, DecodeError> {
    #[derive(Deserialize)]
    struct Time<'a> {
        #[serde(borrow)]
        iso: Cow<'a, str>,
    }
    let text = text_of(answer, LONGEST_ANSWER)?;
    let time: Time<'_> = serde_json::from_str(text).map_err(|e| refusal(text, &e))?;
    moment(&time.iso)
}
