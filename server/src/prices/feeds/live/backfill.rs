//! Trades that the stream did not bring, from the venues' REST interfaces.

use std::time::Duration;

use domain::Venue;

use super::continuity::Known;
use super::venue::Followed;
use crate::prices::feeds::message::{VenueTrade, shortened};
use crate::prices::feeds::protocol::{self, Cursor};
use crate::prices::feeds::rest;
use crate::wall::pause;

/// Pages of one back-fill at most: hours of trades. A longer absence has voided its rounds already.
const MOST_PAGES: usize = 200;
/// Between two pages, so that a long back-fill stays far from the venues' limits.
const BETWEEN_PAGES: Duration = Duration::from_millis(100);

/// What a back-fill brought.
#[derive(Debug)]
pub(super) struct Filled {
    /// The trades.
    pub(super) trades: Vec<VenueTrade>,
    /// Whether the venue has told everything after the known trade.
    pub(super) is_complete: bool,
}

/// Asks for everything after `known`.
///
/// # Errors
/// The venue's answer that could not be used, for people.
pub(super) async fn after(
    followed: &Followed,
    symbol: &str,
    known: Known,
) -> Result<Filled, String> {
    let venue = followed.venue();
    let mut cursor = Cursor::after(known.trade_id, known.venue_time_us);
    let mut trades = Vec::new();
    for page in 0..MOST_PAGES {
        if page > 0 {
            pause(BETWEEN_PAGES).await;
        }
        let found = one_page(followed, venue, symbol, &cursor).await?;
        let next = protocol::after_page(venue, &cursor, &found);
        trades.extend(
            found
                .into_iter()
                .filter(|trade| trade.trade_id > known.trade_id),
        );
        match next {
            // A page that leads nowhere would be asked for again for ever.
            Some(next) if next != cursor => cursor = next,
            Some(_) => break,
            None => {
                return Ok(Filled {
                    trades,
                    is_complete: true,
                });
            }
        }
    }
    Ok(Filled {
        trades,
        is_complete: false,
    })
}

async fn one_page(
    followed: &Followed,
    venue: Venue,
    symbol: &str,
    cursor: &Cursor,
) -> Result<Vec<VenueTrade>, String> {
    let path = protocol::trades_path(venue, symbol, cursor);
    let body = get(followed, &path).await?;
    protocol::decode_trades(venue, symbol, &body).map_err(|error| format!("{path}: {error}"))
}

/// One REST answer within the venue's patience.
///
/// # Errors
/// Whatever went wrong, for people.
pub(super) async fn get(followed: &Followed, path: &str) -> Result<Vec<u8>, String> {
    let url = format!("{}{path}", followed.settings.rest.trim_end_matches('/'));
    let seconds = followed.patience.answer_s;
    tokio::select! {
        answer = fetch(&followed.http, &url) => answer.map_err(|why| format!("{path}: {why}")),
        () = pause(Duration::from_secs(seconds)) => {
            Err(format!("{path}: no answer within {seconds} s"))
        }
    }
}

async fn fetch(http: &reqwest::Client, url: &str) -> Result<Vec<u8>, String> {
    let short = |error: reqwest::Error| shortened(&error.without_url().to_string());
    let (status, body) = rest::read(http, url).await.map_err(short)?;
    if !status.is_success() {
        let said = shortened(&String::from_utf8_lossy(&body));
        return Err(format!("status {status}: {said}"));
    }
    Ok(body)
}
