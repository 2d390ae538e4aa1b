//! `GET /webhooks`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::Caller;
use super::problem::{KeyProblems, Problem};
use super::webhook_body::WebhookBody;
use crate::accounts::Scope;
use crate::app::App;
use crate::webhooks;

/// The account's webhooks, oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhooks)]
pub(super) struct WebhooksBody {
    webhooks: Vec<WebhookBody>,
}

/// The account's webhooks.
#[utoipa::path(
    get,
    path = "/webhooks",
    tag = "webhooks",
    responses((status = 200, body = WebhooksBody), KeyProblems),
    security(("key" = []))
)]
pub(super) async fn list_webhooks(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<WebhooksBody>, Problem> {
    caller.require(Scope::Admin)?;
    let mut conn = app.db.read().await?;
    let webhooks = webhooks::list(&mut conn, &caller.account.id).await?;
    Ok(Json(WebhooksBody {
        webhooks: webhooks.iter().map(WebhookBody::from).collect(),
    }))
}
