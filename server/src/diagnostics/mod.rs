//! Diagnostics: what an accepted model answers over the validation part of a dataset.
//!
//! Owns the table `diagnostics`: one row for a model and a version of the dataset, queued with a
//! runner's job, answered by it, evaluated by a job of ours. Never punishes: a likely copy of another
//! model is said and nothing else. Never decides what a round counts.

mod comparison;
mod era;
mod report;
mod store;
#[cfg(test)]
mod tests;

use domain::{ModelId, Probability, TournamentId};
use thiserror::Error;

use crate::db::Conn;
use crate::models::{Hosting, Model, ModelState};
use crate::runners::{self, RunnerError};
pub use comparison::{CLONE_ABOVE, COMMON_LEAST, Crowd, CrowdSource, Kinship, Rival};
pub use era::Era;
pub use report::{Day, Exposure, Material, Report};

/// Most models whose answers one report is compared with.
pub const RIVAL_LIMIT: i64 = 1_000;
/// Most characters of a reason.
const REASON_LIMIT: usize = 2_000;

/// Why a verb of diagnostics fails.
#[derive(Debug, Error)]
pub enum DiagnosticError {
    /// The database refused or is gone: retry.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The runner's job behind a diagnosis.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// A validation part without rows.
    #[error("the validation part has no row")]
    NoEras,
    /// A report that cannot be written.
    #[error("a report is no JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A stored row that nothing of ours wrote.
    #[error("the stored {what} of model {model} is broken")]
    Stored {
        /// Which column.
        what: &'static str,
        /// Whose.
        model: String,
    },
}

/// How far a diagnosis is, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is to be run; the reason says why.
    None,
    /// Waits for a runner.
    Queued,
    /// A runner has it, or its answers are being evaluated.
    Running,
    /// There is a report.
    Done,
    /// The model did not answer; the reason says why.
    Failed,
}

impl Progress {
    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// What is known about a model.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// Of the newest attempt.
    pub progress: Progress,
    /// Why there is none or why it failed; else empty.
    pub reason: String,
    /// The dataset version of the newest attempt; empty without one.
    pub dataset: String,
    /// The newest report, which may be of an older version while another runs.
    pub finding: Option<Finding>,
}

/// A report with what it is about.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The dataset version.
    pub dataset: String,
    /// SHA-256 of the file that answered.
    pub artifact: String,
    /// When it was made, market microseconds.
    pub done_us: i64,
    /// What it says.
    pub report: Report,
    /// Era by era.
    pub eras: Vec<Era>,
}

/// Answers that wait for their evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Whose.
    pub model: ModelId,
    /// In which tournament.
    pub tournament: TournamentId,
    /// Over which version.
    pub dataset: String,
    /// One a row of the validation part.
    pub answers: Vec<Probability>,
}

/// Notes that a model's diagnosis over `dataset` was given to the runners as `job`; a second time
/// changes nothing.
///
/// # Errors
/// Database errors.
pub async fn queue(
    conn: &mut Conn,
    now_us: i64,
    model: &Model,
    dataset: &str,
    job: &str,
) -> Result<(), DiagnosticError> {
    Ok(store::insert(conn, model, dataset, job, now_us).await?)
}

/// Whether a model's diagnosis over `dataset` was queued before.
///
/// # Errors
/// Database errors.
pub async fn is_known(
    conn: &mut Conn,
    model: &ModelId,
    dataset: &str,
) -> Result<bool, DiagnosticError> {
    Ok(store::is_known(conn, model, dataset).await?)
}

/// What a runner's job brought: one probability a row, or why there is none. Only the first answer
/// of a job changes anything.
///
/// # Errors
/// Database errors.
pub async fn record(
    conn: &mut Conn,
    now_us: i64,
    job: &str,
    answer: Result<&[Probability], &str>,
) -> Result<(), DiagnosticError> {
    match answer {
        Ok(answers) => store::set_answers(conn, job, era::encode_answers(answers)).await?,
        Err(reason) => {
            let reason: String = reason.chars().take(REASON_LIMIT).collect();
            store::set_failed_by_job(conn, job, &reason, now_us).await?;
        }
    }
    Ok(())
}

