//! `GET /rounds/next`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::timestamp::rfc3339;
use domain::{RoundState, TournamentId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{ApiQuery, bad_query, page_length, tournament_id};
use super::problem::{Problem, QueryProblems, UnknownTournament};
use super::round_body::RoundBody;
use crate::app::App;
use crate::prices;
use crate::rounds::{self, Round, RoundError};

/// Most tournaments that one question names.
const TOURNAMENTS: usize = 50;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct NextRoundsQuery {
    /// Only rounds of these tournaments, at most 50, with commas between; all when absent.
    #[param(max_length = 5000, example = "btc-usd-5m,eth-usd-5m")]
    tournaments: Option<String>,
    /// At most so many, 1 to 100; 20 when absent.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<i64>,
}

/// The rounds that take predictions or soon will, and the clock that they are timed by.
#[derive(Serialize, ToSchema)]
pub(super) struct NextRoundsBody {
    /// Market microseconds when this was answered.
    now_us: i64,
    /// The same as RFC 3339.
    now_at: String,
    /// Market seconds per wall second: 1, or more in a replay.
    speed: f64,
    /// Open ones first, then by start.
    rounds: Vec<NextRoundBody>,
}

/// A round that is open or will open.
#[derive(Serialize, ToSchema)]
struct NextRoundBody {
    #[serde(flatten)]
    round: RoundBody,
    /// Market milliseconds until it opens; 0 when it is open.
    ms_to_open: i64,
    /// Market milliseconds until predictions are refused.
    ms_to_deadline: i64,
    /// From here on `GET /rounds/{round}/features` has its features.
    features_at: String,
    features_us: i64,
}

/// The next rounds with the server's time, in one answer: what a bot asks before it predicts. A round
/// is listed until its deadline.
#[utoipa::path(
    get,
    path = "/rounds/next",
    tag = "rounds",
    params(NextRoundsQuery),
    responses((status = 200, body = NextRoundsBody), QueryProblems, UnknownTournament)
)]
pub(super) async fn list_next_rounds(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<NextRoundsQuery>,
) -> Result<Json<NextRoundsBody>, Problem> {
    let limit = page_length(query.limit, 20, 100)?;
    let asked = query.tournaments.as_deref().unwrap_or_default();
    let tournaments = tournaments(asked)?;
    let mut conn = app.db.read().await?;
    let entered = rounds::tournaments(&mut conn).await?;
    let is_entered = |id: &TournamentId| entered.iter().any(|one| one.tournament.id == *id);
    if let Some(unknown) = tournaments.iter().find(|id| !is_entered(id)) {
        return Err(RoundError::UnknownTournament(unknown.to_string()).into());
    }
    let now_us = app.market.now_us();
    let mut found = rounds::upcoming(&mut conn, now_us, &tournaments, limit).await?;
    found.sort_by_key(|round| round.state != RoundState::Open);
    let rounds = found.iter().map(|round| NextRoundBody::new(round, now_us));
    Ok(Json(NextRoundsBody {
        now_us,
        now_at: rfc3339(now_us),
        speed: app.market.speed(),
        rounds: rounds.collect(),
    }))
}

fn tournaments(text: &str) -> Result<Vec<TournamentId>, Problem> {
    let names: Vec<&str> = text.split(',').filter(|name| !name.is_empty()).collect();
    if names.len() > TOURNAMENTS {
        return Err(bad_query(
            format!("`tournaments` names {} of them.", names.len()),
            format!("Name at most {TOURNAMENTS}, or none for all."),
        ));
    }
    names.into_iter().map(tournament_id).collect()
}

impl NextRoundBody {
    fn new(round: &Round, now_us: i64) -> Self {
        let left_ms = |until_us: i64| until_us.saturating_sub(now_us).max(0) / 1_000;
        let features_us = prices::features_closed_by_us(round.schedule.start_us);
        Self {
            ms_to_open: left_ms(round.schedule.opens_us),
            ms_to_deadline: left_ms(round.schedule.deadline_us),
            features_at: rfc3339(features_us),
            features_us,
            round: RoundBody::new(round, None),
        }
    }
}
