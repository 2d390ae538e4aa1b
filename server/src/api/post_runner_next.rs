//! `POST /runner/jobs/next`: a long poll for work.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{ApiJson, Caller};
use super::problem::{BodyProblems, KeyProblems, Problem};
use crate::accounts::Scope;
use crate::app::{App, pause};
use crate::runners::{self, Job, JobKind, Runner};

/// The longest that a runner may wait in one call.
const WAIT_LIMIT_MS: u64 = 20_000;
/// Another process may publish a job without ringing the bell of this one.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A runner that asks for work.
#[derive(Deserialize, ToSchema)]
pub(super) struct NextBody {
    /// Its name, 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`; belongs to the account that used it
    /// first.
    runner: String,
    /// How long to wait for a job, at most 20000.
    #[serde(default = "one_second")]
    wait_ms: u64,
    /// Its build.
    #[serde(default)]
    version: String,
    /// Its ONNX Runtime.
    #[serde(default)]
    runtime: String,
    /// The sandbox level that it reaches.
    #[serde(default)]
    sandbox: String,
}

/// A job under a lease.
#[derive(Serialize, ToSchema)]
pub(super) struct JobBody {
    /// Send the results under it.
    lease: String,
    /// `run` or `check`.
    kind: &'static str,
    /// The round of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    round: Option<String>,
    /// Until when the answer of a run must be here, market microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_us: Option<i64>,
    /// What is left on the wall.
    wall_budget_ms: u64,
    features: JobFeaturesBody,
    models: Vec<JobModelBody>,
}

#[derive(Serialize, ToSchema)]
struct JobFeaturesBody {
    /// SHA-256 of the block: float32, little-endian, row-major.
    digest: String,
    rows: i64,
    columns: i64,
}

#[derive(Serialize, ToSchema)]
struct JobModelBody {
    model: String,
    /// SHA-256 of its artifact.
    artifact: String,
    /// `tree`, `linear` or `dense`; a CUDA device gains from dense models only.
    #[serde(skip_serializing_if = "str::is_empty")]
    class: &'static str,
}

/// The next job for a runner, or 204 when none came within `wait_ms`.
#[utoipa::path(
    post,
    path = "/runner/jobs/next",
    tag = "runner",
    request_body = NextBody,
    responses(
        (status = 200, body = JobBody),
        (status = 204, description = "No job came"),
        KeyProblems,
        BodyProblems
    ),
    security(("key" = []))
)]
pub(super) async fn post_runner_next(
    State(app): State<Arc<App>>,
    caller: Caller,
    ApiJson(body): ApiJson<NextBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::Run)?;
    let wait = Duration::from_millis(body.wait_ms.min(WAIT_LIMIT_MS));
    let runner = runner(body, &caller)?;
    note_seen(&app, &runner).await?;
    let mut over = pin!(pause(wait));
    loop {
        // Listening begins before looking, so that a job published in between is not slept over.
        let mut bell = pin!(app.runner_wake.notified());
        bell.as_mut().enable();
        if let Some(job) = take(&app, &runner).await? {
            return Ok(Json(JobBody::from(job)).into_response());
        }
        tokio::select! {
            () = &mut over => return Ok(StatusCode::NO_CONTENT.into_response()),
            () = bell => {}
            () = pause(LOOK_AGAIN) => {}
        }
    }
}

/// Looks with a read first: a runner that waits must not hold the write lock.
async fn take(app: &App, runner: &Runner) -> Result<Option<Job>, Problem> {
    {
        let mut conn = app.db.read().await?;
        if !runners::is_work_waiting(&mut conn, &app.market, &runner.name).await? {
            return Ok(None);
        }
    }
    let mut tx = app.db.begin().await?;
    let job = runners::next_job(&mut tx, &app.market, &runner.name).await?;
    tx.commit().await?;
    Ok(job)
}

async fn note_seen(app: &App, runner: &Runner) -> Result<(), Problem> {
    let wall_us = app.wall.now_us();
    {
        let mut conn = app.db.read().await?;
        if runners::is_seen(&mut conn, wall_us, runner).await? {
            return Ok(());
        }
    }
    let mut tx = app.db.begin().await?;
    runners::note_seen(&mut tx, wall_us, runner).await?;
    tx.commit().await?;
    Ok(())
}

fn runner(body: NextBody, caller: &Caller) -> Result<Runner, Problem> {
    let said = (body.version, body.runtime, body.sandbox);
    presented(body.runner, said, caller)
}

/// A runner as it presents itself under the caller's account: name, then build, runtime, sandbox.
pub(super) fn presented(
    name: String,
    (version, runtime, sandbox): (String, String, String),
    caller: &Caller,
) -> Result<Runner, Problem> {
    let is_name = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if !is_name {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "runner-name-invalid",
            "The runner name breaks the rule",
            "`runner` is not 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'.",
            "Start the runner with another `--name`.",
        ));
    }
    let short = |text: &str| text.chars().take(200).collect::<String>();
    Ok(Runner {
        version: short(&version),
        runtime: short(&runtime),
        sandbox: short(&sandbox),
        name,
        account: caller.account.id.clone(),
    })
}

fn one_second() -> u64 {
    1_000
}

impl From<Job> for JobBody {
    fn from(job: Job) -> Self {
        Self {
            lease: job.id,
            kind: job.kind.name(),
            round: job.round.map(|round| round.to_string()),
            deadline_us: (job.kind == JobKind::Run).then_some(job.deadline_us),
            wall_budget_ms: u64::try_from(job.budget.as_millis()).unwrap_or(u64::MAX),
            features: JobFeaturesBody {
                digest: job.features.digest,
                rows: job.features.rows,
                columns: job.features.columns,
            },
            models: job
                .models
                .into_iter()
                .map(|entry| JobModelBody {
                    model: entry.model.to_string(),
                    class: entry.class.name(),
                    artifact: entry.artifact,
                })
                .collect(),
        }
    }
}
