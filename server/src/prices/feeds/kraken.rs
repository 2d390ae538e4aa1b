//! Kraken: the `trade` channel of WebSocket v2 and the public REST interface.
//!
//! Owns Kraken's names and shapes. Sources: Kraken's "WebSocket v2" and "Spot REST API" references.
//! Prices are JSON numbers here, so they are read digit by digit. The server sends a heartbeat
//! every second and closes a connection on which we said nothing for a minute: we send `ping`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use domain::timestamp::SECOND_US;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::exact::Exact;
use super::message::{
    DecodeError, LONGEST_ANSWER, LONGEST_FRAME, Message, VenueCandle, VenueTrade, moment,
    seconds_us, shortened, text_of,
};
use super::protocol::Cursor;

/// Trades of one REST page at most.
const PAGE: usize = 1000;
/// Bars of one REST answer at most; Kraken keeps no older ones.
pub(super) const CANDLES_PER_PAGE: i64 = 720;
/// What keeps a connection open.
pub(super) const PING: &str = r#"{"method":"ping"}"#;

/// The text that subscribes to the trades of `symbols`, with the latest fifty of each.
pub(super) fn subscribe(symbols: &[String]) -> String {
    serde_json::json!({
        "method": "subscribe",
        "params": {"channel": "trade", "symbol": symbols, "snapshot": true},
    })
    .to_string()
}

/// What messages of a channel and answers to a method have.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    success: Option<bool>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Trades<'a> {
    #[serde(borrow)]
    data: Vec<Trade<'a>>,
}

#[derive(Deserialize)]
struct Trade<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    #[serde(borrow)]
    price: Exact<'a>,
    #[serde(borrow)]
    qty: Exact<'a>,
    trade_id: i64,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
}

/// Reads one frame.
pub(super) fn decode(frame: &[u8]) -> Result<Message, DecodeError> {
    let text = text_of(frame, LONGEST_FRAME)?;
    let head: Head<'_> = serde_json::from_str(text).map_err(|e| DecodeError::json(&e))?;
    match (head.channel.as_deref(), head.method.as_deref()) {
        (Some("trade"), _) => {
            let trades: Trades<'_> =
                serde_json::from_str(text).map_err(|e| DecodeError::json(&e))?;
            let trades: Result<Vec<_>, _> = trades.data.iter().map(stream_trade).collect();
            trades.map(Message::Trades)
        }
        (
            Some("heartbeat" | "status" | "ticker" | "book" | "ohlc" | "instrument" | "level3"),
            _,
        ) => Ok(Message::Other),
        (Some(other), _) => Err(DecodeError::Unknown(shortened(other))),
        (None, Some("subscribe")) => Ok(answered(&head)),
        (None, Some("pong" | "unsubscribe")) => Ok(Message::Other),
        (None, Some(other)) => Err(DecodeError::Unknown(shortened(other))),
        (None, None) => match head.error {
            Some(error) => Ok(Message::Refused(shortened(&error))),
            None => Err(DecodeError::Unknown(shortened(text))),
        },
    }
}

/// The answer to a subscription; Kraken sends one for each market.
fn answered(head: &Head<'_>) -> Message {
    #[derive(Deserialize)]
    struct Subscription {
        symbol: Option<String>,
    }
    if head.success == Some(true) {
        let result = head
            .result
            .and_then(|raw| serde_json::from_str::<Subscription>(raw.get()).ok());
        let symbol = result.and_then(|subscription| subscription.symbol);
        return Message::Subscribed(symbol.into_iter().collect());
    }
    let error = head.error.as_deref().unwrap_or("without a reason");
    Message::Refused(shortened(error))
}

fn stream_trade(trade: &Trade<'_>) -> Result<VenueTrade, DecodeError> {
    Ok(VenueTrade {
        symbol: trade.symbol.clone().into_owned(),
        trade_id: trade.trade_id,
        price: trade.price.price()?,
        quantity: trade.qty.quantity()?,
        venue_time_us: moment(&trade.timestamp)?,
    })
}

/// Kraken's REST name of a market: `BTC/USD` is `XBTUSD` there.
fn pair(symbol: &str) -> String {
    symbol.replace("BTC", "XBT").replace('/', "")
}

