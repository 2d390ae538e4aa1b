//! `GET /aggregates`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::aggregate_body::AggregateBody;
use super::extract::{ApiQuery, moment, page_length, tournament_id};
use super::problem::{Problem, QueryProblems, UnknownTournament};
use crate::app::App;
use crate::{aggregates, rounds};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AggregatesQuery {
    /// The tournament.
    tournament: String,
    /// Out of at most so many resolved rounds, 1 to 1000; 100 when absent.
    limit: Option<i64>,
    /// Only rounds that start before this: RFC 3339 or microseconds.
    before: Option<String>,
}

/// Aggregates, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct AggregatesBody {
    aggregates: Vec<AggregateBody>,
    /// Send it as `before` for the next page; null on the last one.
    next_before: Option<String>,
}

/// Aggregates of resolved rounds with their outcomes, newest first. Free for all.
#[utoipa::path(
    get,
    path = "/aggregates",
    tag = "rounds",
    params(AggregatesQuery),
    responses((status = 200, body = AggregatesBody), QueryProblems, UnknownTournament)
)]
pub(super) async fn list_aggregates(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<AggregatesQuery>,
) -> Result<Json<AggregatesBody>, Problem> {
    let tournament = tournament_id(&query.tournament)?;
    let limit = page_length(query.limit, 100, 1_000)?;
    let before_us = query.before.as_deref().map_or(Ok(i64::MAX), moment)?;
    let mut conn = app.db.read().await?;
    rounds::tournament(&mut conn, &tournament).await?;
    let page =
        aggregates::page_of_resolved_rounds(&mut conn, &tournament, before_us, limit).await?;
    let aggregates = page
        .found
        .iter()
        .map(|(aggregate, outcome)| AggregateBody::new(aggregate, Some(*outcome)))
        .collect();
    Ok(Json(AggregatesBody {
        aggregates,
        next_before: page.next_before_us.map(|us| us.to_string()),
    }))
}
