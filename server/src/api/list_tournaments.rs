//! `GET /tournaments`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::tournament_body::TournamentBody;
use crate::app::App;
use crate::rounds;

/// Every tournament.
#[derive(Serialize, ToSchema)]
pub(super) struct TournamentsBody {
    /// By id.
    tournaments: Vec<TournamentBody>,
}

/// Every tournament with its rules.
#[utoipa::path(
    get,
    path = "/tournaments",
    tag = "tournaments",
    responses((status = 200, body = TournamentsBody))
)]
pub(super) async fn list_tournaments(
    State(app): State<Arc<App>>,
) -> Result<Json<TournamentsBody>, Problem> {
    let mut conn = app.db.read().await?;
    let entered = rounds::tournaments(&mut conn).await?;
    let tournaments = entered.iter().map(TournamentBody::from).collect();
    Ok(Json(TournamentsBody { tournaments }))
}
