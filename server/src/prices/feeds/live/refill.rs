//! Fetches missing trades until the venue has told everything.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::backfill;
use super::continuity::Known;
use super::keeper::Event;
use super::venue::Followed;
use crate::wall::pause;

/// Trades out of order usually come within this time.
const MAY_BE_LATE: Duration = Duration::from_secs(1);
/// Tries of one back-fill: with the longest pause well beyond the closing of any evidence.
const MOST_TRIES: u32 = 150;

/// What is wanted.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) followed: Followed,
    pub(super) asset: String,
    pub(super) symbol: String,
    pub(super) before: Known,
    pub(super) is_urgent: bool,
}

/// Starts a task that brings the trades to the keeper.
pub(super) fn start(wanted: Wanted, events: mpsc::Sender<Event>, stop: CancellationToken) {
    tokio::spawn(async move {
        tokio::select! {
            () = fetch(wanted, events) => {}
            () = stop.cancelled() => {}
        }
    });
}

async fn fetch(wanted: Wanted, events: mpsc::Sender<Event>) {
    if !wanted.is_urgent {
        pause(MAY_BE_LATE).await;
    }
    let mut known = wanted.before;
    for tries in 1..=MOST_TRIES {
        match backfill::after(&wanted.followed, &wanted.symbol, known).await {
            Ok(filled) => {
                let last = filled.trades.iter().max_by_key(|trade| trade.trade_id);
                let next = last.map(|trade| Known {
                    trade_id: trade.trade_id,
                    venue_time_us: trade.venue_time_us,
                });
                let refilled = Event::Refilled {
                    venue: wanted.followed.venue(),
                    asset: wanted.asset.clone(),
                    before: wanted.before,
                    is_complete: filled.is_complete,
                    trades: filled.trades,
                };
                events.send(refilled).await.ok();
                if filled.is_complete {
                    return;
                }
                known = next.unwrap_or(known);
            }
            Err(error) => {
                let venue = wanted.followed.venue().name();
                tracing::warn!(venue, asset = wanted.asset, error, tries, "back-fill failed");
            }
        }
        pause(wanted.followed.patience.pause(tries)).await;
    }
}
