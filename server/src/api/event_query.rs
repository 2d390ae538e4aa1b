//! Which events a request asks for: filters, where to begin, and whose own events it may have.

use axum::http::HeaderMap;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Caller, bad_query, tournament_id};
use super::problem::Problem;
use crate::accounts::Scope;
use crate::app::App;
use crate::events::{Filter, Kind};
use crate::rounds;

const LAST_EVENT_ID: &str = "last-event-id";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// Only these tournaments' events, ids with commas between; all when absent.
    #[param(max_length = 2_000, example = "btc-usd-5m")]
    tournaments: Option<String>,
    /// Only these types, with commas between; all when absent.
    #[param(max_length = 1_000, example = "round.open,round.resolved")]
    types: Option<String>,
    /// Begin after the event of this number; with what happens from now on when absent.
    #[param(minimum = 0)]
    after: Option<i64>,
}

impl EventQuery {
    /// Of three parameters.
    pub(super) fn of(
        tournaments: Option<String>,
        types: Option<String>,
        after: Option<i64>,
    ) -> Self {
        Self {
            tournaments,
            types,
            after,
        }
    }
}

/// What a request asks for, and may have.
pub(super) struct Wanted {
    pub(super) filter: Filter,
    /// The number after which to begin.
    pub(super) after: Option<i64>,
}

/// Reads a request's wishes. A header `Last-Event-ID` wins over `after`.
pub(super) async fn wanted(
    app: &App,
    caller: Option<&Caller>,
    query: EventQuery,
    headers: &HeaderMap,
) -> Result<Wanted, Problem> {
    let account = match caller {
        Some(caller) => {
            caller.require(Scope::Read)?;
            Some(caller.account.id.clone())
        }
        None => None,
    };
    let tournaments = query.tournaments.unwrap_or_default();
    let types = query.types.unwrap_or_default();
    let filter = Filter::parse(&tournaments, &types, account).map_err(|wrong| {
        let types: Vec<&str> = Kind::all().map(Kind::name).collect();
        let remedy = format!(
            "Send ids of `GET /api/v1/tournaments` and types of these: {}.",
            types.join(", ")
        );
        bad_query(wrong, remedy)
    })?;
    // Whoever asks for its own events and is nobody would wait for ever.
    if caller.is_none() && filter.kinds().iter().any(|kind| kind.is_own()) {
        return Err(Problem::key_missing());
    }
    for tournament in filter.tournaments() {
        let mut conn = app.db.read().await?;
        rounds::tournament(&mut conn, &tournament_id(tournament.as_str())?).await?;
    }
    let after = match headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()) {
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.trim().parse().ok());
            Some(id.unwrap_or(-1))
        }
        None => query.after,
    };
    if after.is_some_and(|after| after < 0) {
        return Err(bad_query(
            "The number after which to begin is no number from 0.".to_owned(),
            "Send the `sequence` of an event as `after`, or its `id` as `Last-Event-ID`."
                .to_owned(),
        ));
    }
    Ok(Wanted { filter, after })
}
