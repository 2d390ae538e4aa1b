//! `GET /rounds/{id}`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::timestamp::rfc3339;
use domain::{Delta, ModelId, Probability, Score};
use serde::Serialize;
use utoipa::ToSchema;

use super::amount::signed;
use super::extract::round_id;
use super::problem::{Problem, UnknownRound};
use super::round_body::{RoundBody, is_revealed};
use crate::app::App;
use crate::db::Conn;
use crate::models::{self, Model};
use crate::predictions::{self, Counted};
use crate::prices::{self, Resolution};
use crate::receipts;
use crate::rounds::{self, Round, Stage};
use crate::scores::{self, Row};
use crate::settlement::{self, Batch, Lock};

/// A round with everything that is public about it.
#[derive(Serialize, ToSchema)]
pub(super) struct RoundDetailBody {
    #[serde(flatten)]
    round: RoundBody,
    /// The contracts' name of the round: what a seal is bound to.
    chain_round: String,
    /// Published price at the start; null while there is none.
    p0: Option<String>,
    /// Published price at the end.
    p1: Option<String>,
    /// Where the evidence is; null before the outcome.
    evidence: Option<String>,
    /// keccak256 of the evidence.
    evidence_hash: Option<String>,
    /// Null before the round is resolved.
    totals: Option<TotalsBody>,
    /// What every model predicted, by model; null before the round is resolved.
    entries: Option<Vec<EntryBody>>,
    chain: Option<ChainBody>,
    /// What its hosted models' runs are committed to; null before the freeze and without any.
    runs: Option<RunsBody>,
    batch: Option<BatchBody>,
    /// How long each stage took.
    stages: Vec<StageBody>,
}

/// Sums over the staked models.
#[derive(Serialize, ToSchema)]
struct TotalsBody {
    models: usize,
    staked_models: usize,
    /// Sealed and never revealed: models that are absent from the round.
    never_revealed: usize,
    /// W, decimal tokens.
    stake: String,
    /// P/W, the crowd's probability; null when nothing is staked.
    crowd: Option<f64>,
    /// −Σ delta, decimal tokens; null before the round is scored.
    burned: Option<String>,
}

/// One model in the round.
#[derive(Serialize, ToSchema)]
struct EntryBody {
    model: String,
    name: String,
    /// `hosted` or `external`.
    hosting: &'static str,
    is_reference: bool,
    /// As counted.
    p: f64,
    /// As posted.
    posted_p: f64,
    /// w: stake at risk, decimal tokens; "0": scored, not staked.
    at_risk: String,
    /// The crowd without this model; null when nobody else was staked, or before the scores.
    crowd_without: Option<f64>,
    /// 1 − (p − y)².
    brier: Option<f64>,
    /// ln p(y).
    log: Option<f64>,
    correct: Option<bool>,
    /// Brier score less that of ½.
    skill_half: Option<f64>,
    /// Brier score less that of persistence.
    skill_persistence: Option<f64>,
    /// Brier score less that of the crowd without this model.
    skill_crowd: Option<f64>,
    /// What the round paid (+) or took (−), decimal tokens; null when not staked or not scored.
    delta: Option<String>,
}

/// The round on the chain.
#[derive(Serialize, ToSchema)]
struct ChainBody {
    /// The registry's name of the round.
    round: String,
    commitment: String,
    /// The commitment's transaction; null until it is final.
    commit_tx: Option<String>,
    locked_at: String,
}

/// Roots of the runs of hosted models; from the lock on the commitment's salt holds them.
#[derive(Serialize, ToSchema)]
struct RunsBody {
    /// Over the models that were to run, with the digests of their files.
    models_root: String,
    /// Over the features that they were given.
    input_root: String,
}

