//! `GET /models`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{ApiQuery, MaybeCaller, tournament_id};
use super::model_body::ModelBody;
use super::problem::{Problem, QueryProblems, UnknownTournament};
use crate::app::App;
use crate::{models, rounds};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ModelsQuery {
    /// Only models of this tournament.
    tournament: Option<String>,
    /// `true`: only the models of the key's account.
    #[serde(default)]
    mine: bool,
}

/// Models, by id, at most 1000.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelsBody {
    models: Vec<ModelBody>,
}

/// Models of a tournament, of the key's account, or all; by id, at most 1000.
#[utoipa::path(
    get,
    path = "/models",
    tag = "models",
    params(ModelsQuery),
    responses(
        (status = 200, body = ModelsBody),
        (status = 401, description = "Problem: `key-missing` when `mine` is asked without a key"),
        QueryProblems,
        UnknownTournament
    ),
    security((), ("key" = []))
)]
pub(super) async fn list_models(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<ModelsQuery>,
    MaybeCaller(caller): MaybeCaller,
) -> Result<Json<ModelsBody>, Problem> {
    let tournament = query.tournament.as_deref().map(tournament_id).transpose()?;
    let account = match (query.mine, caller) {
        (false, _) => None,
        (true, Some(caller)) => Some(caller.account.id),
        (true, None) => return Err(Problem::key_missing()),
    };
    let mut conn = app.db.read().await?;
    if let Some(tournament) = &tournament {
        rounds::tournament(&mut conn, tournament).await?;
    }
    let found = models::list(&mut conn, tournament.as_ref(), account.as_ref()).await?;
    let models = found.iter().map(ModelBody::from).collect();
    Ok(Json(ModelsBody { models }))
}
