//! `GET /tournaments/{id}/candles`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use datasets::Candle;
use datasets::candle::BAR_US;
use domain::timestamp::{SECOND_US, rfc3339};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{ApiQuery, moment, page_length, tournament_id};
use super::problem::{CandleProblems, Problem, QueryProblems};
use crate::app::App;
use crate::{prices, rounds};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CandlesQuery {
    /// Only candles that open before this: RFC 3339, or the `next_before` of a page.
    #[param(max_length = 40, example = "2024-03-05T12:00:00Z")]
    before: Option<String>,
    /// At most so many, 1 to 1000; 288 when absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// Closed five-minute candles of a tournament's asset, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct CandlesBody {
    #[schema(example = "btc")]
    asset: String,
    /// Length of a candle, seconds.
    #[schema(example = 300)]
    interval_s: i64,
    candles: Vec<CandleBody>,
    /// Send it as `before` for the next page; null on the last one.
    next_before: Option<String>,
}

/// One candle; prices are exact decimals.
#[derive(Serialize, ToSchema)]
#[schema(as = Candle)]
struct CandleBody {
    opens_at: String,
    open_us: i64,
    /// It is here from this moment on, never earlier.
    closes_at: String,
    #[schema(example = "67012.50")]
    open: String,
    #[schema(example = "67050.00")]
    high: String,
    #[schema(example = "66990.10")]
    low: String,
    #[schema(example = "67001.00")]
    close: String,
    /// In the asset.
    volume: f64,
}

/// Closed candles, the same that features and datasets are made from. A bar that closed is here once
/// its trades have come in, mostly within a second; a bar of a time without data is left out.
#[utoipa::path(
    get,
    path = "/tournaments/{id}/candles",
    tag = "tournaments",
    params(("id" = String, Path, description = "Tournament id", example = "btc-usd-5m"), CandlesQuery),
    responses((status = 200, body = CandlesBody), CandleProblems, QueryProblems)
)]
pub(super) async fn list_candles(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<CandlesQuery>,
) -> Result<Json<CandlesBody>, Problem> {
    let id = tournament_id(&id)?;
    let limit = page_length(query.limit, 288, 1_000)?;
    let before_us = query.before.as_deref().map_or(Ok(i64::MAX), moment)?;
    let mut conn = app.db.read().await?;
    let tournament = rounds::tournament(&mut conn, &id).await?.tournament;
    if tournament.is_of_sources() {
        return Err(no_candles(id.as_str()));
    }
    // A candle that opens before a moment has closed less than one length after it.
    let last_us = before_us.saturating_add(BAR_US).saturating_sub(1);
    let closed_by_us = app.market.now_us().min(last_us);
    let asset = tournament.asset;
    let found = prices::newest_candles(&mut conn, &asset, closed_by_us, limit).await?;
    let is_full = i64::try_from(found.len()) == Ok(limit);
    let last = found.last().filter(|_| is_full);
    Ok(Json(CandlesBody {
        asset,
        interval_s: BAR_US / SECOND_US,
        next_before: last.map(|candle| candle.open_time_us.to_string()),
        candles: found.iter().map(CandleBody::from).collect(),
    }))
}

fn no_candles(id: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no-candles",
        "The tournament has no candles",
        format!("Tournament {id} is decided by a numeric source, not by trades."),
        "`GET /api/v1/tournaments` says which tournaments are on an asset that is traded.",
    )
}

impl From<&Candle> for CandleBody {
    fn from(candle: &Candle) -> Self {
        Self {
            opens_at: rfc3339(candle.open_time_us),
            open_us: candle.open_time_us,
            closes_at: rfc3339(candle.open_time_us.saturating_add(BAR_US)),
            open: candle.open.to_string(),
            high: candle.high.to_string(),
            low: candle.low.to_string(),
            close: candle.close.to_string(),
            volume: candle.volume,
        }
    }
}