/// The settlement batch of the round.
#[derive(Serialize, ToSchema)]
struct BatchBody {
    id: String,
    seq: i64,
    state: &'static str,
    propose_tx: Option<String>,
    accept_tx: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct StageBody {
    stage: String,
    /// When it ended, market time.
    at: String,
    at_us: i64,
    /// Wall microseconds of work.
    took_us: i64,
}

/// One round. What models predicted is in it once the round is resolved, never before.
#[utoipa::path(
    get,
    path = "/rounds/{id}",
    tag = "rounds",
    params(("id" = String, Path, description = "Round id, `btc-usd-5m-20240305T1200Z`")),
    responses((status = 200, body = RoundDetailBody), UnknownRound)
)]
pub(super) async fn get_round(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<RoundDetailBody>, Problem> {
    let id = round_id(&id)?;
    let mut conn = app.db.read().await?;
    let round = rounds::get(&mut conn, &id).await?;
    let resolution = prices::resolution(&mut conn, &id).await?;
    let lock = settlement::lock(&mut conn, &id).await?;
    let batch = settlement::batch_of_round(&mut conn, &id).await?;
    let stages = rounds::stages(&mut conn, &id).await?;
    let runs = receipts::roots(&mut conn, &id).await?;
    let revealed = if is_revealed(&round, app.market.now_us()) {
        Some(revealed(&mut conn, &round).await?)
    } else {
        None
    };
    let (totals, entries) = revealed.unzip();
    let outcome = resolution.as_ref().map(|resolution| resolution.outcome);
    let price = |of: fn(&Resolution) -> Option<domain::Price>| {
        resolution
            .as_ref()
            .and_then(of)
            .map(|price| price.to_string())
    };
    Ok(Json(RoundDetailBody {
        p0: price(|resolution| resolution.p0),
        p1: price(|resolution| resolution.p1),
        evidence: resolution
            .as_ref()
            .map(|_| format!("/api/v1/rounds/{id}/evidence")),
        evidence_hash: resolution
            .as_ref()
            .map(|resolution| resolution.evidence_hash.clone()),
        totals,
        entries,
        chain: lock.as_ref().map(ChainBody::from),
        runs: runs.map(|roots| RunsBody {
            models_root: roots.models.to_string(),
            input_root: roots.input.to_string(),
        }),
        batch: batch.as_ref().map(BatchBody::from),
        chain_round: app.receipts.chain_round(&id).to_string(),
        stages: stages.into_iter().map(StageBody::from).collect(),
        round: RoundBody::new(&round, outcome),
    }))
}

/// Five queries, however many models there are (one more for each 500).
async fn revealed(conn: &mut Conn, round: &Round) -> Result<(TotalsBody, Vec<EntryBody>), Problem> {
    let counted = predictions::counted(conn, &round.id).await?;
    let scores = scores::of_round(conn, &round.id).await?;
    let payouts = settlement::payouts(conn, &round.id).await?;
    let ids: Vec<ModelId> = counted.iter().map(|one| one.model.clone()).collect();
    let named = models::by_ids(conn, &ids).await?;
    let named: HashMap<&ModelId, &Model> = named.iter().map(|model| (&model.id, model)).collect();
    let scores: HashMap<&ModelId, &Row> = scores.iter().map(|row| (&row.model, row)).collect();
    let deltas: HashMap<&ModelId, Delta> = payouts
        .iter()
        .map(|payout| (&payout.model, payout.delta))
        .collect();
    let entries = counted
        .iter()
        .filter_map(|one| {
            let model = named.get(&one.model)?;
            let score = scores.get(&one.model).copied();
            Some(entry(one, model, score, deltas.get(&one.model).copied()))
        })
        .collect();
    let deltas: Vec<Delta> = payouts.iter().map(|payout| payout.delta).collect();
    let absent = predictions::unopened(conn, &round.id).await?.len();
    Ok((totals(&counted, absent, &deltas), entries))
}

fn entry(one: &Counted, model: &Model, score: Option<&Row>, delta: Option<Delta>) -> EntryBody {
    let of = |part: fn(&Row) -> Score| score.map(|row| part(row).to_f64());
    EntryBody {
        model: one.model.to_string(),
        name: model.name.clone(),
        hosting: model.hosting.name(),
        is_reference: model.is_reference,
        p: one.counted.to_f64(),
        posted_p: one.posted.to_f64(),
        at_risk: one.at_risk.tokens(),
        crowd_without: score.and_then(|row| row.crowd).map(Probability::to_f64),
        brier: of(|row| row.brier),
        log: of(|row| row.log),
        correct: score.map(|row| row.correct),
        skill_half: of(|row| row.skill_half),
        skill_persistence: of(|row| row.skill_persistence),
        skill_crowd: score.and_then(|row| row.skill_crowd).map(Score::to_f64),
        delta: delta.map(signed),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "shown to people; money uses the integers"
)]
fn totals(counted: &[Counted], never_revealed: usize, deltas: &[Delta]) -> TotalsBody {
    let stake: i128 = counted
        .iter()
        .map(|one| i128::from(one.at_risk.units()))
        .sum();
    let weighted: i128 = counted
        .iter()
        .map(|one| i128::from(one.at_risk.units()) * i128::from(one.counted.ppm()))
        .sum();
    let sum: i64 = deltas.iter().map(|delta| delta.units()).sum();
    let tokens = |units: i128| signed(Delta::from_units(i64::try_from(units).unwrap_or(i64::MAX)));
    TotalsBody {
        models: counted.len(),
        staked_models: counted
            .iter()
            .filter(|one| one.model_index.is_some())
            .count(),
        never_revealed,
        stake: tokens(stake),
        crowd: (stake > 0).then(|| weighted as f64 / stake as f64 / 1e6),
        burned: (!deltas.is_empty()).then(|| tokens(-i128::from(sum))),
    }
}

impl From<&Lock> for ChainBody {
    fn from(lock: &Lock) -> Self {
        Self {
            round: lock.chain_round.to_string(),
            commitment: lock.commitment.to_string(),
            commit_tx: Some(lock.commit_tx.clone()).filter(|tx| !tx.is_empty()),
            locked_at: rfc3339(lock.locked_us),
        }
    }
}

impl From<&Batch> for BatchBody {
    fn from(batch: &Batch) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            id: batch.id.clone(),
            seq: batch.seq,
            state: batch.state.name(),
            propose_tx: some(&batch.propose_tx),
            accept_tx: some(&batch.accept_tx),
        }
    }
}

impl From<Stage> for StageBody {
    fn from(stage: Stage) -> Self {
        Self {
            at: rfc3339(stage.at_us),
            at_us: stage.at_us,
            took_us: stage.took_us,
            stage: stage.stage,
        }
    }
}
