//! A venue's REST interface for tests: candles in the forms of all three venues, one address.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use datasets::Candle;
use domain::timestamp::{SECOND_US, parse_rfc3339};
use serde::Deserialize;

/// Bars of one answer of Kraken, always the newest.
const KRAKEN_BARS: usize = 720;

/// What it has and how often it was asked.
#[derive(Debug)]
pub(crate) struct Venues {
    candles: Vec<Candle>,
    asked: AtomicUsize,
    /// So many questions are answered with 503 first.
    busy: AtomicUsize,
}

impl Venues {
    /// Serves `candles` on a port of its own; the address.
    pub(crate) async fn serve(candles: Vec<Candle>, busy: usize) -> (Arc<Self>, String) {
        let venues = Arc::new(Self {
            candles,
            asked: AtomicUsize::new(0),
            busy: AtomicUsize::new(busy),
        });
        let router = Router::new()
            .route("/api/v3/klines", get(klines))
            .route("/products/{symbol}/candles", get(products))
            .route("/0/public/OHLC", get(ohlc))
            .with_state(Arc::clone(&venues));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        (venues, format!("http://{address}"))
    }

    /// Questions that got an answer.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Bars that open in the span, each as `form` writes it.
    fn answer(
        &self,
        (from_us, to_us): (i64, i64),
        form: impl Fn(&Candle) -> String,
    ) -> Result<Vec<String>, StatusCode> {
        let fewer = |busy: usize| busy.checked_sub(1);
        let busy = self
            .busy
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer);
        if busy.is_ok() {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        let within = |bar: &&Candle| (from_us..to_us).contains(&bar.open_time_us);
        Ok(self.candles.iter().filter(within).map(form).collect())
    }
}

#[derive(Deserialize)]
struct Klines {
    #[serde(rename = "startTime")]
    start_ms: i64,
    #[serde(rename = "endTime")]
    end_ms: i64,
    limit: usize,
}

async fn klines(
    State(venues): State<Arc<Venues>>,
    Query(asked): Query<Klines>,
) -> Result<String, StatusCode> {
    let span = (asked.start_ms * 1_000, asked.end_ms * 1_000 + 1);
    let bars = venues.answer(span, |bar| {
        let open_ms = bar.open_time_us / 1_000;
        let (values, volume) = (quoted(bar), volume(bar));
        format!(r#"[{open_ms},{values},"{volume}",0,"0",0,"0","0","0"]"#)
    })?;
    let bars: Vec<String> = bars.into_iter().take(asked.limit).collect();
    Ok(format!("[{}]", bars.join(",")))
}

#[derive(Deserialize)]
struct Products {
    start: String,
    end: String,
}

async fn products(
    State(venues): State<Arc<Venues>>,
    Query(asked): Query<Products>,
) -> Result<String, StatusCode> {
    let us = |text: &str| parse_rfc3339(text).ok_or(StatusCode::BAD_REQUEST);
    let span = (us(&asked.start)?, us(&asked.end)? + 1);
    let mut bars = venues.answer(span, |bar| {
        let open_s = bar.open_time_us / SECOND_US;
        let (low, high, open, close) = (bar.low, bar.high, bar.open, bar.close);
        format!("[{open_s},{low},{high},{open},{close},{}]", volume(bar))
    })?;
    bars.reverse();
    Ok(format!("[{}]", bars.join(",")))
}

#[derive(Deserialize)]
struct Ohlc {
    since: i64,
}

async fn ohlc(
    State(venues): State<Arc<Venues>>,
    Query(asked): Query<Ohlc>,
) -> Result<String, StatusCode> {
    let oldest = venues.candles.len().saturating_sub(KRAKEN_BARS);
    let oldest_us = venues.candles.get(oldest).map_or(0, |bar| bar.open_time_us);
    let from_us = oldest_us.max(asked.since * SECOND_US + 1);
    let bars = venues.answer((from_us, i64::MAX), |bar| {
        let open_s = bar.open_time_us / SECOND_US;
        let (values, volume) = (quoted(bar), volume(bar));
        format!(r#"[{open_s},{values},"0","{volume}",3]"#)
    })?;
    let bars = bars.join(",");
    Ok(format!(
        r#"{{"error":[],"result":{{"XXBTZUSD":[{bars}],"last":0}}}}"#
    ))
}

/// Open, high, low, close as JSON strings.
fn quoted(bar: &Candle) -> String {
    let prices = [bar.open, bar.high, bar.low, bar.close];
    prices.map(|price| format!("\"{price}\"")).join(",")
}

fn volume(bar: &Candle) -> String {
    format!("{:.8}", bar.volume)
}
