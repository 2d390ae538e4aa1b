//! `GET /webhooks/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::extract::Caller;
use super::problem::{KeyProblems, Problem, UnknownWebhook};
use super::webhook_body::WebhookBody;
use crate::accounts::Scope;
use crate::app::App;
use crate::webhooks;

/// One webhook of the account: whether it is active, and why not.
#[utoipa::path(
    get,
    path = "/webhooks/{id}",
    tag = "webhooks",
    params(("id" = String, Path, description = "Webhook id, `wh_…`")),
    responses((status = 200, body = WebhookBody), KeyProblems, UnknownWebhook),
    security(("key" = []))
)]
pub(super) async fn get_webhook(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<WebhookBody>, Problem> {
    caller.require(Scope::Admin)?;
    let mut conn = app.db.read().await?;
    let webhook = webhooks::get(&mut conn, &caller.account.id, &id).await?;
    Ok(Json(WebhookBody::from(&webhook)))
}
