//! `GET /rounds/{id}/aggregate`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::aggregate_body::AggregateBody;
use super::extract::round_id;
use super::get_prediction::not_yet_resolved;
use super::problem::{NotYetResolved, Problem, UnknownRound};
use super::round_body::is_revealed;
use crate::app::App;
use crate::{aggregates, prices, rounds};

/// The aggregate of a resolved round.
#[utoipa::path(
    get,
    path = "/rounds/{id}/aggregate",
    tag = "rounds",
    params(("id" = String, Path, description = "Round id")),
    responses((status = 200, body = AggregateBody), UnknownRound, NotYetResolved)
)]
pub(super) async fn get_round_aggregate(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<AggregateBody>, Problem> {
    let id = round_id(&id)?;
    let mut conn = app.db.read().await?;
    let round = rounds::get(&mut conn, &id).await?;
    if !is_revealed(&round, app.market.now_us()) {
        return Err(not_yet_resolved(&id.to_string(), "The aggregate"));
    }
    let outcome = prices::resolution(&mut conn, &id)
        .await?
        .map(|resolution| resolution.outcome);
    let aggregate = aggregates::of_round(&mut conn, &id).await?;
    let aggregate = aggregate.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "no-aggregate",
            "The round has no aggregate",
            format!("No staked model predicted in round {id}."),
            "`GET /api/v1/aggregates?tournament=…` lists the aggregates that there are.",
        )
    })?;
    Ok(Json(AggregateBody::new(&aggregate, outcome)))
}
