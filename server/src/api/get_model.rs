//! `GET /models/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::timestamp::rfc3339;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::amount::signed;
use super::extract::{MaybeCaller, model_id};
use super::model_body::ModelBody;
use super::problem::{Problem, UnknownModel};
use crate::app::App;
use crate::models::{self, Model};
use crate::scores::{self, Skill};
use crate::stakes::{self, Stake};

/// A model with its stake and its skill.
#[derive(Serialize, ToSchema)]
pub(super) struct ModelDetailBody {
    #[serde(flatten)]
    model: ModelBody,
    /// Null while no registration on chain by the owner's wallet names the model.
    stake: Option<StakeBody>,
    /// Null before its first staked round was scored.
    skill: Option<SkillBody>,
    /// The report card of its check; for its owner, and of reference models for everybody.
    card: Option<Value>,
}

/// What the vault holds for the model. Amounts are decimal tokens.
#[derive(Serialize, ToSchema)]
struct StakeBody {
    vault: String,
    model_index: u32,
    /// The wallet that is paid.
    owner: String,
    deposited: String,
    withdrawn: String,
    /// Sum of wagers in accepted batches, signed.
    stake_delta: String,
    /// Sum of fee shares in accepted batches, signed.
    pool_reward: String,
    claimable: String,
    /// Asked for and not yet paid.
    requested: String,
    /// When the request may be paid; null without one.
    matures_at: Option<String>,
    /// Held by rounds that are not settled.
    reserved: String,
    /// What the next round can use.
    free: String,
}

/// Running skill (protocol.md §4).
#[derive(Serialize, ToSchema)]
struct SkillBody {
    /// m, 0 to 1.
    multiplier: f64,
    staked_rounds: i64,
}

/// One model.
#[utoipa::path(
    get,
    path = "/models/{id}",
    tag = "models",
    params(("id" = String, Path, description = "Model id")),
    responses((status = 200, body = ModelDetailBody), UnknownModel),
    security((), ("key" = []))
)]
pub(super) async fn get_model(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    MaybeCaller(caller): MaybeCaller,
) -> Result<Json<ModelDetailBody>, Problem> {
    let id = model_id(&id)?;
    let mut conn = app.db.read().await?;
    let model = models::get(&mut conn, &id).await?;
    let stake = stakes::of_model(&mut conn, &id).await?;
    let skill = scores::skill(&mut conn, &id).await?;
    let is_owner = caller.is_some_and(|caller| caller.account.id == model.account);
    Ok(Json(ModelDetailBody {
        stake: stake.map(StakeBody::from),
        skill: skill.map(SkillBody::from),
        card: card(&model).filter(|_| is_owner || model.is_reference),
        model: ModelBody::from(&model),
    }))
}

fn card(model: &Model) -> Option<Value> {
    serde_json::from_str(&model.card).ok()
}

impl From<Stake> for StakeBody {
    fn from(stake: Stake) -> Self {
        let delta = |units| signed(domain::Delta::from_units(units));
        Self {
            model_index: stake.model_index,
            deposited: stake.deposited.tokens(),
            withdrawn: stake.withdrawn.tokens(),
            stake_delta: delta(stake.stake_delta),
            pool_reward: delta(stake.pool_reward),
            claimable: stake.claimable.tokens(),
            requested: stake.requested.tokens(),
            matures_at: (stake.matures_us > 0).then(|| rfc3339(stake.matures_us)),
            reserved: stake.reserved.tokens(),
            free: stake.free.tokens(),
            vault: stake.vault,
            owner: stake.owner,
        }
    }
}

impl From<Skill> for SkillBody {
    fn from(skill: Skill) -> Self {
        Self {
            multiplier: skill.multiplier.to_f64(),
            staked_rounds: skill.staked_rounds,
        }
    }
}
