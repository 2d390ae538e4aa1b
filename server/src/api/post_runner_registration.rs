//! `POST /runner/registrations`: a runner says what it is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{ApiJson, Caller};
use super::post_runner_next::presented;
use super::problem::{BodyProblems, KeyProblems, Problem, RunnerProblems};
use crate::accounts::Scope;
use crate::app::App;
use crate::runners::fleet::{self, Benchmark, Machine};

/// More workers than any machine has.
const WORKERS_MAX: i64 = 1_024;
/// Beyond any machine: a benchmark decides about shares.
const RATE_MAX: f64 = 100_000.0;
const DEVICES: [(&str, &str); 2] = [("cpu", "cpu-v1"), ("cuda", "gpu-v1")];

/// A runner that starts.
#[derive(Deserialize, ToSchema)]
#[schema(as = RunnerRegistration)]
pub(super) struct RegistrationBody {
    /// Its name, as in `POST /runner/jobs/next`.
    runner: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    runtime: String,
    #[serde(default)]
    sandbox: String,
    /// `cpu` or `cuda`.
    #[serde(default = "cpu")]
    device: String,
    /// Processor cores.
    #[serde(default)]
    cores: i64,
    /// Memory, MB.
    #[serde(default)]
    memory_mb: i64,
    /// Models that it runs at once, 1 to 1024.
    workers: i64,
    benchmark: BenchmarkBody,
}

/// Measured at the start, in the sandbox, on a fixed block of rows.
#[derive(Deserialize, ToSchema)]
#[schema(as = RunnerBenchmark)]
struct BenchmarkBody {
    /// Models a second, all workers at work, a process for each.
    models_per_s: f64,
    /// One run of a tree ensemble over the block, milliseconds.
    tree_ms: f64,
    /// One run of a dense net over the block, milliseconds.
    dense_ms: f64,
}

/// What the server expects of it.
#[derive(Serialize, ToSchema)]
#[schema(as = RunnerRegistered)]
pub(super) struct RegisteredBody {
    /// Send a heartbeat this often.
    heartbeat_ms: u64,
    /// Take nothing new.
    drain: bool,
}

/// Register a runner; again whenever it starts.
#[utoipa::path(
    post,
    path = "/runner/registrations",
    tag = "runner",
    request_body = RegistrationBody,
    responses((status = 200, body = RegisteredBody), KeyProblems, BodyProblems, RunnerProblems),
    security(("key" = []))
)]
pub(super) async fn post_runner_registration(
    State(app): State<Arc<App>>,
    caller: Caller,
    ApiJson(body): ApiJson<RegistrationBody>,
) -> Result<Json<RegisteredBody>, Problem> {
    caller.require(Scope::Run)?;
    let device = DEVICES.iter().find(|(device, _)| *device == body.device);
    let (device, profile) = device.unwrap_or(&DEVICES[0]);
    let machine = Machine {
        device: (*device).to_owned(),
        profile: (*profile).to_owned(),
        cores: body.cores.max(0),
        memory_mb: body.memory_mb.max(0),
        workers: body.workers.clamp(1, WORKERS_MAX),
        benchmark: Benchmark {
            tree_us: thousandths(body.benchmark.tree_ms),
            dense_us: thousandths(body.benchmark.dense_ms),
            rate_milli: thousandths(body.benchmark.models_per_s).max(1),
        },
    };
    let said = (body.version, body.runtime, body.sandbox);
    let runner = presented(body.runner, said, &caller)?;
    let mut tx = app.db.begin().await?;
    let member = fleet::register(&mut tx, app.wall.now_us(), &runner, &machine).await?;
    tx.commit().await?;
    tracing::info!(
        runner = runner.name,
        device,
        workers = machine.workers,
        "a runner registered"
    );
    Ok(Json(RegisteredBody {
        heartbeat_ms: fleet::BEAT_MS,
        drain: member.drain_asked_us > 0,
    }))
}

fn cpu() -> String {
    DEVICES[0].0.to_owned()
}

#[expect(clippy::cast_possible_truncation, reason = "clamped")]
fn thousandths(number: f64) -> i64 {
    (number.clamp(0.0, RATE_MAX) * 1e3).round() as i64
}
