//! Venues' REST interfaces: one bounded answer, and the pages of a span of bars.
//!
//! Must never repeat a question or pause: how patient one is differs by who asks.

use std::ops::Range;

use datasets::Candle;
use datasets::candle::BAR_US;
use domain::Venue;
use reqwest::{Client, StatusCode};

use super::message::{DecodeError, LONGEST_ANSWER};
use super::protocol::{candles_path, candles_per_page, decode_candles};

/// Reads one answer: at most a little more than [`LONGEST_ANSWER`] bytes, which decoders refuse.
///
/// # Errors
/// When the venue cannot be reached or breaks off.
pub(super) async fn read(client: &Client, url: &str) -> reqwest::Result<(StatusCode, Vec<u8>)> {
    let mut answer = client.get(url).send().await?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
            break;
        }
    }
    Ok((status, body))
}

/// One question of a span of bars.
#[derive(Clone, Debug)]
pub(super) struct BarPage {
    venue: Venue,
    span_us: Range<i64>,
    /// Path and query.
    pub(super) path: String,
}

/// The questions that together ask for the bars of a market that open in `span_us`.
pub(super) fn bar_pages(
    venue: Venue,
    symbol: &str,
    span_us: Range<i64>,
) -> impl Iterator<Item = BarPage> {
    let page_us = candles_per_page(venue) * BAR_US;
    let mut from_us = span_us.start;
    std::iter::from_fn(move || {
        let page = from_us..span_us.end.min(from_us.saturating_add(page_us));
        from_us = page.end;
        (!page.is_empty()).then(|| BarPage {
            venue,
            path: candles_path(venue, symbol, page.start, page.end),
            span_us: page,
        })
    })
}

impl BarPage {
    /// The bars of an answer to this page. A venue may answer more than was asked for, and the bar
    /// that has not closed: those are left out.
    ///
    /// # Errors
    /// Answers that are not what the venue documents, and its own refusals.
    pub(super) fn decode(&self, answer: &[u8]) -> Result<Vec<Candle>, DecodeError> {
        let bars = decode_candles(self.venue, answer)?;
        let asked = bars
            .iter()
            .filter(|bar| self.span_us.contains(&bar.open_time_us));
        Ok(asked.map(super::message::VenueCandle::candle).collect())
    }
}
