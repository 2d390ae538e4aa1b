//! `GET /rounds`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{Outcome, RoundId, RoundState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{ApiQuery, bad_query, moment, page_length, tournament_id};
use super::problem::{Problem, QueryProblems, UnknownTournament};
use super::round_body::RoundBody;
use crate::app::App;
use crate::db::Conn;
use crate::prices;
use crate::rounds::{self, Round, RoundFilter};

const STATES: [RoundState; 10] = [
    RoundState::Scheduled,
    RoundState::Open,
    RoundState::Locked,
    RoundState::Committed,
    RoundState::Evidenced,
    RoundState::Resolved,
    RoundState::Scored,
    RoundState::Batched,
    RoundState::Final,
    RoundState::Void,
];

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RoundsQuery {
    /// Only this tournament's rounds.
    tournament: Option<String>,
    /// Only rounds in these shown states, `open` or `resolved,scored,settled`.
    state: Option<String>,
    /// At most so many, 1 to 500; 50 when absent.
    limit: Option<i64>,
    /// Only rounds that start before this: RFC 3339, or microseconds as `next_before` gives them.
    before: Option<String>,
}

/// Rounds, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct RoundsBody {
    rounds: Vec<RoundBody>,
    /// Send it as `before` for the next page; null on the last one.
    next_before: Option<String>,
}

/// Rounds by tournament and state, newest first.
#[utoipa::path(
    get,
    path = "/rounds",
    tag = "rounds",
    params(RoundsQuery),
    responses((status = 200, body = RoundsBody), QueryProblems, UnknownTournament)
)]
pub(super) async fn list_rounds(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<RoundsQuery>,
) -> Result<Json<RoundsBody>, Problem> {
    let filter = filter(&query)?;
    let mut conn = app.db.read().await?;
    if let Some(tournament) = &filter.tournament {
        rounds::tournament(&mut conn, tournament).await?;
    }
    let found = rounds::list(&mut conn, &filter).await?;
    let outcomes = outcomes(&mut conn, &found, filter.limit).await?;
    let is_full = i64::try_from(found.len()).is_ok_and(|length| length == filter.limit);
    let last = found.last().filter(|_| is_full);
    Ok(Json(RoundsBody {
        next_before: last.map(|round| round.schedule.start_us.to_string()),
        rounds: found
            .iter()
            .map(|round| RoundBody::new(round, outcomes.get(&round.id).copied()))
            .collect(),
    }))
}

/// One query for each tournament on the page, however many rounds are on it.
async fn outcomes(
    conn: &mut Conn,
    page: &[Round],
    limit: i64,
) -> Result<HashMap<RoundId, Outcome>, Problem> {
    let newest_us = page.iter().map(|round| round.schedule.start_us).max();
    let before_us = newest_us.unwrap_or_default().saturating_add(1);
    let tournaments: BTreeSet<_> = page.iter().map(|round| round.id.tournament()).collect();
    let mut outcomes = HashMap::new();
    for tournament in tournaments {
        outcomes.extend(prices::outcomes(conn, tournament, before_us, limit).await?);
    }
    Ok(outcomes)
}

fn filter(query: &RoundsQuery) -> Result<RoundFilter, Problem> {
    let tournament = query.tournament.as_deref().map(tournament_id).transpose()?;
    let states = query.state.as_deref().map_or(Ok(Vec::new()), states)?;
    let before_start_us = query.before.as_deref().map(moment).transpose()?;
    Ok(RoundFilter {
        tournament,
        states,
        before_start_us,
        limit: page_length(query.limit, 50, 500)?,
    })
}

fn states(text: &str) -> Result<Vec<RoundState>, Problem> {
    let mut states = Vec::new();
    for name in text.split(',') {
        let named: Vec<RoundState> = STATES
            .into_iter()
            .filter(|state| state.shown().name() == name)
            .collect();
        if named.is_empty() {
            return Err(bad_query(
                format!("`state` has {:?}.", name.chars().take(40).collect::<String>()),
                "Send scheduled, open, locked, resolved, scored, settled or void, several with commas."
                    .to_owned(),
            ));
        }
        states.extend(named);
    }
    Ok(states)
}
