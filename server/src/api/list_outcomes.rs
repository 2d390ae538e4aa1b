//! `GET /tournaments/{id}/outcomes`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::timestamp::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{ApiQuery, moment, page_length, tournament_id};
use super::problem::{Problem, QueryProblems, UnknownTournament};
use crate::app::App;
use crate::{prices, rounds};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OutcomesQuery {
    /// At most so many, 1 to 1000; 100 when absent.
    limit: Option<i64>,
    /// Only rounds that start before this: RFC 3339, or the `next_before` of a page.
    before: Option<String>,
}

/// Outcomes, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct OutcomesBody {
    outcomes: Vec<OutcomeBody>,
    /// Send it as `before` for the next page; null on the last one.
    next_before: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct OutcomeBody {
    round: String,
    starts_at: String,
    start_us: i64,
    /// `up`, `down` or `void`.
    outcome: &'static str,
}

/// Which way the price went in the past rounds, newest first.
#[utoipa::path(
    get,
    path = "/tournaments/{id}/outcomes",
    tag = "tournaments",
    params(("id" = String, Path, description = "Tournament id"), OutcomesQuery),
    responses((status = 200, body = OutcomesBody), UnknownTournament, QueryProblems)
)]
pub(super) async fn list_outcomes(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<OutcomesQuery>,
) -> Result<Json<OutcomesBody>, Problem> {
    let id = tournament_id(&id)?;
    let limit = page_length(query.limit, 100, 1_000)?;
    let before_us = query.before.as_deref().map_or(Ok(i64::MAX), moment)?;
    let mut conn = app.db.read().await?;
    rounds::tournament(&mut conn, &id).await?;
    let outcomes = prices::outcomes(&mut conn, &id, before_us, limit).await?;
    let is_full = i64::try_from(outcomes.len()) == Ok(limit);
    let last = outcomes.last().filter(|_| is_full);
    let next_before = last.map(|(round, _)| round.start_us().to_string());
    let outcomes = outcomes
        .into_iter()
        .map(|(round, outcome)| OutcomeBody {
            starts_at: rfc3339(round.start_us()),
            start_us: round.start_us(),
            round: round.to_string(),
            outcome: outcome.name(),
        })
        .collect();
    Ok(Json(OutcomesBody {
        outcomes,
        next_before,
    }))
}
