//! `POST /runner/jobs/{lease}/results`: answers of a runner.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use domain::{ModelId, Probability};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::extract::{ApiJson, Caller, model_id};
use super::problem::{BodyProblems, KeyProblems, LeaseProblems, Problem};
use super::run_answers::{Run, record_run};
use crate::accounts::Scope;
use crate::app::App;
use crate::db::Conn;
use crate::diagnostics;
use crate::models::{self, Model};
use crate::receipts;
use crate::record::run::RuntimeRow;
use crate::runners::{self, Job, JobKind, ModelResult, Status};

/// Most characters of a detail that are kept.
const DETAIL_LIMIT: usize = 2_000;
/// Most characters of a report card that are kept.
const CARD_LIMIT: usize = 100_000;

/// Results of a job; each model once, in one call or several.
#[derive(Deserialize, ToSchema)]
pub(super) struct ResultsBody {
    /// The name under which the lease was taken.
    runner: String,
    /// What ran the models, unless a result says otherwise; the receipts of their runs state it.
    #[serde(default)]
    environment: Option<RuntimeRow>,
    results: Vec<ResultBody>,
}

#[derive(Deserialize, ToSchema)]
struct ResultBody {
    model: String,
    /// `ok`, `limit-cpu`, `limit-mem`, `limit-wall`, `forbidden-syscall`, `load-error`,
    /// `run-error`, `bad-output` or `platform-error`.
    status: String,
    /// Why, for the model's owner.
    #[serde(default)]
    detail: String,
    /// One probability a row; null stands for a number that is none.
    #[serde(default)]
    p: Vec<Option<f64>>,
    #[serde(default)]
    cpu_ms: i64,
    #[serde(default)]
    wall_ms: i64,
    #[serde(default)]
    load_ms: i64,
    #[serde(default)]
    run_ms: i64,
    /// The report card of a check; made from the times when absent.
    #[serde(default)]
    card: Option<Value>,
    /// What ran this model, where it is not what ran the others.
    #[serde(default)]
    environment: Option<RuntimeRow>,
}

/// One result, parsed, with what its kind of job needs.
pub(super) struct Parsed {
    pub(super) result: ModelResult,
    /// Of a run: what to submit.
    pub(super) p: Option<Probability>,
    /// Of a run that went well: one a row, as it came.
    pub(super) exact: Vec<f64>,
    /// Of a diagnosis that went well: one a row.
    answers: Vec<Probability>,
    card: String,
    /// What ran the model, as the runner says.
    pub(super) runtime: Option<RuntimeRow>,
}

