//! `PUT /rounds/{round}/predictions/{model}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::extract::Posted;
use super::prediction_body::PredictionBody;
use super::problem::{KeyProblems, PredictionProblems, Problem};
use super::receipt_body::AcknowledgedBody;
use crate::app::App;
use crate::predictions;

/// Post a prediction, a seal, or what opens the model's latest seal. The latest before the deadline
/// counts, sealed or open; a seal must be opened before the round's `reveal_until_at`, or the model
/// is absent. The same again gives the same receipt.
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
        (status = 200, description = "Stored; the receipt, and what to know beside it", body = AcknowledgedBody),
        KeyProblems,
        PredictionProblems
    ),
    security((), ("key" = []))
)]
pub(super) async fn put_prediction(
    State(app): State<Arc<App>>,
    Path((round, model)): Path<(String, String)>,
    posted: Posted<PredictionBody>,
) -> Result<Json<AcknowledgedBody>, Problem> {
    let (caller, received_us) = (posted.caller.as_ref(), posted.received_us);
    let submission = posted
        .body
        .submission(&app, caller, (&round, &model), received_us)
        .await?;
    let answer = predictions::submit(&app.writer, submission).await?;
    Ok(Json(answer.into()))
}
