//! `POST /webhooks/{id}/rotate`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::extract::Caller;
use super::problem::{KeyProblems, Problem, UnknownWebhook};
use super::webhook_body::NewWebhookBody;
use crate::accounts::Scope;
use crate::app::App;
use crate::webhooks;

/// Give a webhook another secret. For a day messages carry two signatures, the new secret's and the
/// old one's.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/rotate",
    tag = "webhooks",
    params(("id" = String, Path, description = "Webhook id, `wh_…`")),
    responses((status = 200, body = NewWebhookBody), KeyProblems, UnknownWebhook),
    security(("key" = []))
)]
pub(super) async fn post_webhook_rotation(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<NewWebhookBody>, Problem> {
    caller.require(Scope::Admin)?;
    let (account, now_us) = (&caller.account.id, app.wall.now_us());
    let mut tx = app.db.begin().await?;
    let (webhook, secret) =
        webhooks::rotate(&mut tx, now_us, account, &id, app.random_bytes()).await?;
    tx.commit().await?;
    Ok(Json(NewWebhookBody::new(&webhook, &secret)))
}
