//! `GET /models/{id}/stake`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::timestamp::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{ApiQuery, Caller, model_id};
use super::prediction_body::stake as amount;
use super::problem::{KeyProblems, Problem, StakeProblems};
use crate::app::App;
use crate::models::{self, ModelError};
use crate::rounds;
use crate::stakes::{self, Limits, Reservation, Stake};

/// Most rounds that one answer lists.
const RESERVATIONS: i64 = 500;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StakeQuery {
    /// What a prediction would name, decimal tokens; `would_risk` is then for it.
    #[param(max_length = 40, example = "10.5")]
    stake: Option<String>,
}

/// A model's stake and what its next prediction can risk. Amounts are decimal tokens.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelStakeBody {
    model: String,
    /// Where it is staked; null while no registration on chain by the owner's wallet names the model:
    /// then everything is "0", and its predictions are scored and risk nothing.
    vault: Option<String>,
    model_index: Option<u32>,
    /// The wallet that is paid.
    owner: Option<String>,
    deposited: String,
    withdrawn: String,
    /// deposited − withdrawn + what accepted batches won or lost.
    claimable: String,
    /// Asked back and not yet paid.
    requested: String,
    /// When the request may be paid; null without one.
    matures_at: Option<String>,
    /// Held by rounds that are not settled.
    reserved: String,
    /// claimable − requested − reserved, at least 0.
    free: String,
    /// What is risked when a prediction names no stake.
    default_limit: String,
    /// Most that one round may take.
    cap: String,
    /// Less than this is scored, not staked.
    minimum: String,
    /// What a round that locked now would take: the least of `free`, the named stake (else
    /// `default_limit`) and `cap`; "0" under `minimum`. When all models ask for more than the round's
    /// own cap, it takes the same share of every ask.
    would_risk: String,
    /// The rounds that hold something, newest first, at most 500.
    reservations: Vec<ReservationBody>,
}

/// What one round holds.
#[derive(Serialize, ToSchema)]
struct ReservationBody {
    round: String,
    /// w: what it took at the lock.
    at_risk: String,
    /// What it still holds: all until it is scored, then only the loss.
    reserved: String,
}

/// Stake, free stake and what holds the rest, of a model of yours.
#[utoipa::path(
    get,
    path = "/models/{id}/stake",
    tag = "models",
    params(
        ("id" = String, Path, description = "Model id", example = "btc-usd-5m-momentum-1"),
        StakeQuery
    ),
    responses((status = 200, body = ModelStakeBody), StakeProblems, KeyProblems),
    security(("key" = []))
)]
pub(super) async fn get_model_stake(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    caller: Caller,
    ApiQuery(query): ApiQuery<StakeQuery>,
) -> Result<Json<ModelStakeBody>, Problem> {
    let id = model_id(&id)?;
    let named = query.stake.as_deref().map(amount).transpose()?;
    let mut conn = app.db.read().await?;
    let model = models::get(&mut conn, &id).await?;
    // What rounds hold tells whether it predicted, which is a secret until the outcome.
    if model.account != caller.account.id {
        return Err(ModelError::NotOwner(id).into());
    }
    let entered = rounds::tournament(&mut conn, &model.tournament).await?;
    let rule = &entered.tournament.stake;
    let stake = stakes::of_model(&mut conn, &id).await?;
    let held = stakes::reservations(&mut conn, &id, RESERVATIONS).await?;
    let limits = stake
        .as_ref()
        .map(|stake| stakes::limits(stake, named, rule))
        .transpose()?;
    let minimum = rule.minimum.tokens();
    let limits = limits.unwrap_or_default();
    Ok(Json(body(
        id.to_string(),
        stake.as_ref(),
        limits,
        minimum,
        held,
    )))
}

fn body(
    model: String,
    stake: Option<&Stake>,
    limits: Limits,
    minimum: String,
    held: Vec<Reservation>,
) -> ModelStakeBody {
    let tokens = |of: fn(&Stake) -> domain::TokenAmount| stake.map(of).unwrap_or_default().tokens();
    let matures_us = stake.map_or(0, |stake| stake.matures_us);
    ModelStakeBody {
        model,
        vault: stake.map(|stake| stake.vault.clone()),
        model_index: stake.map(|stake| stake.model_index),
        owner: stake.map(|stake| stake.owner.clone()),
        deposited: tokens(|stake| stake.deposited),
        withdrawn: tokens(|stake| stake.withdrawn),
        claimable: tokens(|stake| stake.claimable),
        requested: tokens(|stake| stake.requested),
        matures_at: (matures_us > 0).then(|| rfc3339(matures_us)),
        reserved: tokens(|stake| stake.reserved),
        free: tokens(|stake| stake.free),
        default_limit: limits.default_limit.tokens(),
        cap: limits.cap.tokens(),
        minimum,
        would_risk: limits.would_risk.tokens(),
        reservations: held.into_iter().map(ReservationBody::from).collect(),
    }
}

impl From<Reservation> for ReservationBody {
    fn from(held: Reservation) -> Self {
        Self {
            round: held.round.to_string(),
            at_risk: held.at_risk.tokens(),
            reserved: held.reserved.tokens(),
        }
    }
}
