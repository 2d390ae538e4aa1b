//! `POST /webhooks/{id}/enable`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::extract::Caller;
use super::problem::{KeyProblems, Problem, UnknownWebhook};
use super::webhook_body::WebhookBody;
use crate::accounts::Scope;
use crate::app::App;
use crate::{events, webhooks};

/// Take up a disabled webhook: messages that wait are sent again, and what happens from now on. What
/// happened while it was disabled is in `GET /events/recent`.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/enable",
    tag = "webhooks",
    params(("id" = String, Path, description = "Webhook id, `wh_…`")),
    responses((status = 200, body = WebhookBody), KeyProblems, UnknownWebhook),
    security(("key" = []))
)]
pub(super) async fn post_webhook_enabling(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<WebhookBody>, Problem> {
    caller.require(Scope::Admin)?;
    let mut tx = app.db.begin().await?;
    let moment = (app.wall.now_us(), events::newest(&mut tx).await?);
    let webhook = webhooks::enable(&mut tx, moment, &caller.account.id, &id).await?;
    tx.commit().await?;
    Ok(Json(WebhookBody::from(&webhook)))
}
