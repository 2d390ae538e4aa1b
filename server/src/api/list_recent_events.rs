//! `GET /events/recent`: for those who poll.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::event_feed::{Piece, told};
use super::event_query::{EventQuery, Wanted, wanted};
use super::extract::{ApiQuery, MaybeCaller, page_length};
use super::problem::{KeyProblems, Problem, QueryProblems, UnknownTournament};
use crate::app::App;
use crate::events;

/// Events read at a time.
const PAGE: i64 = 200;
/// Events looked at for one answer.
const MOST_LOOKED_AT: i64 = 2_000;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RecentQuery {
    /// Only these tournaments' events, ids with commas between; all when absent.
    #[param(max_length = 2_000, example = "btc-usd-5m")]
    tournaments: Option<String>,
    /// Only these types, with commas between; all when absent.
    #[param(max_length = 1_000, example = "round.open,round.resolved")]
    types: Option<String>,
    /// Events after this number, the `next_after` of an answer; the newest ones when absent.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// About so many at most, 1 to 500; 100 when absent. One event's own events stay together.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
}

/// Events, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Events)]
pub(super) struct EventsBody {
    #[schema(value_type = Vec<EventBody>)]
    events: Vec<Box<RawValue>>,
    /// The newest number given; 0 before the first event.
    newest: i64,
    /// The oldest number that is kept. When it is above `after` + 1, something is missing between.
    oldest: i64,
    /// Give it as `after` next time.
    next_after: i64,
}

/// Something that happened. Further members depend on the type.
#[derive(ToSchema)]
#[schema(as = Event)]
#[expect(
    dead_code,
    reason = "only its schema is used: events are sent as they were written"
)]
pub(super) struct EventBody {
    /// Its number, from 1 without gaps; of an own event, that of the event that it comes with.
    sequence: i64,
    /// `round.open`, `round.locked`, `round.resolved`, `round.scored`, `round.settled`, `round.void`;
    /// own: `prediction.counted`, `prediction.absent`, `prediction.scored`, `prediction.paid`,
    /// `model.paused`.
    r#type: String,
    /// When, RFC 3339.
    at: String,
    /// The same in microseconds.
    at_us: i64,
    tournament: String,
    /// In which round, where it happened in one.
    round: Option<String>,
}

/// What happened after a number, or lately.
#[utoipa::path(
    get,
    path = "/events/recent",
    tag = "events",
    params(RecentQuery),
    responses(
        (status = 200, body = EventsBody),
        KeyProblems,
        QueryProblems,
        UnknownTournament
    ),
    security((), ("key" = []))
)]
pub(super) async fn list_recent_events(
    State(app): State<Arc<App>>,
    MaybeCaller(caller): MaybeCaller,
    ApiQuery(query): ApiQuery<RecentQuery>,
) -> Result<Json<EventsBody>, Problem> {
    let limit = page_length(query.limit, 100, 500)?;
    let query = EventQuery::of(query.tournaments, query.types, query.after);
    let wanted = wanted(&app, caller.as_ref(), query, &HeaderMap::new()).await?;
    let (newest, oldest) = {
        let mut conn = app.db.read().await?;
        (
            events::newest(&mut conn).await?,
            events::oldest(&mut conn).await?,
        )
    };
    // A number that was never given is of another installation: everything that is kept is new.
    let begin = match wanted.after {
        Some(after) if after > newest => 0,
        Some(after) => after,
        None => newest - limit,
    };
    let begin = begin.max(oldest - 1);
    let (events, next_after) = collect(&app, &wanted, begin, limit).await?;
    Ok(Json(EventsBody {
        events,
        newest,
        oldest,
        next_after,
    }))
}

/// Events after `position` until there are `limit`, and the number up to which all were looked at.
async fn collect(
    app: &App,
    wanted: &Wanted,
    begin: i64,
    limit: i64,
) -> Result<(Vec<Box<RawValue>>, i64), Problem> {
    let limit = usize::try_from(limit).unwrap_or(0);
    let (mut found, mut position) = (Vec::new(), begin);
    while position - begin < MOST_LOOKED_AT {
        let page = {
            let mut conn = app.db.read().await?;
            events::after(&mut conn, position, PAGE).await?
        };
        if page.is_empty() {
            break;
        }
        for event in page {
            if found.len() >= limit {
                return Ok((found, position));
            }
            for piece in told(app, &wanted.filter, &event).await? {
                if let Piece::Own(frame) | Piece::Event(_, frame) = piece {
                    found.push(raw(&frame.object())?);
                }
            }
            position = event.sequence;
        }
    }
    Ok((found, position))
}

fn raw(object: &[u8]) -> Result<Box<RawValue>, Problem> {
    let text = String::from_utf8_lossy(object).into_owned();
    RawValue::from_string(text).map_err(|error| Problem::internal(&error))
}
