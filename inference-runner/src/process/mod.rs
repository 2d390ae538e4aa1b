//! Child processes of the parent's side: starting, keeping some warm, talking, killing.
//!
//! Owns every child of the runner. Never parses a model and never believes a child: lengths, row
//! counts and numbers of a reply are checked here again.

pub(crate) mod frame;

mod conversation;
pub(crate) mod ending;
mod model_process;
mod pool;
mod spawner;

use std::path::PathBuf;
use std::sync::Arc;

use crate::limits::Limits;
use crate::runtime::Runtime;

pub use model_process::{StartCost, StartError};
pub use pool::ModelRunner;

/// What to do with the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// One run over all rows.
    Run,
    /// Up to `repeats` runs over all rows, which must all answer the same; fewer when they take
    /// long.
    Check { repeats: usize },
}

/// A block of float32 features, row-major, little-endian.
#[derive(Clone, Debug)]
pub struct Features {
    pub rows: usize,
    pub columns: usize,
    /// `rows × columns × 4` bytes.
    pub bytes: Arc<[u8]>,
}

/// One model on one block of features.
#[derive(Clone, Debug)]
pub struct Job {
    pub task: Task,
    pub model: Arc<[u8]>,
    pub features: Features,
    pub limits: Limits,
}

/// How a [`ModelRunner`] starts its children.
#[derive(Clone, Debug)]
pub struct RunnerConfig {
    pub runtime: Runtime,
    /// The program with the `child` command; [`RunnerConfig::THIS_PROGRAM`] for this very file.
    pub executable: PathBuf,
    /// The most that any job may be given.
    pub limits: Limits,
    /// Children kept with the runtime loaded; about 40 MB each. Zero starts each on demand.
    pub warm: usize,
}

impl RunnerConfig {
    /// The running file, also when it has been replaced on disk since.
    pub const THIS_PROGRAM: &'static str = "/proc/self/exe";
}
