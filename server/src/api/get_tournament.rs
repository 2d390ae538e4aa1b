//! `GET /tournaments/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::extract::tournament_id;
use super::problem::{Problem, UnknownTournament};
use super::tournament_body::TournamentBody;
use crate::app::App;
use crate::rounds;

/// One tournament with its rules.
#[utoipa::path(
    get,
    path = "/tournaments/{id}",
    tag = "tournaments",
    params(("id" = String, Path, description = "Tournament id, `btc-usd-5m`")),
    responses((status = 200, body = TournamentBody), UnknownTournament)
)]
pub(super) async fn get_tournament(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<TournamentBody>, Problem> {
    let id = tournament_id(&id)?;
    let mut conn = app.db.read().await?;
    let entered = rounds::tournament(&mut conn, &id).await?;
    Ok(Json(TournamentBody::from(&entered)))
}
