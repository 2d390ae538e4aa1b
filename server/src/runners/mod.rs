//! Jobs for the processes that execute hosted models.
//!
//! Owns the tables `runners`, `runner_fleet`, `feature_blocks`, `runner_jobs`,
//! `runner_job_models`, `runner_tries`, `runner_samples` and `runner_comparisons`. A run is split
//! over the live runners model by model (`runs`); every other job is lent whole to one runner name
//! until its lease ends on the wall clock, and then any runner may take it. Never executes a model,
//! and never decides whether a prediction is in time: that is `predictions::submit`.

mod job;

pub mod fleet;
pub mod reputation;

mod class;
mod runs;
mod share;
mod verdict;

mod comparison;
mod sample;

mod fleet_store;
mod runs_store;
mod store;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::{AccountId, MarketClock, ModelId, RoundId};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::db::Conn;
use crate::models::Model;
pub use class::Class;
pub use comparison::{
    Comparison, ComparisonState, Disagreement, Sample, ShownSample, counts, disagreements, samples,
};
pub use job::{Features, Job, JobKind, JobModel, ModelResult, Runner, Status};
pub use runs::{Decided, RunAnswer, first_answers, is_overdue, record_run, sample_run, sweep,
    without_result,};
pub use sample::choose;
pub use verdict::{DENSE_TOLERANCE, DEVICE_TOLERANCE};

/// Most bytes of one feature block.
pub const FEATURES_LIMIT: usize = 32_000_000;
/// Most models of one job.
pub const JOB_MODEL_LIMIT: usize = 10_000;
/// What a runner may take for a check or a diagnosis.
const CHECK_BUDGET: Duration = Duration::from_secs(120);
/// What has no deadline and failed for a reason of ours is tried again after this long.
const RETRY_US: i64 = 10_000_000;
/// A lease is at least this long.
const LEASE_MINIMUM_US: i64 = 200_000;
/// How stale the moment may be at which a runner was seen.
const SEEN_STEP_US: i64 = 5_000_000;

/// Why the job table refuses.
#[derive(Debug, Error)]
pub enum RunnerError {
    /// Rows and columns do not make the block.
    #[error("{values} feature values are not whole rows of {columns} columns")]
    Shape {
        /// How many values came.
        values: usize,
        /// How many columns were named.
        columns: usize,
    },
    /// The block is too large or the job has too many models.
    #[error("a job takes at most {limit} {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much.
        limit: usize,
    },
    /// Another account's runner has the name.
    #[error("runner name {0:?} belongs to another account")]
    NameTaken(String),
    /// No runner has registered under the name.
    #[error("no runner {0:?} has registered")]
    UnknownRunner(String),
    /// No such job.
    #[error("lease {0:?} does not exist")]
    UnknownLease(String),
    /// The job is done, or was never lent.
    #[error("lease {job:?} takes no results of runner {runner:?} any more")]
    LeaseLost {
        /// The job.
        job: String,
        /// Who asked.
        runner: String,
    },
    /// The job has no such model.
    #[error("lease {job:?} has no model {model}")]
    NotInJob {
        /// The job.
        job: String,
        /// The model.
        model: ModelId,
    },
    /// The database refused.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// Publishes the run of a round over one block of features; returns the job's id. A second call
/// for the same round changes nothing.
///
/// # Errors
/// When the block is no whole rows or a limit is passed.
pub async fn publish_run(
    conn: &mut Conn,
    now_us: i64,
    round: &RoundId,
    deadline_us: i64,
    features: &[f32],
    columns: usize,
    models: &[Model],
) -> Result<String, RunnerError> {
    let block = store_features(conn, now_us, features, columns).await?;
    let job = NewJob {
        id: format!("run-{round}"),
        kind: JobKind::Run,
        round: round.to_string(),
        features: block.digest,
        deadline_us,
    };
    publish(conn, now_us, job, models).await
}

/// Publishes the check of one upload over known rows; returns the job's id. A second call for the
/// same model and artifact changes nothing.
///
/// # Errors
/// As [`publish_run`].
pub async fn publish_check(
    conn: &mut Conn,
    now_us: i64,
    model: &Model,
    features: &[f32],
    rows: usize,
    columns: usize,
) -> Result<String, RunnerError> {
    if rows.checked_mul(columns) != Some(features.len()) {
        return Err(RunnerError::Shape {
            values: features.len(),
            columns,
        });
    }
    let block = store_features(conn, now_us, features, columns).await?;
    let job = NewJob {
        id: format!("check-{}-{}", model.id, first_digits(&model.artifact)),
        kind: JobKind::Check,
        round: String::new(),
        features: block.digest,
        deadline_us: i64::MAX,
    };
    publish(conn, now_us, job, std::slice::from_ref(model)).await
}