/// The oldest answers that wait for their evaluation.
///
/// # Errors
/// Database errors, broken rows.
pub async fn answered(conn: &mut Conn, limit: i64) -> Result<Vec<Answered>, DiagnosticError> {
    store::answered(conn, limit).await
}

/// Keeps what the model answered in each era; from here on others are compared with it.
///
/// # Errors
/// Database errors.
pub async fn set_eras(
    conn: &mut Conn,
    model: &ModelId,
    dataset: &str,
    eras: &[Era],
) -> Result<(), DiagnosticError> {
    let count = i64::try_from(eras.len()).unwrap_or(i64::MAX);
    Ok(store::set_eras(conn, model, dataset, count, era::encode(eras)).await?)
}

/// What each model of a tournament answered last, by model id, at most [`RIVAL_LIMIT`] models.
///
/// # Errors
/// Database errors, broken rows.
pub async fn eras_of_tournament(
    conn: &mut Conn,
    tournament: &TournamentId,
) -> Result<Vec<(ModelId, Vec<Era>)>, DiagnosticError> {
    store::eras_of_tournament(conn, tournament).await
}

/// Writes the report and forgets what was known of the model before.
///
/// # Errors
/// Database errors.
pub async fn finish(
    conn: &mut Conn,
    now_us: i64,
    model: &ModelId,
    dataset: &str,
    report: &Report,
) -> Result<(), DiagnosticError> {
    let report = serde_json::to_string(report)?;
    store::set_report(conn, model, dataset, &report, now_us).await?;
    store::forget_before(conn, model, dataset).await?;
    Ok(())
}

/// Ends a diagnosis that cannot be evaluated.
///
/// # Errors
/// Database errors.
pub async fn fail(
    conn: &mut Conn,
    now_us: i64,
    model: &ModelId,
    dataset: &str,
    reason: &str,
) -> Result<(), DiagnosticError> {
    Ok(store::set_failed(conn, model, dataset, reason, now_us).await?)
}

/// What is known about a model; `has_dataset` says whether any version is published.
///
/// # Errors
/// Database errors, broken rows.
pub async fn of_model(
    conn: &mut Conn,
    wall_us: i64,
    model: &Model,
    has_dataset: bool,
) -> Result<Diagnosis, DiagnosticError> {
    let Some(newest) = store::newest(conn, &model.id).await? else {
        return Ok(not_begun(model, has_dataset));
    };
    let progress = match newest.state.as_str() {
        "queued" if runners::is_lent(conn, wall_us, &newest.job).await? => Progress::Running,
        "queued" => Progress::Queued,
        "answered" => Progress::Running,
        "done" => Progress::Done,
        _ => Progress::Failed,
    };
    Ok(Diagnosis {
        progress,
        reason: newest.reason,
        dataset: newest.dataset,
        finding: store::finding(conn, &model.id).await?,
    })
}

fn not_begun(model: &Model, has_dataset: bool) -> Diagnosis {
    let (progress, reason) = match (model.hosting, model.state) {
        (Hosting::External, _) => (
            Progress::None,
            "only hosted models are run over the validation part",
        ),
        (Hosting::Hosted, ModelState::Active) if has_dataset => (Progress::Queued, ""),
        (Hosting::Hosted, ModelState::Active) => (Progress::None, "no dataset is published yet"),
        (Hosting::Hosted, ModelState::Checking) => (Progress::None, "the model is being checked"),
        (Hosting::Hosted, ModelState::Refused) => (Progress::None, "the model was refused"),
        (Hosting::Hosted, ModelState::Paused) => (Progress::None, "the model is paused"),
        (Hosting::Hosted, ModelState::Retired) => (Progress::None, "the model is retired"),
    };
    Diagnosis {
        progress,
        reason: reason.to_owned(),
        dataset: String::new(),
        finding: None,
    }
}
