//! `DELETE /session-keys/{address}`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::extract::Caller;
use super::problem::{KeyProblems, Problem, UnknownSessionKey};
use crate::accounts::{self, Scope};
use crate::app::App;

/// End a session key; the next prediction that it signs is refused. Needs the scope `admin`.
#[utoipa::path(
    delete,
    path = "/session-keys/{address}",
    tag = "accounts",
    params(("address" = String, Path, description = "The session key's address, `0x…`")),
    responses((status = 204, description = "Ended"), KeyProblems, UnknownSessionKey),
    security(("key" = []))
)]
pub(super) async fn delete_session_key(
    State(app): State<Arc<App>>,
    Path(address): Path<String>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::Admin)?;
    let (now_us, account) = (app.wall.now_us(), &caller.account.id);
    let mut tx = app.db.begin().await?;
    accounts::revoke_session(&mut tx, now_us, account, &address).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
