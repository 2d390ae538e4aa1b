//! `GET /rounds/{round}/runs/{model}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::extract::{MaybeCaller, model_id, round_id};
use super::get_prediction::not_yet_resolved;
use super::problem::{NotYetResolved, Problem, UnknownRound};
use crate::app::App;
use crate::receipts::{self, Which};
use crate::record::run::RunFile;
use crate::{models, rounds};

/// One run of a hosted model: its receipt, what it was given and answered, and the proofs. Its
/// owner's at any time, anybody's once the round is resolved; `committed` is for nobody before.
#[utoipa::path(
    get,
    path = "/rounds/{round}/runs/{model}",
    tag = "models",
    params(
        ("round" = String, Path, description = "Round id"),
        ("model" = String, Path, description = "Model id")
    ),
    responses((status = 200, body = RunFile), UnknownRound, NotYetResolved),
    security((), ("key" = []))
)]
pub(super) async fn get_run(
    State(app): State<Arc<App>>,
    Path((round, model)): Path<(String, String)>,
    MaybeCaller(caller): MaybeCaller,
) -> Result<Json<RunFile>, Problem> {
    let (round_id, model_id) = (round_id(&round)?, model_id(&model)?);
    let mut conn = app.db.read().await?;
    let round = rounds::get(&mut conn, &round_id).await?;
    let model = models::get(&mut conn, &model_id).await?;
    let is_owner = caller.is_some_and(|caller| caller.account.id == model.account);
    let is_revealed = round.is_revealed(app.market.now_us());
    // Whether a model answered is a secret too, so this comes before looking.
    if !is_owner && !is_revealed {
        return Err(not_yet_resolved(&round_id.to_string(), "A run"));
    }
    let (chain_id, registry) = (app.receipts.chain_id(), app.receipts.registry());
    let runs = receipts::of_round(&mut conn, chain_id, registry, &round_id, Which::All).await?;
    let run = runs.and_then(|mut runs| {
        // The seed hides the predictions of others until then.
        runs.committed = runs.committed.filter(|_| is_revealed);
        runs.run(&model_id)
    });
    run.map(Json).ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "no-run",
            "The model has no receipt in this round",
            format!("Model {model_id} has no receipt of a run in round {round_id}."),
            "Only hosted models run here; a receipt is there once a runner has answered or the \
             round is locked. `GET /api/v1/models/{id}/receipts` lists them.",
        )
    })
}
