//! `GET /session-keys`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::account_body::SessionKeyBody;
use super::extract::Caller;
use super::problem::{KeyProblems, Problem};
use crate::accounts::{self, Scope};
use crate::app::App;

/// Live session keys of the account, oldest first, at most 10.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionKeysBody {
    session_keys: Vec<SessionKeyBody>,
}

/// The account's live session keys, oldest first. Needs the scope `admin`.
#[utoipa::path(
    get,
    path = "/session-keys",
    tag = "accounts",
    responses((status = 200, body = SessionKeysBody), KeyProblems),
    security(("key" = []))
)]
pub(super) async fn list_session_keys(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<SessionKeysBody>, Problem> {
    caller.require(Scope::Admin)?;
    let now_us = app.wall.now_us();
    let mut conn = app.db.read().await?;
    let found = accounts::sessions(&mut conn, now_us, &caller.account.id).await?;
    let session_keys = found.iter().map(SessionKeyBody::from).collect();
    Ok(Json(SessionKeysBody { session_keys }))
}
