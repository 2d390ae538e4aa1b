//! `DELETE /keys/{id}`: revokes a key.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::extract::Caller;
use super::problem::{KeyProblems, Problem, UnknownKey};
use crate::accounts::{self, Scope};
use crate::app::App;

/// Revoke a key of the account; the next request with it is refused. Needs the scope `admin`.
#[utoipa::path(
    delete,
    path = "/keys/{id}",
    tag = "accounts",
    params(("id" = String, Path, description = "The key's id: its 12 digits after `ftk_`, never the whole key")),
    responses((status = 204, description = "Revoked"), KeyProblems, UnknownKey),
    security(("key" = []))
)]
pub(super) async fn delete_key(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::Admin)?;
    let (now_us, account) = (app.wall.now_us(), &caller.account.id);
    let mut tx = app.db.begin().await?;
    accounts::revoke_own_key(&mut tx, now_us, account, &id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
