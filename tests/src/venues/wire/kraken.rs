//! Kraken's texts: the trade channel of WebSocket v2, heartbeats, and its REST interface.

use datasets::Asset;
use domain::Venue;
use domain::timestamp::SECOND_US;
use serde_json::{Value, json};
use server::prices::feeds::message::VenueTrade;

use super::{Heard, fixed, is_buy, micro_text, padded};
use crate::plain_http::Request;
use crate::venues::market::{asset_of, symbol};
use crate::venues::rest::{History, time_ns};

/// Said when somebody connects.
pub(super) const STATUS: &str = r#"{"channel":"status","type":"update","data":[{"api_version":"v2","connection_id":1,"system":"online","version":"2.0.0"}]}"#;
/// Said each second.
pub(super) const HEARTBEAT: &str = r#"{"channel":"heartbeat"}"#;
/// A frame has at most so many trades.
pub(super) const TRADES_PER_FRAME: usize = 50;
/// Trades of a page, bars of an answer.
const PAGE: i64 = 1_000;
const MOST_BARS: usize = 720;

/// Reads a client's text; each market is answered apart.
pub(super) fn hear(text: &str, now_us: i64) -> Heard {
    let asked: Value = serde_json::from_str(text).unwrap_or_default();
    let (time_in, time_out) = (micro_text(now_us), micro_text(now_us + 30));
    match asked["method"].as_str() {
        Some("ping") => {
            let mut pong = json!({"method": "pong", "time_in": time_in, "time_out": time_out});
            if let Some(number) = asked.get("req_id") {
                pong["req_id"] = number.clone();
            }
            Heard::answer(pong.to_string())
        }
        Some("subscribe") if asked["params"]["channel"] == "trade" => {
            let mut heard = Heard::default();
            for name in asked["params"]["symbol"].as_array().into_iter().flatten() {
                let name = name.as_str().unwrap_or_default();
                let answer = match asset_of(Venue::Kraken, name) {
                    Some(asset) => {
                        heard.subscribed.push(asset);
                        let result = json!({"channel": "trade", "snapshot": true, "symbol": name});
                        json!({"method": "subscribe", "result": result, "success": true, "time_in": time_in, "time_out": time_out})
                    }
                    None => {
                        let error = format!("Currency pair not supported {name}");
                        json!({"error": error, "method": "subscribe", "success": false, "symbol": name, "time_in": time_in, "time_out": time_out})
                    }
                };
                heard.answers.push(answer.to_string());
            }
            heard
        }
        Some(method) => {
            let error = json!({"error": "Unsupported request", "method": method, "success": false, "time_in": time_in, "time_out": time_out});
            Heard::answer(error.to_string())
        }
        None => {
            let error = json!({"error": "Malformed request", "success": false, "time_in": time_in, "time_out": time_out});
            Heard::answer(error.to_string())
        }
    }
}

/// Trades, as `snapshot` or `update`. Prices and quantities are JSON numbers here.
pub(super) fn frame(kind: &str, trades: &[VenueTrade]) -> String {
    let rows = trades.iter().map(|trade| {
        format!(
            r#"{{"symbol":"{}","side":"{}","price":{},"qty":{},"ord_type":"market","trade_id":{},"timestamp":"{}"}}"#,
            trade.symbol,
            if is_buy(trade) { "buy" } else { "sell" },
            padded(trade.price, 1),
            fixed(trade.quantity.units(), 8),
            trade.trade_id,
            micro_text(trade.venue_time_us),
        )
    });
    let data = rows.collect::<Vec<_>>().join(",");
    format!(r#"{{"channel":"trade","type":"{kind}","data":[{data}]}}"#)
}

/// The market of a REST name, and the name that the answer has.
fn pair(request: &Request) -> Option<(Asset, &'static str)> {
    let asked = request.value("pair")?;
    Asset::ALL.into_iter().find_map(|asset| {
        let short = symbol(Venue::Kraken, asset).replace('/', "");
        let (ours, long) = match asset {
            Asset::Btc => ("XBTUSD", "XXBTZUSD"),
            Asset::Eth => ("ETHUSD", "XETHZUSD"),
        };
        [short.as_str(), ours, long]
            .contains(&asked)
            .then_some((asset, long))
    })
}

fn error(text: &str) -> (u16, String) {
    (200, json!({"error": [text]}).to_string())
}

/// Answers `/0/public`; errors come with status 200, as Kraken's do.
pub(super) fn rest(request: &Request, history: &History<'_>) -> (u16, String) {
    match request.path.as_str() {
        "/0/public/Time" => {
            let unixtime = history.clock_us().div_euclid(SECOND_US);
            let result = json!({"unixtime": unixtime, "rfc1123": ""});
            (200, json!({"error": [], "result": result}).to_string())
        }
        "/0/public/Trades" => trades(request, history),
        "/0/public/OHLC" => bars(request, history),
        _ => error("EGeneral:Unknown method"),
    }
}

fn trades(request: &Request, history: &History<'_>) -> (u16, String) {
    let Some((asset, long)) = pair(request) else {
        return error("EQuery:Unknown asset pair");
    };
    let limit = request.number("count").unwrap_or(PAGE).clamp(1, PAGE);
    let limit = usize::try_from(limit).unwrap_or(1);
    let page = match request.number("since") {
        Some(since_ns) => history.since(asset, since_ns, limit),
        None => history.before_id(asset, i64::MAX, limit),
    };
    let rows = page.iter().map(|trade| {
        let ns = time_ns(trade);
        format!(
            r#"["{}","{}",{}.{:07},"{}","m","",{}]"#,
            padded(trade.price, 5),
            fixed(trade.quantity.units(), 8),
            ns / 1_000_000_000,
            ns % 1_000_000_000 / 100,
            if is_buy(trade) { "b" } else { "s" },
            trade.trade_id,
        )
    });
    let rows = rows.collect::<Vec<_>>().join(",");
    let asked = request.number("since").unwrap_or(0);
    let last = page.last().map_or(asked, time_ns);
    let body = format!(r#"{{"error":[],"result":{{"{long}":[{rows}],"last":"{last}"}}}}"#);
    (200, body)
}

/// The last bar is the one that has not closed; `last` names the one before it.
fn bars(request: &Request, history: &History<'_>) -> (u16, String) {
    let Some((asset, long)) = pair(request) else {
        return error("EQuery:Unknown asset pair");
    };
    if request.value("interval") != Some("5") {
        return error("EGeneral:Invalid arguments");
    }
    let since_us = request
        .number("since")
        .unwrap_or(0)
        .saturating_mul(SECOND_US);
    let bars = history.newest_bars(asset, since_us + 1, MOST_BARS);
    let rows = bars.iter().map(|bar| {
        format!(
            r#"[{},"{}","{}","{}","{}","{}","{}",1]"#,
            bar.open_time_us / SECOND_US,
            padded(bar.open, 1),
            padded(bar.high, 1),
            padded(bar.low, 1),
            padded(bar.close, 1),
            padded(bar.close, 1),
            fixed(bar.volume.units(), 8),
        )
    });
    let rows = rows.collect::<Vec<_>>().join(",");
    let closed = bars.len().checked_sub(2).and_then(|place| bars.get(place));
    let last = closed.map_or(0, |bar| bar.open_time_us / SECOND_US);
    let body = format!(r#"{{"error":[],"result":{{"{long}":[{rows}],"last":{last}}}}}"#);
    (200, body)
}