/// Answer a lease. Predictions of a run count as if their models had posted them now.
#[utoipa::path(
    post,
    path = "/runner/jobs/{lease}/results",
    tag = "runner",
    params(("lease" = String, Path, description = "The `lease` of the job")),
    request_body = ResultsBody,
    responses(
        (status = 204, description = "Stored"),
        KeyProblems,
        BodyProblems,
        LeaseProblems
    ),
    security(("key" = []))
)]
pub(super) async fn post_runner_results(
    State(app): State<Arc<App>>,
    Path(lease): Path<String>,
    caller: Caller,
    ApiJson(body): ApiJson<ResultsBody>,
) -> Result<StatusCode, Problem> {
    let received_us = app.market.now_us();
    caller.require(Scope::Run)?;
    let (job, answered, entries) = {
        let mut conn = app.db.read().await?;
        let account = &caller.account.id;
        let (job, answered) = runners::leased(&mut conn, &lease, &body.runner, account).await?;
        let ids: Vec<ModelId> = job.models.iter().map(|entry| entry.model.clone()).collect();
        (job, answered, models::by_ids(&mut conn, &ids).await?)
    };
    let environment = body.environment.and_then(receipts::bounded);
    let parsed = body.results.iter().map(|result| parse(&job, result));
    let mut parsed = parsed.collect::<Result<Vec<Parsed>, Problem>>()?;
    // Another runner was faster: the first answer of a model stays.
    parsed.retain(|one| !answered.contains(&one.result.model));
    for one in &mut parsed {
        one.runtime = one.runtime.take().or_else(|| environment.clone());
    }
    if let (JobKind::Run, Some(round)) = (job.kind, &job.round) {
        let run = Run {
            job: &job,
            round,
            entries: &entries,
            runner: &body.runner,
            received_us,
        };
        record_run(&app, &run, parsed).await?;
        return Ok(StatusCode::NO_CONTENT);
    }
    let mut tx = app.db.begin().await?;
    let results: Vec<ModelResult> = parsed.iter().map(|one| one.result.clone()).collect();
    runners::record_results(&mut tx, app.wall.now_us(), &job, &results).await?;
    match job.kind {
        JobKind::Check => record_checks(&mut tx, &job, &entries, &parsed).await?,
        JobKind::Diagnose => record_answers(&mut tx, received_us, &job, &parsed).await?,
        // A run of no round has nothing to be kept for.
        JobKind::Run => {}
    }
    tx.commit().await?;
    app.timetable_wake.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

/// Only the artifact that was tried decides: a replaced one waits for its own check.
async fn record_checks(
    conn: &mut Conn,
    job: &Job,
    entries: &[Model],
    parsed: &[Parsed],
) -> Result<(), Problem> {
    for one in parsed {
        let id = &one.result.model;
        let tried = job.models.iter().find(|entry| entry.model == *id);
        let current = entries.iter().find(|entry| entry.id == *id);
        let is_same = tried
            .zip(current)
            .is_some_and(|(tried, current)| tried.artifact == current.artifact);
        if !is_same || one.result.status == Status::PlatformError {
            continue;
        }
        let is_ok = one.result.status == Status::Ok;
        let reason = match (is_ok, one.result.detail.as_str()) {
            (true, _) => String::new(),
            (false, "") => one.result.status.name().to_owned(),
            (false, detail) => format!("{}: {detail}", one.result.status.name()),
        };
        models::set_checked(conn, id, is_ok, &reason, &one.card).await?;
    }
    Ok(())
}

/// Kept as they came; a job of ours evaluates them.
async fn record_answers(
    conn: &mut Conn,
    now_us: i64,
    job: &Job,
    parsed: &[Parsed],
) -> Result<(), Problem> {
    for one in parsed {
        let status = one.result.status;
        if status == Status::PlatformError {
            continue;
        }
        let reason = format!("{}: {}", status.name(), one.result.detail);
        let answer = if status == Status::Ok {
            Ok(one.answers.as_slice())
        } else {
            Err(reason.as_str())
        };
        diagnostics::record(conn, now_us, &job.id, answer).await?;
    }
    Ok(())
}

fn parse(job: &Job, body: &ResultBody) -> Result<Parsed, Problem> {
    let Some(mut status) = Status::parse(&body.status) else {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "status-unknown",
            "The status is unknown",
            format!(
                "`status` is {:?}.",
                body.status.chars().take(40).collect::<String>()
            ),
            "Send one of the statuses that `/api/v1/openapi.json` lists.",
        ));
    };
    let model = model_id(&body.model)?;
    let rows = probabilities(&body.p);
    let mut detail: String = body.detail.chars().take(DETAIL_LIMIT).collect();
    let is_whole = i64::try_from(rows.len()).is_ok_and(|length| length == job.features.rows);
    if status == Status::Ok && !(is_whole && rows.iter().all(Option::is_some)) {
        status = Status::BadOutput;
        detail = format!(
            "{} rows came, {} of them a number from 0 to 1; {} rows are asked for",
            rows.len(),
            rows.iter().flatten().count(),
            job.features.rows
        );
    }
    let p = rows
        .first()
        .copied()
        .flatten()
        .filter(|_| status == Status::Ok);
    let card = body
        .card
        .clone()
        .unwrap_or_else(|| card(body, &rows))
        .to_string();
    let answers = if job.kind == JobKind::Diagnose && status == Status::Ok {
        rows.iter().copied().flatten().collect()
    } else {
        Vec::new()
    };
    let is_run = job.kind == JobKind::Run;
    Ok(Parsed {
        p: p.filter(|_| is_run),
        exact: if is_run && status == Status::Ok {
            body.p.iter().copied().flatten().collect()
        } else {
            Vec::new()
        },
        answers,
        runtime: body.environment.clone().and_then(receipts::bounded),
        card: if card.len() <= CARD_LIMIT {
            card
        } else {
            String::new()
        },
        result: ModelResult {
            model,
            status,
            detail,
            cpu_ms: body.cpu_ms.max(0),
            wall_ms: body.wall_ms.max(0),
        },
    })
}

fn probabilities(p: &[Option<f64>]) -> Vec<Option<Probability>> {
    p.iter()
        .map(|p| p.and_then(|p| Probability::from_f64(p).ok()))
        .collect()
}

fn card(body: &ResultBody, rows: &[Option<Probability>]) -> Value {
    let answered = || rows.iter().flatten().map(|p| p.to_f64());
    json!({
        "rows": rows.len(),
        "lowest_p": answered().reduce(f64::min),
        "highest_p": answered().reduce(f64::max),
        "cpu_ms": body.cpu_ms,
        "wall_ms": body.wall_ms,
        "load_ms": body.load_ms,
        "run_ms": body.run_ms,
    })
}
