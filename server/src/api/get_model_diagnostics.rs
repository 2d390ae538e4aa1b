//! `GET /models/{id}/diagnostics`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use domain::Direction;
use domain::timestamp::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::{MaybeCaller, model_id};
use super::get_model_summary::{CalibrationBody, SkillSummaryBody};
use super::problem::{Problem, UnknownModel};
use crate::app::App;
use crate::diagnostics::{self, Crowd, CrowdSource, Day, Diagnosis, Era, Finding, Kinship};
use crate::models;

/// What a model answers over the validation part of a dataset.
#[derive(Serialize, ToSchema)]
pub(super) struct DiagnosticsBody {
    model: String,
    /// `none`, `queued`, `running`, `done` or `failed`.
    state: &'static str,
    /// Why there is none or why it failed, else null.
    reason: Option<String>,
    /// The dataset version of the newest attempt; null without one.
    dataset: Option<String>,
    /// The newest report; of an older version while a newer one runs. Null before the first.
    report: Option<ReportBody>,
}

#[derive(Serialize, ToSchema)]
struct ReportBody {
    /// The dataset version that it is about.
    dataset: String,
    /// SHA-256 of the file that answered.
    artifact: String,
    made_at: String,
    /// Start of the first and of the last era.
    from: String,
    to: String,
    /// Brier score less that of the constant 0.5, era by era.
    skill_half: SkillSummaryBody,
    /// Mean of 1 − (p − y)².
    brier_mean: f64,
    /// Share of eras on the right side of 0.5.
    accuracy: f64,
    /// Lowest and highest answer.
    lowest_p: f64,
    highest_p: f64,
    calibration: CalibrationBody,
    /// The same skill by UTC day.
    days: Vec<DayBody>,
    /// The largest |correlation| with a feature; null when the answers are constant.
    max_feature_exposure: Option<f64>,
    /// The features that it moves with most, strongest first, at most twelve.
    exposures: Vec<ExposureBody>,
    /// Null while there is no day of eras that both answered.
    crowd: Option<CrowdBody>,
    /// The owner's other hosted models, closest first.
    own_models: Vec<KinshipBody>,
    /// Models that it is likely one with: said, never punished.
    likely_clones: Vec<KinshipBody>,
    /// Models of the tournament that it was compared with.
    compared: usize,
    /// Era by era; for the owner's key, and of reference models for everybody: it tells every answer.
    eras: Option<Vec<EraBody>>,
}

#[derive(Serialize, ToSchema)]
struct DayBody {
    from: String,
    eras: usize,
    /// Mean skill.
    mean: f64,
    std: f64,
}

#[derive(Serialize, ToSchema)]
struct ExposureBody {
    feature: String,
    /// Pearson, −1 to 1.
    correlation: f64,
}

#[derive(Serialize, ToSchema)]
struct CrowdBody {
    /// `aggregates` (the staked pools of the rounds themselves) or `models` (the plain mean of other
    /// accounts' hosted models).
    source: &'static str,
    /// Null for aggregates.
    models: Option<usize>,
    eras: usize,
    /// Pearson; null when either is constant.
    correlation: Option<f64>,
    /// Brier score less that of this crowd.
    skill: Option<SkillSummaryBody>,
}

#[derive(Serialize, ToSchema)]
struct KinshipBody {
    /// Its id when the same account owns it, else null.
    model: Option<String>,
    name: String,
    /// Eras that both answered.
    eras: usize,
    /// Pearson; null under a day of common eras.
    correlation: Option<f64>,
    /// Whether both files hold the same graph with the same numbers.
    is_same_graph: bool,
}

#[derive(Serialize, ToSchema)]
struct EraBody {
    start_us: i64,
    p: f64,
    /// 1 for up, 0 for down.
    target: u8,
    /// Brier score less that of the constant 0.5.
    skill: f64,
}

