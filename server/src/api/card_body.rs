//! The report card of a check: the shape of `foretoken check --json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a check found. Facts that only a scanned model has are null when the scanner refused it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ReportCard)]
pub(super) struct CardBody {
    /// Whether the model may take part.
    accepted: bool,
    /// `ok`, or what is wrong: `load-error`, `run-error`, `bad-output`, `limit-cpu`, `limit-mem`,
    /// `limit-wall`, `forbidden-syscall`.
    #[schema(example = "ok")]
    status: String,
    /// `tree`, `linear` or `dense`.
    class: Option<String>,
    /// What its author must change; empty when it is accepted.
    reasons: Vec<CardReasonBody>,
    /// Operators that are run and how often each.
    ops: BTreeMap<String, u64>,
    /// Version of the default operator set.
    opset: Option<i64>,
    /// Version of every imported operator set; the default one is the empty text.
    opsets: BTreeMap<String, i64>,
    /// IR version of the file.
    ir: Option<i64>,
    /// Numbers in constants and trees.
    params: Option<u64>,
    /// Multiply-adds, or what takes as long, for one row.
    cost_per_row: Option<u64>,
    /// SHA-256 of the bytes that came.
    digest: String,
    /// SHA-256 of the re-encoded file that is run.
    canonical_digest: Option<String>,
    /// How many bytes came.
    bytes: u64,
    inputs: Vec<TensorBody>,
    outputs: Vec<TensorBody>,
    /// Rows of features that it was run over.
    rows: u64,
    /// And their columns.
    columns: u64,
    /// The lowest and the highest answer; null when there was none.
    lowest_p: Option<f64>,
    highest_p: Option<f64>,
    /// Scanning and loading, milliseconds.
    load_ms: f64,
    scan_ms: f64,
    /// Half of the runs over all rows took at most this long.
    run_ms_p50: f64,
    /// And 99 of 100 at most this.
    run_ms_p99: f64,
    cpu_ms: f64,
    /// Most memory of its process, MiB, about 40 of ONNX Runtime included.
    peak_mb: f64,
    /// What ran it.
    runtime: String,
    /// How it was confined: `full`, or how much of it the machine offers.
    sandbox: String,
}

/// One thing to change.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ReportCardReason)]
struct CardReasonBody {
    /// Stable; made for programs.
    #[schema(example = "input-columns")]
    code: String,
    /// What was found and which rule it breaks.
    message: String,
    /// The line to change; may be empty.
    fix: String,
}

/// An input or output as the file declares it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ReportCardTensor)]
struct TensorBody {
    name: String,
    #[schema(example = "float32")]
    element: String,
    /// `N` is any number of rows, `?` any other open size.
    #[schema(example = "[N,70]")]
    shape: String,
}
