//! Scores the predictions of files: what `foretoken score` does (scoring.md, command line).
//!
//! The only part of this crate that reads files, those that its caller names, and that writes one, a
//! temporary one for CSV. Rows are joined by id and era; models are read a block of columns at a time,
//! so the memory needed does not grow with the number of models, nor with that of the eras when
//! features are given. The threads that the caller runs it in change no bit of the answer.

mod csv_table;
mod error;
mod frame;
mod report;
mod run;
mod table;

pub use error::ScoreFileError;
pub use report::Report;
pub use run::{Progress, score};
pub use table::{MAX_COLUMNS, MAX_ROWS};

use std::path::PathBuf;

use crate::cross_section::TargetScale;

/// A score of a cross-section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// [`crate::cross_section::Era::corr`].
    Corr,
    /// [`crate::cross_section::Era::mmc`].
    Mmc,
    /// [`crate::cross_section::Era::fnc`].
    Fnc,
}

impl Metric {
    /// As files and command lines call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Corr => "corr",
            Self::Mmc => "mmc",
            Self::Fnc => "fnc",
        }
    }
}

/// What to score. Files are Parquet or CSV with a column `id` and, where eras are told apart, `era`.
#[derive(Clone, Debug)]
pub struct Request {
    /// One number column per model.
    pub predictions: PathBuf,
    /// A column `target`.
    pub targets: PathBuf,
    /// A column `meta`; needed for MMC.
    pub meta: Option<PathBuf>,
    /// One number column per feature; needed for FNC.
    pub features: Option<PathBuf>,
    /// Which scores, each once.
    pub metrics: Vec<Metric>,
    /// What MMC multiplies targets by.
    pub target_scale: TargetScale,
}
