//! `GET /models/{id}/receipts`.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::RoundId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{ApiQuery, MaybeCaller, model_id, page_length};
use super::problem::{Problem, QueryProblems, UnknownModel};
use crate::app::App;
use crate::record::run::{ReceiptRow, RuntimeRow};
use crate::{models, receipts, rounds};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReceiptsQuery {
    /// Only receipts numbered below this: the `next_before` of a page.
    before: Option<i64>,
    /// At most so many are looked at, 1 to 200; 50 when absent.
    limit: Option<i64>,
}

/// Receipts of a hosted model's runs, the latest first.
#[derive(Serialize, ToSchema)]
pub(super) struct ReceiptsBody {
    receipts: Vec<ListedBody>,
    /// Give it as `before` for the next page; null on the last.
    next_before: Option<i64>,
}

/// One receipt.
#[derive(Serialize, ToSchema)]
struct ListedBody {
    #[serde(flatten)]
    receipt: ReceiptRow,
    /// What ran the model; null when nothing did.
    runtime: Option<RuntimeRow>,
    /// Where the whole run is.
    run: String,
}

/// A model's receipts: its owner's at once, to others those of resolved rounds.
#[utoipa::path(
    get,
    path = "/models/{id}/receipts",
    tag = "models",
    params(("id" = String, Path, description = "Model id"), ReceiptsQuery),
    responses((status = 200, body = ReceiptsBody), QueryProblems, UnknownModel),
    security((), ("key" = []))
)]
pub(super) async fn list_receipts(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<ReceiptsQuery>,
    MaybeCaller(caller): MaybeCaller,
) -> Result<Json<ReceiptsBody>, Problem> {
    let id = model_id(&id)?;
    let limit = page_length(query.limit, 50, 200)?;
    let now_us = app.market.now_us();
    let mut conn = app.db.read().await?;
    let model = models::get(&mut conn, &id).await?;
    let is_owner = caller.is_some_and(|caller| caller.account.id == model.account);
    let page = receipts::of_model(&mut conn, &id, query.before, limit).await?;
    let is_full = i64::try_from(page.len()) == Ok(limit);
    let last = page.last().map(|one| one.receipt.sequence);
    let next_before = last.filter(|_| is_full);
    let ids: Vec<RoundId> = page.iter().map(|one| one.receipt.round.clone()).collect();
    let revealed = rounds::by_ids(&mut conn, &ids).await?;
    let revealed = revealed
        .into_iter()
        .filter(|round| round.is_revealed(now_us));
    let revealed: HashSet<RoundId> = revealed.map(|round| round.id).collect();
    let mut listed = Vec::with_capacity(page.len());
    for one in page {
        let round = &one.receipt.round;
        if is_owner || revealed.contains(round) {
            listed.push(ListedBody {
                run: format!("/api/v1/rounds/{round}/runs/{id}"),
                receipt: one.receipt,
                runtime: one.runtime,
            });
        }
    }
    Ok(Json(ReceiptsBody {
        receipts: listed,
        next_before: next_before.and_then(|last| i64::try_from(last).ok()),
    }))
}
