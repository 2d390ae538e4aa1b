//! The runner's side of the processes of models: the fork server, talking, killing.
//!
//! Owns every child of the runner. Never parses a model and never believes a model's process: lengths, row
//! counts and numbers of a reply are checked here again.

pub(crate) mod control;
pub(crate) mod frame;

mod conversation;
pub(crate) mod ending;
mod fork_server;
mod model_process;
mod model_runner;
mod spawner;
#[cfg(debug_assertions)]
mod trial;
mod turns;

use std::path::PathBuf;
use std::sync::Arc;

use crate::limits::Limits;
use crate::runtime::Runtime;

pub use fork_server::{StartCost, StartError};
pub use model_runner::ModelRunner;
#[cfg(debug_assertions)]
pub use trial::{Attempt, Layer, Trial};
pub use turns::{Turn, Turns};

/// What to do with the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// One run over all rows.
    Run,
    /// Up to `repeats` runs over all rows, which must all answer the same; fewer when they take
    /// long.
    Check { repeats: usize },
    /// Two runs of a file that no scanner has read. For the hostile suite alone, to show that the
    /// sandbox holds by itself: no command and no server's job can ask for it, and it is not in a
    /// release.
    #[cfg(debug_assertions)]
    Unscanned,
    /// What a test lets the locked process attempt instead of running a model; not in a release.
    #[cfg(debug_assertions)]
    Trial(Trial),
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

impl Job {
    /// Whether a test may have asked for less confinement; never in a release.
    fn is_trial(&self) -> bool {
        #[cfg(debug_assertions)]
        return matches!(self.task, Task::Trial(_));
        #[cfg(not(debug_assertions))]
        false
    }
}

/// How a [`ModelRunner`] starts its fork server.
#[derive(Clone, Debug)]
pub struct RunnerConfig {
    pub runtime: Runtime,
    /// The program with the `fork-server` command; [`RunnerConfig::THIS_PROGRAM`] for this very file.
    pub executable: PathBuf,
    /// The most that any job may be given.
    pub limits: Limits,
}

impl RunnerConfig {
    /// The running file, also when it has been replaced on disk since.
    pub const THIS_PROGRAM: &'static str = "/proc/self/exe";
}
