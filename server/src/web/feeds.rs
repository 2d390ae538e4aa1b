//! `GET /feeds`: the venues right now, what is missing, and which rounds that voided.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use domain::RoundState;

use super::error::WebError;
use super::feed_sources::{self, SourceRow};
use super::frame::{Frame, show};
use super::text;
use crate::app::App;
use crate::prices;
use crate::prices::connection_log::{Gap, is_clock_good};
use crate::prices::feeds::live::board::{Connection, MarketStatus, VenueStatus};
use crate::rounds::{self, RoundFilter};

/// Gaps of this time are shown, microseconds.
const GAPS_US: i64 = 24 * 3_600 * 1_000_000;
const SHOWN_GAPS: usize = 50;
const SHOWN_VOIDS: i64 = 20;

#[derive(Template)]
#[template(path = "feeds.html")]
struct FeedsView {
    frame: Frame,
    is_live: bool,
    alert: Option<String>,
    offset: String,
    markets: Vec<MarketRow>,
    ends: Vec<EndRow>,
    gaps: Vec<GapRow>,
    voids: Vec<VoidRow>,
    sources: Vec<SourceRow>,
}

struct MarketRow {
    venue: &'static str,
    connection: &'static str,
    connection_title: String,
    symbol: String,
    price: String,
    age: String,
    lag: String,
    clock: String,
    is_clock_good: bool,
    gaps: usize,
    trades: String,
}

struct EndRow {
    venue: &'static str,
    ended: String,
    reason: String,
    broken: String,
}

struct GapRow {
    venue: &'static str,
    asset: String,
    from: String,
    to: String,
    reason: String,
    state: String,
    is_filled: bool,
}

struct VoidRow {
    href: String,
    round: String,
    reason: String,
}

/// `GET /feeds`.
pub(super) async fn page(State(app): State<Arc<App>>) -> Result<Html<String>, WebError> {
    let now_us = app.market.now_us();
    let venues = app.feeds.as_ref().map(|board| board.venues());
    let venues = venues.unwrap_or_default();
    let mut conn = app.db.read().await?;
    let mut gaps = prices::gaps_since(&mut conn, &venues, now_us - GAPS_US).await?;
    gaps.truncate(SHOWN_GAPS);
    let filter = RoundFilter {
        tournament: None,
        states: vec![RoundState::Void],
        before_start_us: None,
        limit: SHOWN_VOIDS,
    };
    let voids = rounds::list(&mut conn, &filter).await?;
    let sources = feed_sources::rows(&app, &mut conn, now_us).await?;
    let board = app.feeds.as_ref();
    let offset = board.and_then(|board| board.our_offset_us());
    show(&FeedsView {
        sources,
        frame: Frame::new(&app, "Feeds", "/feeds"),
        is_live: app.feeds.is_some(),
        alert: board.and_then(|board| board.clock_alert()),
        offset: offset.map_or_else(
            || "not known yet".to_owned(),
            |us| format!("{} ms", us / 1_000),
        ),
        markets: venues
            .iter()
            .flat_map(|venue| rows(now_us, venue))
            .collect(),
        ends: venues.iter().map(end_row).collect(),
        gaps: gaps.into_iter().map(gap_row).collect(),
        voids: voids
            .into_iter()
            .map(|round| VoidRow {
                href: format!("/rounds/{}", round.id),
                round: round.id.to_string(),
                reason: round.void_reason,
            })
            .collect(),
    })
}

fn rows(now_us: i64, status: &VenueStatus) -> Vec<MarketRow> {
    let (connection, connection_title) = match status.connection {
        Connection::Up { since_us } => ("up", format!("since {}", text::moment(since_us))),
        Connection::Connecting => ("connecting", String::new()),
        Connection::Waiting { until_us } => (
            "waiting",
            format!("tried again at {}", text::moment(until_us)),
        ),
    };
    let milliseconds =
        |us: Option<i64>| us.map_or_else(|| "–".to_owned(), |us| format!("{} ms", us / 1_000));
    let offset_us = status.lag_us.or(status.clock_us);
    let row = |market: &MarketStatus| MarketRow {
        venue: status.venue.name(),
        connection,
        connection_title: connection_title.clone(),
        symbol: market.symbol.clone(),
        price: market
            .price
            .map_or_else(|| "–".to_owned(), |price| price.to_string()),
        age: age(now_us, market.received_us),
        lag: milliseconds(status.lag_us),
        clock: milliseconds(status.clock_us),
        is_clock_good: offset_us.is_none_or(is_clock_good),
        gaps: market.open_gaps,
        trades: text::count(i64::try_from(market.trades).unwrap_or(i64::MAX)),
    };
    status.markets.values().map(row).collect()
}

fn age(now_us: i64, at_us: i64) -> String {
    if at_us == 0 {
        return "–".to_owned();
    }
    let tenths = (now_us - at_us).max(0) / 100_000;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

fn end_row(status: &VenueStatus) -> EndRow {
    EndRow {
        venue: status.venue.name(),
        ended: status.ended.to_string(),
        reason: status.last_end.clone(),
        broken: (status.unknown + status.broken).to_string(),
    }
}

fn gap_row(gap: Gap) -> GapRow {
    GapRow {
        venue: gap.venue.name(),
        from: text::moment(gap.from_us),
        to: if gap.to_us == Gap::OPEN {
            "now".to_owned()
        } else {
            text::moment(gap.to_us)
        },
        reason: gap.reason,
        is_filled: gap.filled_us > 0,
        state: if gap.filled_us > 0 {
            format!("filled {}", text::moment(gap.filled_us))
        } else {
            "not filled".to_owned()
        },
        asset: gap.asset,
    }
}
