//! Coinbase's texts: matches, subscriptions, and its REST interface.

use datasets::Asset;
use datasets::candle::BAR_US;
use domain::Venue;
use domain::timestamp::{SECOND_US, parse_rfc3339};
use serde_json::{Value, json};
use server::prices::feeds::message::VenueTrade;

use super::{Heard, fixed, is_buy, micro_text, padded};
use crate::dice::mix;
use crate::plain_http::Request;
use crate::venues::market::{asset_of, symbol};
use crate::venues::rest::History;

/// More bars than this are refused.
const MOST_BARS: i64 = 300;

/// Reads a client's text; one unknown product refuses them all.
pub(super) fn hear(text: &str) -> Heard {
    let asked: Value = serde_json::from_str(text).unwrap_or_default();
    let error = |reason: String| {
        let said = json!({"type": "error", "message": "Failed to subscribe", "reason": reason});
        Heard::answer(said.to_string())
    };
    if asked["type"] != "subscribe" {
        return error(format!(
            "Type has to be either subscribe or unsubscribe, not {}",
            asked["type"]
        ));
    }
    let channels = asked["channels"].as_array().cloned().unwrap_or_default();
    if let Some(other) = channels.iter().find(|channel| *channel != "matches") {
        return error(format!("{other} is not a valid channel"));
    }
    let mut subscribed: Vec<Asset> = Vec::new();
    for product in asked["product_ids"].as_array().into_iter().flatten() {
        let name = product.as_str().unwrap_or_default();
        match asset_of(Venue::Coinbase, name) {
            Some(asset) => subscribed.push(asset),
            None => return error(format!("{name} is not a valid product")),
        }
    }
    let products: Vec<&str> = subscribed
        .iter()
        .map(|asset| symbol(Venue::Coinbase, *asset))
        .collect();
    let channel = json!({"name": "matches", "product_ids": products, "account_ids": null});
    Heard {
        subscribed,
        answers: vec![json!({"type": "subscriptions", "channels": [channel]}).to_string()],
    }
}

/// A trade, as `match` or `last_match`.
pub(super) fn frame(kind: &str, trade: &VenueTrade) -> String {
    let id = trade.trade_id.unsigned_abs();
    format!(
        r#"{{"type":"{kind}","trade_id":{id},"maker_order_id":"{}","taker_order_id":"{}","side":"{}","size":"{}","price":"{}","product_id":"{}","sequence":{},"time":"{}"}}"#,
        order_id(id.wrapping_mul(2)),
        order_id(id.wrapping_mul(2) + 1),
        side(trade),
        fixed(trade.quantity.units(), 8),
        padded(trade.price, 2),
        trade.symbol,
        id.wrapping_mul(3),
        micro_text(trade.venue_time_us),
    )
}

fn side(trade: &VenueTrade) -> &'static str {
    if is_buy(trade) { "buy" } else { "sell" }
}

/// Something that looks like an order's number.
fn order_id(seed: u64) -> String {
    let digits = format!("{:016x}{:016x}", mix(seed), mix(seed ^ 1));
    let part = |range| {
        digits
            .get::<std::ops::Range<usize>>(range)
            .unwrap_or_default()
    };
    format!(
        "{}-{}-{}-{}-{}",
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32)
    )
}

fn message(status: u16, text: &str) -> (u16, String) {
    (status, json!({"message": text}).to_string())
}

/// Answers `/products` and `/time`.
pub(super) fn rest(request: &Request, history: &History<'_>) -> (u16, String) {
    let parts: Vec<&str> = request.path.split('/').skip(1).collect();
    match parts.as_slice() {
        ["time"] => {
            let now_us = history.clock_us();
            let epoch = fixed(now_us.saturating_mul(100), 3);
            let iso = micro_text(now_us - now_us % 1_000);
            (200, format!(r#"{{"iso":"{iso}","epoch":{epoch}}}"#))
        }
        ["products", product, what] => match (asset_of(Venue::Coinbase, product), *what) {
            (Some(asset), "trades") => trades(request, history, asset),
            (Some(asset), "candles") => candles(request, history, asset),
            _ => message(404, "NotFound"),
        },
        _ => message(404, "NotFound"),
    }
}

/// Newest first.
fn trades(request: &Request, history: &History<'_>, asset: Asset) -> (u16, String) {
    let limit = request.number("limit").unwrap_or(1_000).clamp(1, 1_000);
    let before = request.number("after").unwrap_or(i64::MAX);
    let page = history.before_id(asset, before, usize::try_from(limit).unwrap_or(1));
    let rows = page.iter().rev().map(|trade| {
        format!(
            r#"{{"trade_id":{},"side":"{}","size":"{}","price":"{}","time":"{}"}}"#,
            trade.trade_id,
            side(trade),
            fixed(trade.quantity.units(), 8),
            padded(trade.price, 8),
            micro_text(trade.venue_time_us),
        )
    });
    (200, format!("[{}]", rows.collect::<Vec<_>>().join(",")))
}

/// Newest first, both ends included.
fn candles(request: &Request, history: &History<'_>, asset: Asset) -> (u16, String) {
    if request.value("granularity") != Some("300") {
        return message(400, "Unsupported granularity");
    }
    let moment = |name| request.value(name).and_then(parse_rfc3339);
    let last_us = moment("end").unwrap_or_else(|| history.clock_us());
    let from_us = moment("start").unwrap_or(last_us - (MOST_BARS - 1) * BAR_US);
    if (last_us - from_us) / BAR_US >= MOST_BARS {
        let text = "granularity too small for the requested time range. Count of aggregations requested exceeds 300";
        return message(400, text);
    }
    let most = usize::try_from(MOST_BARS).unwrap_or(1);
    let bars = history.bars(asset, from_us, last_us, most);
    let rows = bars.iter().rev().map(|bar| {
        format!(
            "[{},{},{},{},{},{}]",
            bar.open_time_us / SECOND_US,
            bar.low,
            bar.high,
            bar.open,
            bar.close,
            fixed(bar.volume.units(), 8)
        )
    });
    (200, format!("[{}]", rows.collect::<Vec<_>>().join(",")))
}
