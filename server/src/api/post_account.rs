//! `POST /accounts`: anybody opens an account.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::account_body::{OpenedBody, shown_once};
use super::extract::ApiJson;
use super::problem::{AccountProblems, Problem};
use crate::accounts;
use crate::app::App;

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccountBody {
    /// 1 to 40 letters, digits, spaces and . _ - + ( ) #; unique, and not to be changed.
    #[schema(example = "ada", min_length = 1, max_length = 40)]
    name: String,
}

/// Open an account without a wallet. The key in the answer is shown this once; a wallet can be
/// linked later. Limited by address.
#[utoipa::path(
    post,
    path = "/accounts",
    tag = "accounts",
    request_body = NewAccountBody,
    responses(
        (status = 201, description = "Opened; its first key", body = OpenedBody),
        AccountProblems
    ),
    security(())
)]
pub(super) async fn post_account(
    State(app): State<Arc<App>>,
    ApiJson(body): ApiJson<NewAccountBody>,
) -> Result<Response, Problem> {
    let (now_us, random) = (app.wall.now_us(), app.random_bytes());
    let mut tx = app.db.begin().await?;
    let account = accounts::open(&mut tx, now_us, &body.name, "").await?;
    let rights = accounts::first_rights();
    let key = accounts::make_key(&mut tx, now_us, &account.id, rights, random).await?;
    tx.commit().await?;
    Ok(shown_once(
        StatusCode::CREATED,
        OpenedBody::new(&account, key),
    ))
}
