//! Jobs, runners and results as values.

use std::time::Duration;

use domain::{AccountId, ModelId, RoundId};

use super::Class;

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// One round's predictions.
    Run,
    /// The check of one upload.
    Check,
    /// The answers of one model over the validation rows of a dataset.
    Diagnose,
}

/// A block of float32 features, row-major, little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// SHA-256 of its bytes, hexadecimal.
    pub digest: String,
    /// Rows.
    pub rows: i64,
    /// Columns.
    pub columns: i64,
}

/// One model of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobModel {
    /// The model.
    pub model: ModelId,
    /// SHA-256 of the artifact that is meant.
    pub artifact: String,
    /// What kind of graph it is.
    pub class: Class,
}

/// A job as a runner gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id, which is also the name of the lease.
    pub id: String,
    /// What it is for.
    pub kind: JobKind,
    /// The round of a run.
    pub round: Option<RoundId>,
    /// Until when the answer must be here, market microseconds; `i64::MAX` without one.
    pub deadline_us: i64,
    /// What remains of that on the wall when the lease was given.
    pub budget: Duration,
    /// The input.
    pub features: Features,
    /// Models without a result, by id.
    pub models: Vec<JobModel>,
}

/// A runner as it presents itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runner {
    /// Its name, chosen by its operator; belongs to the account that used it first.
    pub name: String,
    /// The account of its key.
    pub account: AccountId,
    /// Its build.
    pub version: String,
    /// Its ONNX Runtime.
    pub runtime: String,
    /// The sandbox level it reaches.
    pub sandbox: String,
}

/// What became of one model in one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelResult {
    /// The model.
    pub model: ModelId,
    /// `ok` or what went wrong.
    pub status: Status,
    /// The reason, for the model's owner.
    pub detail: String,
    /// CPU time, milliseconds.
    pub cpu_ms: i64,
    /// Wall time, milliseconds.
    pub wall_ms: i64,
}

/// Outcomes of one model in one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It answered.
    Ok,
    /// Too much CPU time.
    LimitCpu,
    /// Too much memory.
    LimitMem,
    /// Too much wall time.
    LimitWall,
    /// It tried what no model may.
    ForbiddenSyscall,
    /// The runtime did not load it.
    LoadError,
    /// It failed while running.
    RunError,
    /// Its answer has the wrong shape or values.
    BadOutput,
    /// The runner failed, not the model.
    PlatformError,
}

const STATUSES: [(Status, &str); 9] = [
    (Status::Ok, "ok"),
    (Status::LimitCpu, "limit-cpu"),
    (Status::LimitMem, "limit-mem"),
    (Status::LimitWall, "limit-wall"),
    (Status::ForbiddenSyscall, "forbidden-syscall"),
    (Status::LoadError, "load-error"),
    (Status::RunError, "run-error"),
    (Status::BadOutput, "bad-output"),
    (Status::PlatformError, "platform-error"),
];

impl Status {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        STATUSES
            .iter()
            .find(|(status, _)| *status == self)
            .map_or("platform-error", |(_, name)| name)
    }

    /// The status of a stored name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        STATUSES
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(status, _)| *status)
    }
}

impl JobKind {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Check => "check",
            Self::Diagnose => "diagnose",
        }
    }

    /// The kind of a stored name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Run, Self::Check, Self::Diagnose]
            .into_iter()
            .find(|kind| kind.name() == text)
    }
}