/// How a model does over the validation part of the newest dataset, and what it is close to.
#[utoipa::path(
    get,
    path = "/models/{id}/diagnostics",
    tag = "models",
    params(("id" = String, Path, description = "Model id")),
    responses((status = 200, body = DiagnosticsBody), UnknownModel),
    security((), ("key" = []))
)]
pub(super) async fn get_model_diagnostics(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    MaybeCaller(caller): MaybeCaller,
) -> Result<Json<DiagnosticsBody>, Problem> {
    let id = model_id(&id)?;
    let has_dataset = app.releases.newest().await?.is_some();
    let mut conn = app.db.read().await?;
    let model = models::get(&mut conn, &id).await?;
    let wall_us = app.wall.now_us();
    let known = diagnostics::of_model(&mut conn, wall_us, &model, has_dataset).await?;
    let is_owner = caller.is_some_and(|caller| caller.account.id == model.account);
    let shows_eras = is_owner || model.is_reference;
    Ok(Json(DiagnosticsBody::new(
        id.to_string(),
        known,
        shows_eras,
    )))
}

impl DiagnosticsBody {
    fn new(model: String, known: Diagnosis, shows_eras: bool) -> Self {
        let some = |text: String| (!text.is_empty()).then_some(text);
        let report = known.finding.as_ref();
        Self {
            model,
            state: known.progress.name(),
            report: report.map(|finding| ReportBody::new(finding, shows_eras)),
            reason: some(known.reason),
            dataset: some(known.dataset),
        }
    }
}

impl ReportBody {
    fn new(finding: &Finding, shows_eras: bool) -> Self {
        let report = &finding.report;
        let start = |era: Option<&Era>| rfc3339(era.map_or(0, |era| era.start_us));
        let exposures: Vec<ExposureBody> = report
            .exposures
            .iter()
            .map(|one| ExposureBody {
                feature: one.feature.clone(),
                correlation: one.correlation,
            })
            .collect();
        Self {
            dataset: finding.dataset.clone(),
            artifact: finding.artifact.clone(),
            made_at: rfc3339(finding.done_us),
            from: start(finding.eras.first()),
            to: start(finding.eras.last()),
            skill_half: SkillSummaryBody::from(&report.skill),
            brier_mean: report.brier_mean,
            accuracy: report.accuracy,
            lowest_p: report.lowest.to_f64(),
            highest_p: report.highest.to_f64(),
            calibration: CalibrationBody::from(&report.calibration),
            days: report.days.iter().map(DayBody::from).collect(),
            max_feature_exposure: exposures.first().map(|one| one.correlation.abs()),
            exposures,
            crowd: report.crowd.as_ref().map(CrowdBody::from),
            own_models: report.own.iter().map(KinshipBody::from).collect(),
            likely_clones: report.clones.iter().map(KinshipBody::from).collect(),
            compared: report.compared,
            eras: shows_eras.then(|| finding.eras.iter().map(EraBody::from).collect()),
        }
    }
}

impl From<&Day> for DayBody {
    fn from(day: &Day) -> Self {
        Self {
            from: rfc3339(day.from_us),
            eras: day.skill.eras,
            mean: day.skill.mean,
            std: day.skill.std,
        }
    }
}

impl From<&Crowd> for CrowdBody {
    fn from(crowd: &Crowd) -> Self {
        Self {
            source: match crowd.source {
                CrowdSource::Aggregates => "aggregates",
                CrowdSource::Models => "models",
            },
            models: crowd.models,
            eras: crowd.eras,
            correlation: crowd.correlation,
            skill: crowd.skill.as_ref().map(SkillSummaryBody::from),
        }
    }
}

impl From<&Kinship> for KinshipBody {
    fn from(kin: &Kinship) -> Self {
        Self {
            model: kin.model.as_ref().map(ToString::to_string),
            name: kin.name.clone(),
            eras: kin.eras,
            correlation: kin.correlation,
            is_same_graph: kin.is_same_graph,
        }
    }
}

impl From<&Era> for EraBody {
    fn from(era: &Era) -> Self {
        Self {
            start_us: era.start_us,
            p: era.p.to_f64(),
            target: u8::from(era.outcome == Direction::Up),
            skill: era.skill(),
        }
    }
}
