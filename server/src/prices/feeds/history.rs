//! Closed candles of the past, from a venue's REST interface, page by page.
//!
//! Owns the asking: limits, pauses, repetitions. Must never fill a gap or decide what is stored.

use std::ops::Range;
use std::time::Duration;

use datasets::candle::BAR_US;
use datasets::{Asset, Candle, CandleSeries, DatasetError};
use domain::Venue;
use reqwest::{Client, StatusCode};
use thiserror::Error;

use super::message::DecodeError;
use super::rest::{self, bar_pages};
use crate::wall::pause;

/// Between two pages: far below what each venue allows from one address.
const BETWEEN_PAGES: Duration = Duration::from_millis(150);
/// The first of the pauses before a repetition; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 6;
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// Ten years.
const MOST_BARS: i64 = 10 * 366 * 288;

/// Why history cannot be had.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The span is empty, off the five-minute grid, or too long.
    #[error("the span {from_us} to {to_us} us is refused: {reason}")]
    Span {
        /// Its start, microseconds.
        from_us: i64,
        /// Its end, microseconds.
        to_us: i64,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The venue cannot be reached, or goes on refusing.
    #[error("{venue} does not answer {path}: {reason}", venue = .venue.name())]
    Unreachable {
        /// Which venue.
        venue: Venue,
        /// What was asked.
        path: String,
        /// The last failure.
        reason: String,
    },
    /// An answer that is not what the venue documents, or its own refusal.
    #[error("the answer of {venue} to {path} is not used: {source}", venue = .venue.name())]
    Answer {
        /// Which venue.
        venue: Venue,
        /// What was asked.
        path: String,
        /// Why not.
        source: DecodeError,
    },
    /// A bar that no market can produce, or one twice.
    #[error(transparent)]
    Candle(#[from] DatasetError),
}

/// A market of a venue, and where its REST interface is.
#[derive(Clone, Debug)]
pub struct Market {
    /// Whose candles.
    pub venue: Venue,
    /// The venue's name of the market: `BTCUSDT`, `BTC-USD`, `BTC/USD`.
    pub symbol: String,
    /// What is traded.
    pub asset: Asset,
    /// `https://…` without a path.
    pub rest: String,
}

/// The candles of `market` that open in `span_us`, in rising order; bars may be missing, see
/// [`gaps`].
///
/// # Errors
/// See [`HistoryError`].
pub async fn candles(market: &Market, span_us: Range<i64>) -> Result<Vec<Candle>, HistoryError> {
    admit(&span_us)?;
    let client = Client::builder().timeout(ANSWER_LIMIT).build();
    let client = client.map_err(|error| unreachable(market, "", &error))?;
    let mut all = Vec::new();
    let pages = bar_pages(market.venue, &market.symbol, span_us);
    for (number, page) in pages.enumerate() {
        if number > 0 {
            pause(BETWEEN_PAGES).await;
        }
        let answer = fetch(&client, market, &page.path).await?;
        let bars = page
            .decode(&answer)
            .map_err(|source| HistoryError::Answer {
                venue: market.venue,
                path: page.path.clone(),
                source,
            })?;
        all.extend(bars);
    }
    let series = CandleSeries::new(market.asset, all)?;
    Ok(series.as_slice().to_vec())
}

/// The missing bars of rising `candles` in `span_us`, as spans.
#[must_use]
pub fn gaps(candles: &[Candle], span_us: Range<i64>) -> Vec<Range<i64>> {
    let ends = candles.iter().map(Candle::close_time_us);
    let starts = candles.iter().map(|bar| bar.open_time_us);
    let from = std::iter::once(span_us.start).chain(ends);
    let to = starts.chain(std::iter::once(span_us.end));
    from.zip(to)
        .map(|(from_us, to_us)| from_us..to_us)
        .filter(|gap| gap.start < gap.end)
        .collect()
}

fn admit(span_us: &Range<i64>) -> Result<(), HistoryError> {
    let off_grid = |us: i64| us.rem_euclid(BAR_US) != 0;
    let reason = if span_us.start >= span_us.end {
        "it is empty"
    } else if off_grid(span_us.start) || off_grid(span_us.end) {
        "both ends must be multiples of five minutes"
    } else if span_us.end.saturating_sub(span_us.start) > MOST_BARS * BAR_US {
        "it is longer than ten years"
    } else {
        return Ok(());
    };
    Err(HistoryError::Span {
        from_us: span_us.start,
        to_us: span_us.end,
        reason,
    })
}

/// One answer; what passes is tried again with growing pauses.
async fn fetch(client: &Client, market: &Market, path: &str) -> Result<Vec<u8>, HistoryError> {
    let url = format!("{}{path}", market.rest.trim_end_matches('/'));
    let mut wait = FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        let failure = match rest::read(client, &url).await {
            Ok((status, body)) if status.is_success() => return Ok(body),
            Ok((status, body)) => {
                let said = String::from_utf8_lossy(&body);
                let said: String = said.chars().take(200).collect();
                let failure = format!("{status} {said}");
                if !(status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()) {
                    return Err(unreachable(market, path, &failure));
                }
                failure
            }
            Err(error) => format!("{:#}", anyhow::Error::from(error)),
        };
        if attempt == ATTEMPTS {
            return Err(unreachable(market, path, &failure));
        }
        tracing::info!(venue = market.venue.name(), failure, "asking again");
        pause(wait).await;
        wait *= 2;
        attempt += 1;
    }
}

