//! `PUT /rounds/{round}/predictions/{model}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::{Probability, TokenAmount};
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{ApiJson, Caller, model_id, round_id};
use super::problem::{KeyProblems, PredictionProblems, Problem};
use super::receipt_body::ReceiptBody;
use crate::accounts::Scope;
use crate::app::App;
use crate::predictions::{self, Submission};

/// A prediction.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Prediction)]
pub(super) struct PredictionBody {
    /// Probability that the price rises, 0 to 1; 1e6·p rounds half to even.
    #[schema(minimum = 0, maximum = 1, example = 0.53)]
    p: f64,
    /// What to risk, decimal tokens; absent: the model's default limit.
    #[schema(example = "10.5")]
    stake: Option<String>,
}

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
    security(("key" = []))
)]
pub(super) async fn put_prediction(
    State(app): State<Arc<App>>,
    Path((round, model)): Path<(String, String)>,
    caller: Caller,
    ApiJson(body): ApiJson<PredictionBody>,
) -> Result<Json<ReceiptBody>, Problem> {
    // The body is read whole here: this is the moment that is measured against the deadline.
    let received_us = app.market.now_us();
    caller.require(Scope::Predict)?;
    let submission = Submission {
        round: round_id(&round)?,
        model: model_id(&model)?,
        account: caller.account.id,
        posted: probability(body.p)?,
        ask: body.stake.as_deref().map(stake).transpose()?,
        received_us,
    };
    let receipt = predictions::submit(&app.db, &app.writer, submission).await?;
    Ok(Json(receipt.into()))
}

fn probability(p: f64) -> Result<Probability, Problem> {
    Probability::from_f64(p).map_err(|_| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "probability-out-of-range",
            "p is not a probability",
            format!("`p` is {p}."),
            "Send `p` as a number from 0 to 1: the probability that the price rises.",
        )
    })
}

pub(super) fn stake(text: &str) -> Result<TokenAmount, Problem> {
    TokenAmount::from_tokens(text).map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "stake-not-an-amount",
            "stake is not an amount of tokens",
            format!("`stake`: {error}."),
            "Send `stake` as a decimal string of tokens, \"10.5\", or leave it out.",
        )
    })
}
