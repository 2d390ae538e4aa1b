//! How one model fared in one job: the status, the reason for its owner, the numbers, the cost.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::scan::ScanFacts;

/// The typed result of one model in one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// One probability a row.
    Ok,
    /// The processor time was spent.
    LimitCpu,
    /// The address space was spent.
    LimitMem,
    /// The time on the wall was spent; the child was killed.
    LimitWall,
    /// It made a system call that no model needs; the kernel killed it at once.
    ForbiddenSyscall,
    /// The file is no model that this tournament can run.
    LoadError,
    /// The model failed while it ran.
    RunError,
    /// The model ran and answered something that is not one probability a row.
    BadOutput,
    /// Our fault, or the machine's. It costs the owner nothing.
    PlatformError,
}

/// One thing that the owner of a model must change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable, for programs: `input-columns`, `output-range`, …
    pub code: String,
    /// What was found and which rule it breaks.
    pub message: String,
    /// The line to change.
    pub fix: String,
}

impl Reason {
    pub(crate) fn new(code: &str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            fix: fix.into(),
        }
    }

    fn line(&self) -> String {
        if self.fix.is_empty() {
            return self.message.clone();
        }
        format!("{}: {}", self.message, self.fix)
    }
}

/// One input or output of a model, as the file declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorFacts {
    pub name: String,
    /// `float32`, `int64`, `string`, `sequence`, …
    pub element: String,
    /// For people: `[N,64]`; `N` is any number of rows, `?` any other open size.
    pub shape: String,
}

/// What a loaded model says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFacts {
    pub inputs: Vec<TensorFacts>,
    pub outputs: Vec<TensorFacts>,
    /// Version of the default operator set; absent when the model imports only others.
    pub opset: Option<u32>,
    /// Time of each run over all rows, in microseconds, in order.
    pub runs_us: Vec<u64>,
    /// Of the file that was loaded: the scanner's. Absent only in the hostile suite.
    pub canonical_digest: Option<Digest>,
    /// What the scanner knows about the model.
    pub scan: Option<ScanFacts>,
    /// Reading, checking and writing it again, in microseconds.
    pub scan_us: u64,
}

/// What a job took. `load_us` and `run_us` are the model's own account of its work. `cpu_us` and
/// `peak_bytes` are the kernel's of its whole process, from the fork to the end, and `wall_us` runs
/// from the first byte sent to the last byte read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    pub cpu_us: u64,
    pub wall_us: u64,
    pub load_us: u64,
    pub run_us: u64,
    /// Most memory that the process held at once, ONNX Runtime included.
    pub peak_bytes: u64,
}

/// The whole answer for one model in one job.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub status: Status,
    /// Empty when the status is [`Status::Ok`].
    pub reasons: Vec<Reason>,
    /// One probability of "up" a row, each finite and within 0 to 1; empty unless
    /// [`Status::Ok`].
    pub p: Vec<f64>,
    pub cost: Cost,
    /// Absent when the model could not be loaded.
    pub facts: Option<ModelFacts>,
}

impl Outcome {
    pub(crate) fn failed(status: Status, reason: Reason) -> Self {
        Self {
            status,
            reasons: vec![reason],
            p: Vec::new(),
            cost: Cost::default(),
            facts: None,
        }
    }

    /// Our fault; `what` is for the operator, the owner has nothing to change.
    #[must_use]
    pub fn platform(what: impl Into<String>) -> Self {
        Self::failed(Status::PlatformError, Reason::new("platform", what, ""))
    }

    /// One line for the owner: what was found, the rule, the remedy.
    #[must_use]
    pub fn detail(&self) -> String {
        let lines: Vec<String> = self.reasons.iter().map(Reason::line).collect();
        one_line(&lines.join("; "), 1_000)
    }
}

/// `text` on one line without control characters, at most `most` characters. Models put text of
/// their own into messages.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let joined: String = visible.collect();
    let words: Vec<&str> = joined.split_whitespace().collect();
    words.join(" ").chars().take(most).collect()
}
