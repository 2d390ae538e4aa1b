//! Binance's texts: trade events, raw and combined, and its REST interface.

use domain::Venue;
use serde_json::{Value, json};
use server::prices::feeds::message::{VenueCandle, VenueTrade};

use super::{Heard, fixed, is_buy, padded};
use crate::plain_http::Request;
use crate::venues::market::asset_of;
use crate::venues::rest::History;

/// The market of `btcusdt@trade`.
pub(in super::super) fn stream_asset(stream: &str) -> Option<datasets::Asset> {
    asset_of(Venue::Binance, stream.strip_suffix("@trade")?)
}

/// Reads a client's text. A stream that does not exist is acknowledged too: nothing comes of it.
pub(super) fn hear(text: &str) -> Heard {
    let asked: Value = serde_json::from_str(text).unwrap_or_default();
    let refusal = |msg: &str| {
        let error = json!({"error": {"code": 2, "msg": format!("Invalid request: {msg}")}, "id": asked["id"]});
        Heard::answer(error.to_string())
    };
    if asked["method"] != "SUBSCRIBE" {
        return refusal("unknown variant, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`");
    }
    let Some(streams) = asked["params"].as_array() else {
        return refusal("property name must be a string");
    };
    let names = streams.iter().filter_map(Value::as_str);
    Heard {
        subscribed: names.filter_map(stream_asset).collect(),
        answers: vec![json!({"result": null, "id": asked["id"]}).to_string()],
    }
}

/// A trade event.
pub(super) fn frame(trade: &VenueTrade, is_combined: bool) -> String {
    let time_ms = trade.venue_time_us / 1_000;
    let event = format!(
        r#"{{"e":"trade","E":{},"s":"{}","t":{},"p":"{}","q":"{}","T":{time_ms},"m":{},"M":true}}"#,
        time_ms + 1,
        trade.symbol,
        trade.trade_id,
        padded(trade.price, 8),
        fixed(trade.quantity.units(), 8),
        !is_buy(trade),
    );
    if is_combined {
        let stream = trade.symbol.to_lowercase();
        format!(r#"{{"stream":"{stream}@trade","data":{event}}}"#)
    } else {
        event
    }
}

/// Said some time before a server is taken away.
pub(super) fn shutdown(now_us: i64) -> String {
    json!({"e": "serverShutdown", "E": now_us / 1_000}).to_string()
}

/// Answers `/api/v3`.
pub(super) fn rest(request: &Request, history: &History<'_>) -> (u16, String) {
    match request.path.as_str() {
        "/api/v3/time" => {
            let time = json!({"serverTime": history.clock_us() / 1_000});
            (200, time.to_string())
        }
        "/api/v3/historicalTrades" => trades(request, history),
        "/api/v3/klines" => klines(request, history),
        _ => (404, json!({"code": -1000, "msg": "Not found."}).to_string()),
    }
}

fn invalid_symbol() -> (u16, String) {
    let error = json!({"code": -1121, "msg": "Invalid symbol."});
    (400, error.to_string())
}

fn limit(request: &Request) -> usize {
    let asked = request.number("limit").unwrap_or(500).clamp(1, 1_000);
    usize::try_from(asked).unwrap_or(1)
}

fn trades(request: &Request, history: &History<'_>) -> (u16, String) {
    let symbol = request.value("symbol").unwrap_or_default();
    let Some(asset) = asset_of(Venue::Binance, symbol) else {
        return invalid_symbol();
    };
    let limit = limit(request);
    let page = match request.number("fromId") {
        Some(from_id) => history.starting_at(asset, from_id, limit),
        None => history.before_id(asset, i64::MAX, limit),
    };
    let rows = page.iter().map(|trade| {
        let (price, quantity) = (trade.price.units(), trade.quantity.units());
        let quote = i128::from(price) * i128::from(quantity) / 100_000_000;
        format!(
            r#"{{"id":{},"price":"{}","qty":"{}","quoteQty":"{}","time":{},"isBuyerMaker":{},"isBestMatch":true}}"#,
            trade.trade_id,
            padded(trade.price, 8),
            fixed(quantity, 8),
            fixed(i64::try_from(quote).unwrap_or(i64::MAX), 8),
            trade.venue_time_us / 1_000,
            !is_buy(trade),
        )
    });
    (200, format!("[{}]", rows.collect::<Vec<_>>().join(",")))
}

fn klines(request: &Request, history: &History<'_>) -> (u16, String) {
    let symbol = request.value("symbol").unwrap_or_default();
    let Some(asset) = asset_of(Venue::Binance, symbol) else {
        return invalid_symbol();
    };
    if request.value("interval") != Some("5m") {
        return (
            400,
            json!({"code": -1120, "msg": "Invalid interval."}).to_string(),
        );
    }
    let moment = |name| request.number(name).map(|ms| ms.saturating_mul(1_000));
    let last_us = moment("endTime").unwrap_or(i64::MAX);
    let bars = match moment("startTime") {
        Some(from_us) => history.bars(asset, from_us, last_us, limit(request)),
        None => history.newest_bars(asset, 0, limit(request)),
    };
    let rows: Vec<String> = bars.iter().map(kline).collect();
    (200, format!("[{}]", rows.join(",")))
}

fn kline(bar: &VenueCandle) -> String {
    let open_ms = bar.open_time_us / 1_000;
    format!(
        r#"[{open_ms},"{}","{}","{}","{}","{}",{},"0.00000000",1,"0.00000000","0.00000000","0"]"#,
        padded(bar.open, 8),
        padded(bar.high, 8),
        padded(bar.low, 8),
        padded(bar.close, 8),
        fixed(bar.volume.units(), 8),
        open_ms + 299_999,
    )
}