/// Path of the trades after the cursor, oldest first.
pub(super) fn trades_path(symbol: &str, cursor: &Cursor) -> String {
    // A microsecond earlier, since digits after the microsecond were cut: what is known comes
    // again and is dropped by its number.
    let since_ns = cursor.after_time_us.saturating_sub(1).saturating_mul(1_000);
    format!(
        "/0/public/Trades?pair={}&since={since_ns}&count={PAGE}",
        pair(symbol)
    )
}

/// A trade: price, volume, time in seconds, side, order type, miscellaneous, number.
#[derive(Deserialize)]
struct OldTrade<'a>(
    #[serde(borrow)] Exact<'a>,
    #[serde(borrow)] Exact<'a>,
    #[serde(borrow)] Exact<'a>,
    IgnoredAny,
    IgnoredAny,
    IgnoredAny,
    i64,
);

/// Reads a page of old trades.
pub(super) fn decode_trades(symbol: &str, answer: &[u8]) -> Result<Vec<VenueTrade>, DecodeError> {
    let trades: Vec<OldTrade<'_>> = rows(text_of(answer, LONGEST_ANSWER)?)?;
    let trade = |old: &OldTrade<'_>| {
        Ok(VenueTrade {
            symbol: symbol.to_owned(),
            trade_id: old.6,
            price: old.0.price()?,
            quantity: old.1.quantity()?,
            venue_time_us: old.2.seconds_as_us()?,
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

/// Path of the bars that open at `from_us` or later.
pub(super) fn candles_path(symbol: &str, from_us: i64) -> String {
    let since_s = from_us / SECOND_US - 1;
    format!(
        "/0/public/OHLC?pair={}&interval=5&since={since_s}",
        pair(symbol)
    )
}

/// A bar: open time in seconds, open, high, low, close, mean price, volume, trades.
#[derive(Deserialize)]
struct Bar<'a>(
    i64,
    #[serde(borrow)] Exact<'a>,
    #[serde(borrow)] Exact<'a>,
    #[serde(borrow)] Exact<'a>,
    #[serde(borrow)] Exact<'a>,
    IgnoredAny,
    #[serde(borrow)] Exact<'a>,
    IgnoredAny,
);

/// Reads a page of bars; the last one of the newest page has not closed.
pub(super) fn decode_candles(answer: &[u8]) -> Result<Vec<VenueCandle>, DecodeError> {
    let bars: Vec<Bar<'_>> = rows(text_of(answer, LONGEST_ANSWER)?)?;
    let candle = |bar: &Bar<'_>| {
        Ok(VenueCandle {
            open_time_us: seconds_us(bar.0)?,
            open: bar.1.price()?,
            high: bar.2.price()?,
            low: bar.3.price()?,
            close: bar.4.price()?,
            volume: bar.6.quantity()?,
        })
    };
    bars.iter().map(candle).collect()
}

/// Path of the venue's clock.
pub(super) const TIME_PATH: &str = "/0/public/Time";

/// Reads the venue's clock, microseconds; Kraken cuts it to seconds, so half of one is added.
pub(super) fn decode_time(answer: &[u8]) -> Result<i64, DecodeError> {
    #[derive(Deserialize)]
    struct Time {
        unixtime: i64,
    }
    let raw = result(text_of(answer, LONGEST_ANSWER)?)?;
    let time: Time = serde_json::from_str(raw.get()).map_err(|e| DecodeError::json(&e))?;
    time.unixtime
        .checked_mul(SECOND_US)
        .and_then(|us| us.checked_add(SECOND_US / 2))
        .ok_or_else(|| DecodeError::Malformed(format!("{} is not a time", time.unixtime)))
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    error: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

fn result(text: &str) -> Result<&RawValue, DecodeError> {
    let answer: Answer<'_> = serde_json::from_str(text).map_err(|e| DecodeError::json(&e))?;
    if let Some(error) = answer.error.first() {
        return Err(DecodeError::Refused(shortened(error)));
    }
    answer
        .result
        .ok_or_else(|| DecodeError::Malformed("it has no result".into()))
}

/// The rows of the one market that an answer is about; beside it stands `last`.
fn rows<'a, T: Deserialize<'a>>(text: &'a str) -> Result<Vec<T>, DecodeError> {
    let parts: BTreeMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(result(text)?.get()).map_err(|e| DecodeError::json(&e))?;
    let market = parts.into_iter().find(|(name, _)| name != "last");
    let (_, raw) = market.ok_or_else(|| DecodeError::Malformed("it has no market".into()))?;
    serde_json::from_str(raw.get()).map_err(|e| DecodeError::json(&e))
}
