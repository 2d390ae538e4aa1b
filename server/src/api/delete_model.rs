//! `DELETE /models/{id}`: retires a model.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::extract::{Caller, model_id};
use super::problem::{KeyProblems, Problem, UnknownModel};
use crate::accounts::Scope;
use crate::app::App;
use crate::models;

/// Retire a model, for good. Its name stays taken, its history stays, its stake can be withdrawn.
#[utoipa::path(
    delete,
    path = "/models/{id}",
    tag = "models",
    params(("id" = String, Path, description = "Model id")),
    responses(
        (status = 204, description = "Retired"),
        KeyProblems,
        UnknownModel
    ),
    security(("key" = []))
)]
pub(super) async fn delete_model(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::Upload)?;
    let id = model_id(&id)?;
    let mut tx = app.db.begin().await?;
    models::retire(&mut tx, &id, &caller.account.id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
