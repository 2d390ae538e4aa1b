//! `POST /keys`: makes a key.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::account_body::{NewKeyBody, shown_once};
use super::extract::{ApiJson, Caller, moment_of};
use super::problem::{NewKeyProblems, Problem};
use crate::accounts::{self, KeyRights, Scope};
use crate::app::App;

/// What the key is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyRequest)]
pub(super) struct KeyRequestBody {
    /// For you: 1 to 40 letters, digits, spaces and . _ - + ( ) #.
    #[schema(example = "bot on the desk", min_length = 1, max_length = 40)]
    name: String,
    /// Of `read`, `predict`, `upload`, `trade`, `admin`; `run` when the account or the key has it.
    #[schema(example = json!(["read", "predict"]), min_items = 1, max_items = 6)]
    scopes: Vec<String>,
    /// When it ends, RFC 3339; absent or null: it does not.
    #[schema(example = "2030-01-01T00:00:00Z")]
    expires_at: Option<String>,
    /// Addresses and CIDR blocks that it may be used from; empty or absent: everywhere.
    #[serde(default)]
    #[schema(example = json!(["192.0.2.7", "10.0.0.0/8"]), max_items = 20)]
    addresses: Vec<String>,
}

/// Make a key of the account. Its text is shown this once. Needs the scope `admin`.
#[utoipa::path(
    post,
    path = "/keys",
    tag = "accounts",
    request_body = KeyRequestBody,
    responses((status = 201, description = "Made", body = NewKeyBody), NewKeyProblems),
    security(("key" = []))
)]
pub(super) async fn post_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    ApiJson(body): ApiJson<KeyRequestBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::Admin)?;
    let now_us = app.wall.now_us();
    let end = body.expires_at.as_deref();
    let expires_us = end.map_or(Ok(0), |text| moment_of("expires_at", text))?;
    let (scopes, addresses) = (&body.scopes, &body.addresses);
    let rights = KeyRights::parse(now_us, &body.name, scopes, expires_us, addresses)?;
    let (account, giver) = (&caller.account, &caller.key.rights.scopes);
    let random = app.random_bytes();
    let mut tx = app.db.begin().await?;
    let made = accounts::give_key(&mut tx, now_us, account, giver, rights, random).await?;
    tx.commit().await?;
    Ok(shown_once(StatusCode::CREATED, NewKeyBody::from(made)))
}
