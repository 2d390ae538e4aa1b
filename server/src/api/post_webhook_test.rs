//! `POST /webhooks/{id}/test`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::timestamp::rfc3339;
use serde_json::json;

use super::extract::Caller;
use super::problem::{KeyProblems, Problem, UnknownWebhook};
use super::webhook_body::DeliveryBody;
use crate::accounts::Scope;
use crate::app::App;
use crate::webhooks::{self, Message, TEST};

/// Send a message of the type `webhook.test` now, once, and say how it went. It is in the log
/// afterwards and changes nothing else; a disabled webhook can be tried too.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/test",
    tag = "webhooks",
    params(("id" = String, Path, description = "Webhook id, `wh_…`")),
    responses((status = 200, body = DeliveryBody), KeyProblems, UnknownWebhook),
    security(("key" = []))
)]
pub(super) async fn post_webhook_test(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<DeliveryBody>, Problem> {
    caller.require(Scope::Admin)?;
    let began_us = app.wall.now_us();
    let (webhook, secrets) = {
        let mut conn = app.db.read().await?;
        let webhook = webhooks::get(&mut conn, &caller.account.id, &id).await?;
        let secrets = webhooks::secrets(&mut conn, &id, began_us).await?;
        (webhook, secrets)
    };
    let now_us = app.market.now_us();
    let body = json!({"type": TEST, "at": rfc3339(now_us), "at_us": now_us, "webhook": id});
    let message = Message {
        id: format!("test_{}", hex::encode(app.random_bytes::<8>())),
        kind: TEST.to_owned(),
        body: body.to_string(),
    };
    let attempt = webhooks::send(&app.webhooks, &app.wall, &webhook, &message, &secrets).await;
    let mut tx = app.db.begin().await?;
    let wall_us = app.wall.now_us();
    let done = webhooks::record_test(&mut tx, wall_us, &webhook, &message, &attempt).await?;
    tx.commit().await?;
    Ok(Json(DeliveryBody::from(done)))
}
