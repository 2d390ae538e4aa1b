//! Runs hosted ONNX models, each in a confined child process of its own.
//!
//! Owns finding ONNX Runtime, the child process with its limits, the contract that a model must
//! keep, the local check and the client that takes jobs from a server. ONNX Runtime is loaded in
//! the child alone: no model byte is ever parsed in the process that holds the runner's key.

pub mod check;
pub mod device;
pub mod digest;
pub mod environment;
pub mod join;
pub mod limits;
pub mod outcome;
pub mod process;
pub mod runtime;
pub mod scan;

pub mod child;
mod confine;
mod stopwatch;

pub use confine::SandboxLevel;
pub use digest::Digest;
pub use limits::Limits;
pub use outcome::{Cost, ModelFacts, Outcome, Reason, Status};
#[cfg(debug_assertions)]
pub use process::{Attempt, Layer, Trial};
pub use process::{Features, Job, ModelRunner, RunnerConfig, Task, Turns};
pub use runtime::{Runtime, RuntimeError};
