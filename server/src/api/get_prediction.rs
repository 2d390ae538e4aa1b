//! `GET /rounds/{round}/predictions/{model}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::{ModelId, RoundId};

use super::extract::{MaybeCaller, model_id, round_id};
use super::problem::{NotYetResolved, Problem, UnknownPrediction};
use super::receipt_body::AcknowledgedBody;
use super::round_body::is_revealed;
use crate::app::App;
use crate::{models, predictions, rounds};

/// The receipt of a model's latest prediction: its owner's at any time, anybody's once the round is
/// resolved. Among its notices is `sealed` while it waits to be opened, and `never-revealed` when it
/// was not: then the model is absent.
#[utoipa::path(
    get,
    path = "/rounds/{round}/predictions/{model}",
    tag = "predictions",
    params(
        ("round" = String, Path, description = "Round id"),
        ("model" = String, Path, description = "Model id")
    ),
    responses(
        (status = 200, body = AcknowledgedBody),
        UnknownPrediction,
        NotYetResolved
    ),
    security((), ("key" = []))
)]
pub(super) async fn get_prediction(
    State(app): State<Arc<App>>,
    Path((round, model)): Path<(String, String)>,
    MaybeCaller(caller): MaybeCaller,
) -> Result<Json<AcknowledgedBody>, Problem> {
    let (round_id, model_id) = (round_id(&round)?, model_id(&model)?);
    let mut conn = app.db.read().await?;
    let round = rounds::get(&mut conn, &round_id).await?;
    let model = models::get(&mut conn, &model_id).await?;
    let is_owner = caller.is_some_and(|caller| caller.account.id == model.account);
    // Whether there is a prediction is a secret too, so this comes before looking.
    if !is_owner && !is_revealed(&round, app.market.now_us()) {
        return Err(not_yet_resolved(&round_id.to_string(), "A prediction"));
    }
    let receipt = predictions::received(&mut conn, &round_id, &model_id).await?;
    let receipt = receipt.ok_or_else(|| no_prediction(&round_id, &model_id))?;
    let notices = predictions::of_stored(&receipt, &round, app.market.now_us());
    Ok(Json(AcknowledgedBody::new(receipt, &notices)))
}

/// Nothing has come for the round.
pub(super) fn no_prediction(round: &RoundId, model: &ModelId) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no-prediction",
        "The model has no prediction in this round",
        format!("Model {model} has no prediction in round {round}."),
        "Post one with PUT while the round is open.",
    )
}

/// What is secret until the outcome.
pub(super) fn not_yet_resolved(round: &str, what: &str) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "not-yet-resolved",
        "The round is not resolved yet",
        format!("{what} of round {round} is shown once the round is resolved."),
        "Ask again after the round's `ends_at`; the owner of a model sees its own receipt with its \
         API key at any time.",
    )
}
