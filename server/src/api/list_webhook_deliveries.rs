//! `GET /webhooks/{id}/deliveries`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{ApiQuery, Caller, page_length};
use super::problem::{KeyProblems, Problem, QueryProblems, UnknownWebhook};
use super::webhook_body::DeliveryBody;
use crate::accounts::Scope;
use crate::app::App;
use crate::webhooks;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveriesQuery {
    /// Only messages numbered below this: the `next_before` of a page.
    before: Option<i64>,
    /// At most so many, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Messages of a webhook, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Deliveries)]
pub(super) struct DeliveriesBody {
    deliveries: Vec<DeliveryBody>,
    /// Give it as `before` for the next page; null on the last.
    next_before: Option<i64>,
}

/// The log of a webhook: every message of the last seven days and how sending it went.
#[utoipa::path(
    get,
    path = "/webhooks/{id}/deliveries",
    tag = "webhooks",
    params(("id" = String, Path, description = "Webhook id, `wh_…`"), DeliveriesQuery),
    responses(
        (status = 200, body = DeliveriesBody),
        KeyProblems,
        QueryProblems,
        UnknownWebhook
    ),
    security(("key" = []))
)]
pub(super) async fn list_webhook_deliveries(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<DeliveriesQuery>,
    caller: Caller,
) -> Result<Json<DeliveriesBody>, Problem> {
    caller.require(Scope::Admin)?;
    let limit = page_length(query.limit, 50, 200)?;
    let mut conn = app.db.read().await?;
    let webhook = webhooks::get(&mut conn, &caller.account.id, &id).await?;
    let page = webhooks::deliveries(&mut conn, &webhook, query.before, limit).await?;
    let is_full = i64::try_from(page.len()) == Ok(limit);
    let next_before = page.last().filter(|_| is_full).map(|last| last.number);
    Ok(Json(DeliveriesBody {
        deliveries: page.into_iter().map(DeliveryBody::from).collect(),
        next_before,
    }))
}
