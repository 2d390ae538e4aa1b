//! `GET /feeds`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::timestamp::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Problem;
use super::source_body::SourceBody;
use crate::app::App;
use crate::prices;
use crate::prices::connection_log::{Gap, is_clock_good};
use crate::prices::feeds::live::board::{Connection, VenueStatus};
use crate::prices::observations;

/// Gaps of this time are listed, microseconds.
const GAPS_US: i64 = 24 * 3_600 * 1_000_000;

/// The live feeds, as they are now.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct FeedsBody {
    /// The server's clock.
    pub(crate) now_us: i64,
    /// False where prices are a replay: then nothing else is told.
    pub(crate) is_live: bool,
    /// Our clock less the venues', milliseconds; null while fewer than two venues tell.
    pub(crate) our_offset_ms: Option<i64>,
    /// Why nothing locks or resolves now; null when our clock is right.
    pub(crate) clock_alert: Option<String>,
    pub(crate) venues: Vec<VenueBody>,
    /// Gaps of the last 24 hours, newest first.
    pub(crate) gaps: Vec<GapBody>,
    /// The numeric sources.
    #[serde(default)]
    pub(crate) sources: Vec<SourceBody>,
}

/// One venue.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = FeedVenue)]
pub(crate) struct VenueBody {
    pub(crate) venue: String,
    /// `up`, `connecting` or `waiting`.
    pub(crate) connection: String,
    /// Since when it is up, or when it is tried again.
    pub(crate) connection_at: Option<String>,
    /// Connections that ended since the server started.
    pub(crate) ended: u64,
    /// Why the last one ended.
    pub(crate) last_end: Option<String>,
    pub(crate) frames: u64,
    /// Frames that the venue does not document, and broken ones.
    pub(crate) unknown_frames: u64,
    pub(crate) broken_frames: u64,
    /// Since the last frame of any kind, seconds.
    pub(crate) frame_age_s: Option<f64>,
    /// Receive time less the stamps of its trades, median of ten seconds, milliseconds.
    pub(crate) lag_ms: Option<i64>,
    /// Our clock less its REST clock, milliseconds.
    pub(crate) clock_offset_ms: Option<i64>,
    /// False: its trades are no evidence now.
    pub(crate) is_clock_good: bool,
    /// By asset.
    pub(crate) markets: BTreeMap<String, MarketBody>,
}

/// One market of a venue.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = FeedMarket)]
pub(crate) struct MarketBody {
    pub(crate) symbol: String,
    /// Trades since the server started.
    pub(crate) trades: u64,
    pub(crate) price: Option<String>,
    /// Since the newest trade was received, seconds.
    pub(crate) age_s: Option<f64>,
    /// Times in which trades are missing now.
    pub(crate) open_gaps: usize,
}

/// A time in which trades of a venue may be missing.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = FeedGap)]
pub(crate) struct GapBody {
    pub(crate) venue: String,
    pub(crate) asset: String,
    pub(crate) found_at: String,
    pub(crate) from_at: String,
    /// Null while it goes on.
    pub(crate) to_at: Option<String>,
    pub(crate) reason: String,
    /// When nothing was missing any more; null while something may be.
    pub(crate) filled_at: Option<String>,
}

/// The live feeds: connections, ages, gaps and clocks of every venue.
#[utoipa::path(
    get,
    path = "/feeds",
    tag = "service",
    responses((status = 200, body = FeedsBody))
)]
pub(super) async fn get_feeds(State(app): State<Arc<App>>) -> Result<Json<FeedsBody>, Problem> {
    let now_us = app.market.now_us();
    let Some(board) = &app.feeds else {
        return Ok(Json(FeedsBody {
            now_us,
            is_live: false,
            our_offset_ms: None,
            clock_alert: None,
            venues: Vec::new(),
            gaps: Vec::new(),
            sources: Vec::new(),
        }));
    };
    let venues = board.venues();
    let mut conn = app.db.read().await?;
    let gaps = prices::gaps_since(&mut conn, &venues, now_us - GAPS_US).await?;
    let mut sources = Vec::new();
    for status in board.sources().sources() {
        let (span, schedule) = ((now_us - GAPS_US, now_us), status.settings.schedule_us());
        let gaps = observations::gaps(&mut conn, &status.settings.name, span, schedule).await?;
        sources.push(SourceBody::new(now_us, status, &gaps));
    }
    Ok(Json(FeedsBody {
        now_us,
        is_live: true,
        our_offset_ms: board.our_offset_us().map(|us| us / 1_000),
        clock_alert: board.clock_alert(),
        venues: venues
            .into_iter()
            .map(|status| VenueBody::new(now_us, status))
            .collect(),
        gaps: gaps.into_iter().map(GapBody::from).collect(),
        sources,
    }))
}

impl VenueBody {
    fn new(now_us: i64, status: VenueStatus) -> Self {
        let (connection, at_us) = match status.connection {
            Connection::Up { since_us } => ("up", Some(since_us)),
            Connection::Connecting => ("connecting", None),
            Connection::Waiting { until_us } => ("waiting", Some(until_us)),
        };
        let offset_us = status.lag_us.or(status.clock_us);
        let markets = status.markets.into_iter().map(|(asset, market)| {
            let body = MarketBody {
                symbol: market.symbol,
                trades: market.trades,
                price: market.price.map(|price| price.to_string()),
                age_s: age_s(now_us, market.received_us),
                open_gaps: market.open_gaps,
            };
            (asset, body)
        });
        Self {
            venue: status.venue.name().to_owned(),
            connection: connection.to_owned(),
            connection_at: at_us.map(rfc3339),
            ended: status.ended,
            last_end: Some(status.last_end).filter(|end| !end.is_empty()),
            frames: status.frames,
            unknown_frames: status.unknown,
            broken_frames: status.broken,
            frame_age_s: age_s(now_us, status.frame_us),
            lag_ms: status.lag_us.map(|us| us / 1_000),
            clock_offset_ms: status.clock_us.map(|us| us / 1_000),
            is_clock_good: offset_us.is_none_or(is_clock_good),
            markets: markets.collect(),
        }
    }
}

/// Seconds since a moment, in tenths; none when it never was.
#[expect(clippy::cast_precision_loss, reason = "ages are small")]
pub(super) fn age_s(now_us: i64, at_us: i64) -> Option<f64> {
    (at_us > 0).then(|| ((now_us - at_us) / 100_000) as f64 / 10.0)
}

impl From<Gap> for GapBody {
    fn from(gap: Gap) -> Self {
        Self {
            venue: gap.venue.name().to_owned(),
            asset: gap.asset,
            found_at: rfc3339(gap.found_us),
            from_at: rfc3339(gap.from_us),
            to_at: (gap.to_us != Gap::OPEN).then(|| rfc3339(gap.to_us)),
            reason: gap.reason,
            filled_at: (gap.filled_us > 0).then(|| rfc3339(gap.filled_us)),
        }
    }
}
