//! `POST /keys/{id}/rotate`: a new key in the place of one.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::timestamp::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::account_body::{NewKeyBody, shown_once};
use super::extract::{ApiJson, Caller, moment_of};
use super::problem::{Problem, RotationProblems};
use crate::accounts::{self, Scope};
use crate::app::App;

/// How a key is replaced; `{}` is enough.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotationBody {
    /// Until when the old key lives on, RFC 3339, at most seven days from now; absent or null: a day.
    old_expires_at: Option<String>,
}

/// The new key, and the end of the old one.
#[derive(Serialize, ToSchema)]
pub(super) struct RotatedKeyBody {
    #[serde(flatten)]
    new: NewKeyBody,
    old_key_id: String,
    old_expires_at: String,
}

/// Make a key of the same rights and the same end; the old one lives on for a while. Two of a
/// rotation live at most. Needs the scope `admin`.
#[utoipa::path(
    post,
    path = "/keys/{id}/rotate",
    tag = "accounts",
    params(("id" = String, Path, description = "The key's id: its 12 digits after `ftk_`, never the whole key")),
    request_body = RotationBody,
    responses((status = 201, description = "Made", body = RotatedKeyBody), RotationProblems),
    security(("key" = []))
)]
pub(super) async fn post_key_rotation(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
    ApiJson(body): ApiJson<RotationBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::Admin)?;
    let end = body.old_expires_at.as_deref();
    let old_ends_us = end
        .map(|text| moment_of("old_expires_at", text))
        .transpose()?;
    let (account, giver) = (&caller.account, &caller.key.rights.scopes);
    let (now_us, random) = (app.wall.now_us(), app.random_bytes());
    let mut tx = app.db.begin().await?;
    let (made, old) =
        accounts::rotate_key(&mut tx, now_us, account, giver, &id, old_ends_us, random).await?;
    tx.commit().await?;
    let body = RotatedKeyBody {
        new: made.into(),
        old_expires_at: rfc3339(old.ends_us()),
        old_key_id: old.id,
    };
    Ok(shown_once(StatusCode::CREATED, body))
}
