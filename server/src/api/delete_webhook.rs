//! `DELETE /webhooks/{id}`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::extract::Caller;
use super::problem::{KeyProblems, Problem, UnknownWebhook};
use crate::accounts::Scope;
use crate::app::App;
use crate::webhooks;

/// Remove a webhook with its log; nothing more is sent.
#[utoipa::path(
    delete,
    path = "/webhooks/{id}",
    tag = "webhooks",
    params(("id" = String, Path, description = "Webhook id, `wh_…`")),
    responses((status = 204, description = "Removed"), KeyProblems, UnknownWebhook),
    security(("key" = []))
)]
pub(super) async fn delete_webhook(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::Admin)?;
    let mut tx = app.db.begin().await?;
    webhooks::delete(&mut tx, &caller.account.id, &id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
