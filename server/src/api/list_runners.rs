//! `GET /runners`: who executes the hosted models, and how they do.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::timestamp::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::app::App;
use crate::runners::fleet::{self, Member};
use crate::runners::{self, Disagreement, ShownSample};

/// Disagreements and samples told.
const TOLD: i64 = 50;

/// The fleet.
#[derive(Serialize, ToSchema)]
#[schema(as = Runners)]
pub(super) struct RunnersBody {
    runners: Vec<RunnerBody>,
    /// Of locked rounds, newest first.
    disagreements: Vec<DisagreementBody>,
    /// How the models that run twice were chosen, newest round first.
    samples: Vec<SampleBody>,
}

/// One runner.
#[derive(Serialize, ToSchema)]
#[schema(as = Runner)]
struct RunnerBody {
    name: String,
    /// Whether it was heard in the last seven seconds.
    live: bool,
    /// Whether it takes nothing new.
    draining: bool,
    /// `cpu` or `cuda`.
    device: String,
    /// `cpu-v1` or `gpu-v1`.
    profile: String,
    /// The sandbox level that it reaches.
    sandbox: String,
    version: String,
    runtime: String,
    cores: i64,
    memory_mb: i64,
    workers: i64,
    free_workers: i64,
    /// Measured at its start; null when it never registered.
    models_per_s: Option<f64>,
    tree_ms: Option<f64>,
    dense_ms: Option<f64>,
    /// Models answered in time.
    on_time: i64,
    /// Models whose lease ended first.
    missed: i64,
    /// Models answered otherwise than two others.
    disagreed: i64,
    /// 0 to 1; everybody starts at 0.5.
    reputation: f64,
    heard_at: String,
}

/// Answers of runners that differ.
#[derive(Serialize, ToSchema)]
#[schema(as = RunnerDisagreement)]
struct DisagreementBody {
    round: String,
    model: String,
    /// `disputed`, `settled` or `undecided`.
    state: &'static str,
    /// In the order of their answers.
    runners: Vec<String>,
    /// Whose answer counted.
    counted: String,
    /// Who said something else than the majority.
    blamed: Vec<String>,
    /// The largest difference of two answers.
    difference: f64,
    found_at: String,
    settled_at: Option<String>,
}

/// One round's sample: the models with the smallest SHA-256 of seed and model id.
#[derive(Serialize, ToSchema)]
#[schema(as = RunnerSample)]
struct SampleBody {
    round: String,
    /// SHA-256 of the seed's text.
    commitment: String,
    /// Null until the round has locked.
    seed: Option<String>,
    share: f64,
    models: i64,
    sampled: i64,
}

/// Who executes hosted models: machine, benchmark, record, reputation, disagreements.
#[utoipa::path(
    get,
    path = "/runners",
    tag = "service",
    responses((status = 200, body = RunnersBody))
)]
pub(super) async fn list_runners(
    State(app): State<Arc<App>>,
) -> Result<Json<RunnersBody>, Problem> {
    let (market_us, wall_us) = (app.market.now_us(), app.wall.now_us());
    let mut conn = app.db.read().await?;
    let members = fleet::members(&mut conn).await?;
    let disagreements = runners::disagreements(&mut conn, market_us, TOLD).await?;
    let samples = runners::samples(&mut conn, market_us, TOLD).await?;
    Ok(Json(RunnersBody {
        runners: members
            .into_iter()
            .map(|member| RunnerBody::new(member, wall_us))
            .collect(),
        disagreements: disagreements.into_iter().map(Into::into).collect(),
        samples: samples.into_iter().map(Into::into).collect(),
    }))
}

impl RunnerBody {
    fn new(member: Member, wall_us: i64) -> Self {
        let measured =
            |thousandths: i64| (member.registered_us > 0).then(|| fraction(thousandths, 1e3));
        let benchmark = member.machine.benchmark;
        Self {
            live: member.is_live(wall_us),
            draining: member.is_draining(),
            models_per_s: measured(benchmark.rate_milli),
            tree_ms: measured(benchmark.tree_us),
            dense_ms: measured(benchmark.dense_us),
            on_time: member.record.on_time,
            missed: member.record.missed,
            disagreed: member.record.disagreed,
            reputation: fraction(member.reputation_ppm(wall_us), 1e6),
            heard_at: rfc3339(member.heard_us()),
            cores: member.machine.cores,
            memory_mb: member.machine.memory_mb,
            workers: member.machine.workers,
            free_workers: member.pulse.free_workers,
            name: member.runner.name,
            sandbox: member.runner.sandbox,
            version: member.runner.version,
            runtime: member.runner.runtime,
            device: member.machine.device,
            profile: member.machine.profile,
        }
    }
}

impl From<Disagreement> for DisagreementBody {
    fn from(one: Disagreement) -> Self {
        let made = one.comparison;
        Self {
            round: one.round.to_string(),
            model: one.model.to_string(),
            state: made.state.name(),
            runners: made.runners,
            counted: made.counted_runner,
            blamed: made.blamed,
            difference: fraction(made.difference_e9, 1e9),
            found_at: rfc3339(made.found_us),
            settled_at: (made.settled_us > 0).then(|| rfc3339(made.settled_us)),
        }
    }
}

impl From<ShownSample> for SampleBody {
    fn from(one: ShownSample) -> Self {
        Self {
            round: one.round.to_string(),
            commitment: one.commitment,
            seed: one.seed,
            share: fraction(one.share_ppm, 1e6),
            models: one.model_count,
            sampled: one.sample_count,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn fraction(count: i64, parts: f64) -> f64 {
    count as f64 / parts
}