/// Publishes the run of one model over the validation rows of the dataset version `dataset`; returns
/// the job's id. A second call for the same model, artifact and version changes nothing.
///
/// # Errors
/// As [`publish_run`].
pub async fn publish_diagnosis(
    conn: &mut Conn,
    now_us: i64,
    model: &Model,
    dataset: &str,
    features: &[f32],
    columns: usize,
) -> Result<String, RunnerError> {
    let block = store_features(conn, now_us, features, columns).await?;
    let artifact = first_digits(&model.artifact);
    let job = NewJob {
        id: format!("diagnose-{}-{artifact}-{dataset}", model.id),
        kind: JobKind::Diagnose,
        round: String::new(),
        features: block.digest,
        deadline_us: i64::MAX,
    };
    publish(conn, now_us, job, std::slice::from_ref(model)).await
}

/// Whether a runner has the job at this moment of the wall clock.
///
/// # Errors
/// Database errors.
pub async fn is_lent(conn: &mut Conn, wall_us: i64, job: &str) -> Result<bool, RunnerError> {
    let row = store::job(conn, job).await?;
    Ok(row.is_some_and(|row| row.done_us == 0 && row.lease_until_us > wall_us))
}

/// Whether [`next_job`] would find something for `runner`: a read, for a long poll.
///
/// # Errors
/// Database errors.
pub async fn is_work_waiting(
    conn: &mut Conn,
    clock: &MarketClock,
    runner: &str,
) -> Result<bool, RunnerError> {
    if is_draining(conn, runner).await? {
        return Ok(false);
    }
    if runs::is_lendable(conn, clock, runner).await? {
        return Ok(true);
    }
    let open = store::open_job(conn, clock.wall().now_us(), clock.now_us()).await?;
    Ok(open.is_some())
}

/// Notes that a runner is there and what it is. Writes only when something changed or the last
/// note is five seconds old.
///
/// # Errors
/// [`RunnerError::NameTaken`].
pub async fn note_seen(conn: &mut Conn, wall_us: i64, runner: &Runner) -> Result<(), RunnerError> {
    if let Some((known, seen_us)) = store::runner(conn, &runner.name).await? {
        if known.account != runner.account {
            return Err(RunnerError::NameTaken(runner.name.clone()));
        }
        if known == *runner && wall_us.saturating_sub(seen_us) < SEEN_STEP_US {
            return Ok(());
        }
    }
    store::put_runner(conn, runner, wall_us).await?;
    fleet_store::ensure(conn, &runner.name, wall_us).await?;
    Ok(())
}

/// Whether [`note_seen`] would write.
///
/// # Errors
/// Database errors.
pub async fn is_seen(conn: &mut Conn, wall_us: i64, runner: &Runner) -> Result<bool, RunnerError> {
    let known = store::runner(conn, &runner.name).await?;
    Ok(known.is_some_and(|(known, seen_us)| {
        known == *runner && wall_us.saturating_sub(seen_us) < SEEN_STEP_US
    }))
}

/// Runners by name with the wall moment at which each was last seen, at most 1000.
///
/// # Errors
/// Database errors.
pub async fn list(conn: &mut Conn) -> Result<Vec<(Runner, i64)>, RunnerError> {
    Ok(store::runners(conn).await?)
}

/// Lends `runner` its share of the most urgent run, else the oldest other job. A lease of a run
/// covers half of what remains, so that another runner can still answer for one that died. The same
/// runner does not get a model of a run twice: it may only be slow. A draining one gets nothing.
///
/// # Errors
/// Database errors.
pub async fn next_job(
    conn: &mut Conn,
    clock: &MarketClock,
    runner: &str,
) -> Result<Option<Job>, RunnerError> {
    if is_draining(conn, runner).await? {
        return Ok(None);
    }
    if let Some(run) = runs::lend(conn, clock, runner).await? {
        return Ok(Some(run));
    }
    let wall_us = clock.wall().now_us();
    let Some(open) = store::open_job(conn, wall_us, clock.now_us()).await? else {
        return Ok(None);
    };
    let budget = CHECK_BUDGET;
    let half_us = i64::try_from(budget.as_micros() / 2).unwrap_or(i64::MAX);
    let until_us = wall_us.saturating_add(half_us.max(LEASE_MINIMUM_US));
    if !store::lease(conn, &open.id, runner, until_us, wall_us).await? {
        return Ok(None);
    }
    let models = store::pending(conn, &open.id).await?;
    Ok(Some(Job {
        id: open.id,
        kind: open.kind,
        round: open.round,
        deadline_us: open.deadline_us,
        budget,
        features: open.features,
        models,
    }))
}

async fn is_draining(conn: &mut Conn, runner: &str) -> Result<bool, RunnerError> {
    let known = fleet_store::member(conn, runner).await?;
    Ok(known.is_some_and(|known| known.is_draining()))
}

