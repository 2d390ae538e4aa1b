//! `GET /keys`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::account_body::KeyBody;
use super::extract::Caller;
use super::problem::{KeyProblems, Problem};
use crate::accounts::{self, Scope};
use crate::app::App;

/// Keys of the account, newest first, at most 200.
#[derive(Serialize, ToSchema)]
pub(super) struct KeysBody {
    keys: Vec<KeyBody>,
}

/// The account's keys, newest first, at most 200; those that ended stay for 30 days. Needs the scope
/// `admin`.
#[utoipa::path(
    get,
    path = "/keys",
    tag = "accounts",
    responses((status = 200, body = KeysBody), KeyProblems),
    security(("key" = []))
)]
pub(super) async fn list_keys(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<KeysBody>, Problem> {
    caller.require(Scope::Admin)?;
    let mut conn = app.db.read().await?;
    let found = accounts::keys(&mut conn, &caller.account.id).await?;
    let keys = found.iter().map(KeyBody::from).collect();
    Ok(Json(KeysBody { keys }))
}