fn unreachable(market: &Market, path: &str, reason: &impl ToString) -> HistoryError {
    HistoryError::Unreachable {
        venue: market.venue,
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::history_fixture::Venues;
    use super::*;

    #[test]
    fn gaps_are_named_at_both_ends_and_between() {
        let price = domain::Price::from_units(1).expect("a price");
        let bar = |n: i64| Candle {
            open_time_us: n * BAR_US,
            open: price,
            high: price,
            low: price,
            close: price,
            volume: 0.0,
        };
        let found = gaps(&[bar(2), bar(3), bar(6)], 0..8 * BAR_US);
        let expected = [0..2, 4..6, 7..8].map(|gap| gap.start * BAR_US..gap.end * BAR_US);
        assert_eq!(found, expected);
        assert!(gaps(&[bar(0), bar(1)], 0..2 * BAR_US).is_empty());
        assert_eq!(gaps(&[], 0..BAR_US).first(), Some(&(0..BAR_US)));
    }

    fn market(venue: Venue, rest: String) -> Market {
        Market {
            venue,
            symbol: "BTCUSDT".into(),
            asset: Asset::Btc,
            rest,
        }
    }

    #[tokio::test]
    async fn every_venue_is_read_page_by_page_to_the_same_candles() {
        let history = datasets::bundled::candles().expect("bundled");
        let all = history.btc.as_slice();
        let newest = all.get(all.len() - 700..).expect("candles");
        let span = newest[0].open_time_us..all[all.len() - 1].close_time_us();
        for (venue, pages) in [
            (Venue::Binance, 1),
            (Venue::Coinbase, 3),
            (Venue::Kraken, 1),
        ] {
            // Busy once: it is asked again.
            let (venues, rest) = Venues::serve(all.to_vec(), 1).await;
            let read = candles(&market(venue, rest), span.clone()).await;
            assert_eq!(read.expect("candles"), newest, "{}", venue.name());
            assert_eq!(venues.asked(), pages, "{}", venue.name());
        }
    }

    #[tokio::test]
    async fn what_a_venue_does_not_have_is_a_gap() {
        let history = datasets::bundled::candles().expect("bundled");
        let mut all = history.btc.as_slice().to_vec();
        let missing = all.remove(400);
        let span = all[0].open_time_us..all[1_200].open_time_us;
        let (_venues, rest) = Venues::serve(all.clone(), 0).await;
        let read = candles(&market(Venue::Coinbase, rest.clone()), span.clone()).await;
        let read = read.expect("candles");
        let gap = missing.open_time_us..missing.close_time_us();
        assert_eq!(gaps(&read, span.clone()), [gap]);
        // Kraken keeps the newest bars only: everything older is one gap.
        let read = candles(&market(Venue::Kraken, rest), span.clone()).await;
        assert_eq!(gaps(&read.expect("answers"), span.clone()), [span]);
    }

    #[tokio::test]
    async fn a_refusal_is_said_at_once() {
        let market = market(Venue::Binance, Venues::serve(vec![], 0).await.1 + "/wrong");
        let refused = candles(&market, 0..BAR_US).await.expect_err("refused");
        assert!(refused.to_string().contains("404"), "{refused}");
    }

    #[test]
    fn spans_are_checked_before_anybody_is_asked() {
        let five = BAR_US;
        for (start, end) in [(0, 0), (five, 0), (1, five), (0, five + 1), (0, i64::MAX)] {
            assert!(admit(&(start..end)).is_err(), "{start} to {end}");
        }
        assert!(admit(&(0..BAR_US)).is_ok());
    }
}
