//! `GET /rounds/{round}/predictions/{model}/life`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::{MaybeCaller, model_id, round_id};
use super::get_prediction::{no_prediction, not_yet_resolved};
use super::life_body::LifeBody;
use super::problem::{NotYetResolved, Problem, UnknownPrediction};
use super::proof_body::ProofBody;
use super::receipt_body::ReceiptBody;
use crate::app::App;
use crate::lives::{self, Stage};
use crate::{models, predictions, rounds};

/// Most receipts of one life; older ones are left out.
const RECEIPTS: i64 = 100;

/// A prediction from its receipts to its payout.
#[derive(Serialize, ToSchema)]
pub(super) struct LifeDetailBody {
    #[serde(flatten)]
    life: LifeBody,
    /// Every prediction of the model for the round, the latest first; the latest before the deadline
    /// counts, the others were replaced. At most 100.
    receipts: Vec<ReceiptBody>,
    /// That the round's commitment holds the prediction; null before the outcome, because the siblings
    /// are sums of what others predicted, and when the prediction is not staked.
    proof: Option<ProofBody>,
}

/// What became of a model's prediction in a round, with its proof: its owner's at any time, anybody's
/// once the round is resolved. The proof is for nobody before the outcome.
#[utoipa::path(
    get,
    path = "/rounds/{round}/predictions/{model}/life",
    tag = "predictions",
    params(
        ("round" = String, Path, description = "Round id", example = "btc-usd-5m-20240305T1200Z"),
        ("model" = String, Path, description = "Model id", example = "btc-usd-5m-momentum-1")
    ),
    responses(
        (status = 200, body = LifeDetailBody),
        UnknownPrediction,
        NotYetResolved
    ),
    security((), ("key" = []))
)]
pub(super) async fn get_prediction_life(
    State(app): State<Arc<App>>,
    Path((round, model)): Path<(String, String)>,
    MaybeCaller(caller): MaybeCaller,
) -> Result<Json<LifeDetailBody>, Problem> {
    let (round_id, model_id) = (round_id(&round)?, model_id(&model)?);
    let now_us = app.market.now_us();
    let mut conn = app.db.read().await?;
    let round = rounds::get(&mut conn, &round_id).await?;
    let model = models::get(&mut conn, &model_id).await?;
    let is_owner = caller.is_some_and(|caller| caller.account.id == model.account);
    // Whether there is a prediction is a secret too, so this comes before looking.
    if !is_owner && !round.is_revealed(now_us) {
        return Err(not_yet_resolved(&round_id.to_string(), "A prediction"));
    }
    let life = lives::of_model(&mut conn, now_us, &round_id, &model_id).await?;
    if life.latest.is_none() && life.stage == Stage::Received {
        return Err(no_prediction(&round_id, &model_id));
    }
    let receipts = predictions::receipts(&mut conn, &round_id, &model_id, RECEIPTS).await?;
    let proof = lives::inclusion(&mut conn, now_us, &life).await?;
    Ok(Json(LifeDetailBody {
        proof: proof.map(|proof| ProofBody::new(&proof, &app.receipts)),
        receipts: receipts.into_iter().map(ReceiptBody::from).collect(),
        life: LifeBody::from(life),
    }))
}
