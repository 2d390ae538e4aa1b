//! Scores of a cross-section: one number per row and model, one target per row (scoring.md).
//!
//! An [`Era`] holds what all models of an era share, prepared once: the target side, the meta model
//! side, the features. Each model is scored alone, so what one model misses changes nobody else's
//! score. Never decides which rows an era has and never reads where they come from.

mod churn;
mod corr;
mod exposure;
mod fnc;
mod meta_model;
mod mmc;
mod neutral;
mod rows;

pub use churn::churn;
pub use exposure::{Exposure, exposures, max_feature_exposure, pearson};
pub use meta_model::meta_model;

use thiserror::Error;

use crate::gaussian::Tables;
use crate::matrix::Matrix;
use crate::rank::{Ranker, Unordered};
use corr::TargetSide;
use mmc::MetaSide;
use neutral::Neutralizer;

/// A model is scored from this share of an era's rows on: four fifths.
const COVERAGE: (usize, usize) = (4, 5);

/// Why a model has no score in an era.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unscored {
    /// Under 80 % of the era's rows.
    #[error("under 80 % of the era's rows have a prediction")]
    Coverage,
    /// All predictions are equal.
    #[error("all predictions are equal, so nothing is ranked")]
    Constant,
    /// An infinite prediction.
    #[error("a prediction is infinite")]
    Infinite,
    /// All targets of the model's rows are equal.
    #[error("all targets are equal, so nothing is decided")]
    ConstantTarget,
    /// Under 80 % of the era's rows have a meta model.
    #[error("under 80 % of the era's rows have a meta model")]
    MetaCoverage,
    /// The meta model is the same number everywhere.
    #[error("the meta model is constant")]
    ConstantMeta,
    /// Under 80 % of the era's rows have all features.
    #[error("under 80 % of the era's rows have all features")]
    FeatureCoverage,
    /// Nothing is left of the prediction once the features are taken out.
    #[error("the features explain the prediction wholly, nothing is left to score")]
    Explained,
}

impl Unscored {
    /// The stable word for files and APIs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Coverage => "coverage",
            Self::Constant => "constant",
            Self::Infinite => "infinite",
            Self::ConstantTarget => "constant-target",
            Self::MetaCoverage => "meta-coverage",
            Self::ConstantMeta => "constant-meta",
            Self::FeatureCoverage => "feature-coverage",
            Self::Explained => "explained",
        }
    }
}

impl From<Unordered> for Unscored {
    fn from(why: Unordered) -> Self {
        match why {
            Unordered::NotFinite => Self::Infinite,
            Unordered::Constant => Self::Constant,
            // Longer than any era that could be built.
            Unordered::TooManyRows => Self::Coverage,
        }
    }
}

/// What MMC multiplies targets by before it centres them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetScale {
    /// By 4 if every target of the model's rows lies in [0, 1], else by 1: the guess of the
    /// reference, for comparing with it. A tournament states its own scale instead.
    #[default]
    Auto,
    /// By 1.
    One,
    /// By 4: bins 0, 0.25 … 1 become 0 … 4.
    Four,
}

/// Why an era cannot be built.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EraError {
    /// No rows.
    #[error("the era has no rows")]
    Empty,
    /// A target that is no finite number.
    #[error("the target of row {row} is not a finite number; leave rows without a target out")]
    Target {
        /// From 0.
        row: usize,
    },
    /// A column of another length than the targets.
    #[error("{what} has {found} rows, the era has {expected}")]
    Length {
        /// Which column.
        what: &'static str,
        /// Rows of the era.
        expected: usize,
        /// Rows of the column.
        found: usize,
    },
}

/// The shared side of an era of n rows.
#[derive(Debug)]
pub struct Era {
    targets: TargetSide,
    meta: Option<MetaSide>,
    neutralizer: Option<Neutralizer>,
}

/// Tables and buffers of scoring, kept from model to model; one for each thread.
#[derive(Debug, Default)]
pub struct Scratch {
    tables: Tables,
    ranker: Ranker,
    along: Vec<f64>,
    rows: Vec<u32>,
    values: Vec<f64>,
    targets: Vec<f64>,
    meta: Vec<f64>,
    pairs: Vec<[f64; 2]>,
    block: Matrix,
}

impl Era {
    /// An era of `targets` (shape n), all finite.
    ///
    /// # Errors
    /// [`EraError::Empty`], [`EraError::Target`].
    pub fn new(targets: Vec<f64>) -> Result<Self, EraError> {
        if targets.is_empty() {
            return Err(EraError::Empty);
        }
        if let Some(row) = targets.iter().position(|target| !target.is_finite()) {
            return Err(EraError::Target { row });
        }
        Ok(Self {
            targets: TargetSide::new(targets),
            meta: None,
            neutralizer: None,
        })
    }

    /// With the meta model that MMC measures against: `meta` (shape n), NaN where it has no row.
    ///
    /// # Errors
    /// [`EraError::Length`].
    pub fn with_meta(mut self, meta: Vec<f64>, scale: TargetScale) -> Result<Self, EraError> {
        self.check_length("the meta model", meta.len())?;
        self.meta = Some(MetaSide::new(&self.targets.values, meta, scale));
        Ok(self)
    }

    /// With the features that FNC takes out: `features` (shape n × k), a row with a NaN being a row
    /// without features.
    ///
    /// # Errors
    /// [`EraError::Length`].
    pub fn with_features(mut self, features: Matrix) -> Result<Self, EraError> {
        self.check_length("the features", features.rows())?;
        self.neutralizer = Some(Neutralizer::new(features));
        Ok(self)
    }

    /// n.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.targets.values.len()
    }

    fn check_length(&self, what: &'static str, found: usize) -> Result<(), EraError> {
        let expected = self.rows();
        if found == expected {
            return Ok(());
        }
        Err(EraError::Length {
            what,
            expected,
            found,
        })
    }

    fn covers(&self, rows: usize) -> bool {
        let (least, of) = COVERAGE;
        rows > 0 && rows * of >= self.rows() * least
    }
}
