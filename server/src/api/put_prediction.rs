//! `PUT /rounds/{round}/predictions/{model}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::extract::Posted;
use super::prediction_body::PredictionBody;
use super::problem::{KeyProblems, PredictionProblems, Problem};
use super::receipt_body::ReceiptBody;
use crate::app::App;
use crate::predictions;

/// Post a prediction. The latest before the deadline counts; the same again gives the same receipt.
#[utoipa::path(
    put,
    path = "/rounds/{round}/predictions/{model}",
    tag = "predictions",
    params(
        ("round" = String, Path, description = "Round id, `btc-usd-5m-20240305T1200Z`"),
        ("model" = String, Path, description = "Model id")
    ),
    request_body = PredictionBody,
    responses(
        (status = 200, description = "Stored; the receipt", body = ReceiptBody),
        KeyProblems,
        PredictionProblems
    ),
    security((), ("key" = []))
)]
pub(super) async fn put_prediction(
    State(app): State<Arc<App>>,
    Path((round, model)): Path<(String, String)>,
    posted: Posted<PredictionBody>,
) -> Result<Json<ReceiptBody>, Problem> {
    let (caller, received_us) = (posted.caller.as_ref(), posted.received_us);
    let submission = posted
        .body
        .submission(&app, caller, (&round, &model), received_us)
        .await?;
    let receipt = predictions::submit(&app.writer, submission).await?;
    Ok(Json(receipt.into()))
}
