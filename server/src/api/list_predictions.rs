//! `GET /predictions`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::ModelId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{ApiQuery, Caller, model_id, page_length};
use super::life_body::LifeBody;
use super::problem::{KeyProblems, Problem, QueryProblems, UnknownModel};
use crate::app::App;
use crate::db::Conn;
use crate::models::{self, ModelError};
use crate::{lives, predictions};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PredictionsQuery {
    /// Only this model of yours.
    #[param(max_length = 100, example = "btc-usd-5m-momentum-1")]
    model: Option<String>,
    /// Only predictions numbered below this: the `next_before` of a page.
    before: Option<i64>,
    /// At most so many, 1 to 200; 50 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
}

/// Predictions of one account and what became of them, the latest first.
#[derive(Serialize, ToSchema)]
pub(super) struct PredictionsBody {
    predictions: Vec<LifeBody>,
    /// Send it as `before` for the next page; null on the last one.
    next_before: Option<i64>,
}

/// What became of your predictions: one entry for each model and round, by the sequence of the
/// prediction that stands, the latest first.
#[utoipa::path(
    get,
    path = "/predictions",
    tag = "predictions",
    params(PredictionsQuery),
    responses(
        (status = 200, body = PredictionsBody),
        QueryProblems,
        UnknownModel,
        KeyProblems
    ),
    security(("key" = []))
)]
pub(super) async fn list_predictions(
    State(app): State<Arc<App>>,
    caller: Caller,
    ApiQuery(query): ApiQuery<PredictionsQuery>,
) -> Result<Json<PredictionsBody>, Problem> {
    let limit = page_length(query.limit, 50, 200)?;
    let before = query.before.unwrap_or(i64::MAX);
    let mut conn = app.db.read().await?;
    let own = own_models(&mut conn, &caller, query.model.as_deref()).await?;
    let found = predictions::latest_of_models(&mut conn, &own, before, limit).await?;
    let is_full = i64::try_from(found.len()) == Ok(limit);
    let last = found.last().map(|receipt| receipt.sequence);
    let lives = lives::of_receipts(&mut conn, app.market.now_us(), found).await?;
    Ok(Json(PredictionsBody {
        predictions: lives.into_iter().map(LifeBody::from).collect(),
        next_before: last.filter(|_| is_full),
    }))
}

/// The model that was asked for, if it is the caller's; else all of the caller's.
async fn own_models(
    conn: &mut Conn,
    caller: &Caller,
    named: Option<&str>,
) -> Result<Vec<ModelId>, Problem> {
    let account = &caller.account.id;
    let Some(named) = named else {
        let own = models::list(conn, None, Some(account)).await?;
        return Ok(own.into_iter().map(|model| model.id).collect());
    };
    let model = models::get(conn, &model_id(named)?).await?;
    if model.account != *account {
        return Err(ModelError::NotOwner(model.id).into());
    }
    Ok(vec![model.id])
}
