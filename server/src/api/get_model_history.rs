//! `GET /models/{id}/history`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::timestamp::rfc3339;
use domain::{Delta, Probability, RoundId, Score};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::amount::signed;
use super::extract::{ApiQuery, model_id, page_length};
use super::problem::{Problem, QueryProblems, UnknownModel};
use crate::app::App;
use crate::scores::Row;
use crate::settlement::Payout;
use crate::{models, scores, settlement};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// The last so many scored rounds, 1 to 2016; 288 when absent.
    limit: Option<i64>,
}

/// A model's scored rounds, oldest first. Sums begin with the first round that is listed.
#[derive(Serialize, ToSchema)]
pub(super) struct HistoryBody {
    rounds: Vec<HistoryRoundBody>,
}

#[derive(Serialize, ToSchema)]
struct HistoryRoundBody {
    round: String,
    starts_at: String,
    /// As counted.
    p: f64,
    crowd_without: Option<f64>,
    brier: f64,
    log: f64,
    correct: bool,
    skill_half: f64,
    skill_persistence: f64,
    skill_crowd: Option<f64>,
    /// Σ skill_half so far.
    skill_half_sum: f64,
    /// w, decimal tokens; null when not staked.
    at_risk: Option<String>,
    /// What the round paid, decimal tokens, signed; null when not staked.
    delta: Option<String>,
    /// Σ delta so far, decimal tokens, signed.
    delta_sum: String,
}

/// A model's scores and payouts, oldest first, with running sums.
#[utoipa::path(
    get,
    path = "/models/{id}/history",
    tag = "models",
    params(("id" = String, Path, description = "Model id"), HistoryQuery),
    responses((status = 200, body = HistoryBody), QueryProblems, UnknownModel)
)]
pub(super) async fn get_model_history(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<HistoryQuery>,
) -> Result<Json<HistoryBody>, Problem> {
    let id = model_id(&id)?;
    let limit = page_length(query.limit, 288, 2_016)?;
    let mut conn = app.db.read().await?;
    models::get(&mut conn, &id).await?;
    let rows = scores::of_model(&mut conn, &id, limit).await?;
    let payouts = settlement::payouts_of_model(&mut conn, &id).await?;
    Ok(Json(HistoryBody {
        rounds: history(&rows, &payouts),
    }))
}

fn history(rows: &[Row], payouts: &[Payout]) -> Vec<HistoryRoundBody> {
    let payouts: HashMap<&RoundId, &Payout> = payouts
        .iter()
        .map(|payout| (&payout.round, payout))
        .collect();
    let (mut skill_units, mut delta_units) = (0_i64, 0_i64);
    rows.iter()
        .map(|row| {
            let payout = payouts.get(&row.round).copied();
            skill_units = skill_units.saturating_add(row.skill_half.units());
            let delta = payout.map(|payout| payout.delta);
            delta_units = delta_units.saturating_add(delta.map_or(0, Delta::units));
            HistoryRoundBody {
                round: row.round.to_string(),
                starts_at: rfc3339(row.start_us),
                p: row.counted.to_f64(),
                crowd_without: row.crowd.map(Probability::to_f64),
                brier: row.brier.to_f64(),
                log: row.log.to_f64(),
                correct: row.correct,
                skill_half: row.skill_half.to_f64(),
                skill_persistence: row.skill_persistence.to_f64(),
                skill_crowd: row.skill_crowd.map(Score::to_f64),
                skill_half_sum: Score::from_units(skill_units).to_f64(),
                at_risk: payout.map(|payout| payout.at_risk.tokens()),
                delta: delta.map(signed),
                delta_sum: signed(Delta::from_units(delta_units)),
            }
        })
        .collect()
}