/// The job of a lease as far as it is unanswered, and the models that have an answer; of a run, as
/// far as it was lent to `runner` and answered by it. `runner` must have asked for work under a key
/// of `account`. Whoever was lent the job may answer until it is done, also when the lease has ended
/// or another runner has it by now: the answer is as good.
///
/// # Errors
/// [`RunnerError::UnknownLease`], [`RunnerError::LeaseLost`], [`RunnerError::NameTaken`].
pub async fn leased(
    conn: &mut Conn,
    job: &str,
    runner: &str,
    account: &AccountId,
) -> Result<(Job, Vec<ModelId>), RunnerError> {
    let Some(row) = store::job(conn, job).await? else {
        return Err(RunnerError::UnknownLease(job.to_owned()));
    };
    let is_run = row.open.kind == JobKind::Run;
    if row.lease_until_us == 0 || (row.done_us != 0 && !is_run) {
        return Err(lost(job, runner));
    }
    let known = store::runner(conn, runner).await?;
    if known.is_none_or(|(known, _)| known.account != *account) {
        return Err(RunnerError::NameTaken(runner.to_owned()));
    }
    let (models, answered) = if is_run {
        runs::lent_to(conn, job, runner).await?
    } else {
        let models = store::pending(conn, job).await?;
        (models, store::answered(conn, job).await?)
    };
    if is_run && models.is_empty() && (answered.is_empty() || row.done_us != 0) {
        return Err(lost(job, runner));
    }
    let job = Job {
        id: row.open.id,
        kind: row.open.kind,
        round: row.open.round,
        deadline_us: row.open.deadline_us,
        budget: Duration::ZERO,
        features: row.open.features,
        models,
    };
    Ok((job, answered))
}

fn lost(job: &str, runner: &str) -> RunnerError {
    RunnerError::LeaseLost {
        job: job.to_owned(),
        runner: runner.to_owned(),
    }
}

/// Writes results of a job that is no run, each model's once, and ends the job with its last one. A
/// check or a diagnosis that failed for a reason of ours stays open and is lent again ten seconds
/// later.
///
/// # Errors
/// [`RunnerError::NotInJob`].
pub async fn record_results(
    conn: &mut Conn,
    wall_us: i64,
    job: &Job,
    results: &[ModelResult],
) -> Result<(), RunnerError> {
    for result in results {
        if !job.models.iter().any(|entry| entry.model == result.model) {
            return Err(RunnerError::NotInJob {
                job: job.id.clone(),
                model: result.model.clone(),
            });
        }
        if job.kind != JobKind::Run && result.status == Status::PlatformError {
            store::postpone(conn, &job.id, wall_us.saturating_add(RETRY_US)).await?;
            continue;
        }
        store::set_result(conn, &job.id, result).await?;
    }
    store::end_when_complete(conn, &job.id, wall_us).await?;
    Ok(())
}

/// What became of a round's hosted models, by model; empty before the run is published. A model
/// without a result yet is left out.
///
/// # Errors
/// Database errors.
pub async fn results_of_round(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Vec<ModelResult>, RunnerError> {
    Ok(store::results(conn, &format!("run-{round}")).await?)
}

/// The bytes of a feature block, if there is one of that digest.
///
/// # Errors
/// Database errors.
pub async fn feature_bytes(conn: &mut Conn, digest: &str) -> Result<Option<Vec<u8>>, RunnerError> {
    Ok(store::feature_bytes(conn, digest).await?)
}

struct NewJob {
    id: String,
    kind: JobKind,
    round: String,
    features: String,
    deadline_us: i64,
}

async fn publish(
    conn: &mut Conn,
    now_us: i64,
    job: NewJob,
    models: &[Model],
) -> Result<String, RunnerError> {
    if models.len() > JOB_MODEL_LIMIT {
        return Err(RunnerError::TooMuch {
            what: "models",
            limit: JOB_MODEL_LIMIT,
        });
    }
    if store::insert_job(conn, &job, now_us).await? {
        store::insert_models(conn, &job.id, models).await?;
        store::end_when_complete(conn, &job.id, now_us.max(1)).await?;
    }
    Ok(job.id)
}

async fn store_features(
    conn: &mut Conn,
    now_us: i64,
    features: &[f32],
    columns: usize,
) -> Result<Features, RunnerError> {
    if columns == 0 || features.is_empty() || !features.len().is_multiple_of(columns) {
        return Err(RunnerError::Shape {
            values: features.len(),
            columns,
        });
    }
    let bytes: Vec<u8> = features.iter().flat_map(|x| x.to_le_bytes()).collect();
    if bytes.len() > FEATURES_LIMIT {
        return Err(RunnerError::TooMuch {
            what: "feature bytes",
            limit: FEATURES_LIMIT,
        });
    }
    let stored = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let block = Features {
        digest: hex::encode(Sha256::digest(&bytes)),
        rows: stored(features.len() / columns),
        columns: stored(columns),
    };
    store::insert_features(conn, &block, bytes, now_us).await?;
    Ok(block)
}

fn first_digits(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
