//! The local check: the same child, the same contract and the same limits as on a server, on rows
//! that are known in advance. Answers a card for the model's author.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::confine::SandboxLevel;
use crate::digest::Digest;
use crate::limits::Limits;
use crate::outcome::{Outcome, Reason, Status, TensorFacts};
use crate::process::{Features, Job, ModelRunner, Task};
use crate::runtime::Runtime;
use crate::scan::ModelClass;

/// Rows of a check.
pub const ROWS: usize = 256;

/// Runs over all rows, at most.
pub(crate) const REPEATS: usize = 100;

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct Card {
    pub accepted: bool,
    pub status: Status,
    /// Absent, as everything that the scanner says, when it refused the model.
    pub class: Option<ModelClass>,
    pub reasons: Vec<Reason>,
    /// Operators that are run and how often each.
    pub ops: BTreeMap<String, usize>,
    /// Version of the default operator set; absent when only others are imported.
    pub opset: Option<i64>,
    /// Version of every imported set; the default one is the empty text.
    pub opsets: BTreeMap<String, i64>,
    /// IR version of the upload.
    pub ir: Option<i64>,
    /// Numbers in constants and trees.
    pub params: Option<u64>,
    /// Multiply-adds, or what takes as long, for one row.
    pub cost_per_row: Option<u64>,
    /// Of the uploaded bytes.
    pub digest: Digest,
    /// Of the file that is run.
    pub canonical_digest: Option<Digest>,
    pub bytes: usize,
    pub inputs: Vec<TensorFacts>,
    pub outputs: Vec<TensorFacts>,
    /// Rows and columns of the check's features.
    pub rows: usize,
    pub columns: usize,
    /// The lowest and the highest answer; absent when there was none.
    pub lowest_p: Option<f64>,
    pub highest_p: Option<f64>,
    /// Scanning and loading.
    pub load_ms: f64,
    pub scan_ms: f64,
    /// Half of the runs over all rows took at most this long.
    pub run_ms_p50: f64,
    /// And 99 of 100 at most this.
    pub run_ms_p99: f64,
    pub cpu_ms: f64,
    /// Most memory of the process in MiB, about 40 of ONNX Runtime included.
    pub peak_mb: f64,
    pub runtime: String,
    pub sandbox: &'static str,
}

/// Checks one model against the known rows of `columns` features.
pub async fn check(
    runner: &ModelRunner,
    runtime: &Runtime,
    model: Vec<u8>,
    columns: usize,
    limits: Limits,
) -> Card {
    check_on(runner, runtime, model, known_rows(ROWS, columns), limits).await
}

/// Checks one model against `features`.
pub async fn check_on(
    runner: &ModelRunner,
    runtime: &Runtime,
    model: Vec<u8>,
    features: Features,
    limits: Limits,
) -> Card {
    let file = File {
        digest: Digest::of(&model),
        bytes: model.len(),
    };
    let (rows, columns) = (features.rows, features.columns);
    let job = Job {
        task: Task::Check { repeats: REPEATS },
        model: model.into(),
        features,
        limits,
    };
    let outcome = runner.run(&job, limits.wall).await;
    let sandbox = runner.sandbox().await;
    card(
        &outcome,
        file,
        rows,
        columns,
        runtime.description(),
        sandbox,
    )
}

/// The model's file.
#[derive(Clone, Copy)]
pub(crate) struct File {
    pub(crate) digest: Digest,
    pub(crate) bytes: usize,
}

/// The card of one outcome over `rows` by `columns` features.
pub(crate) fn card(
    outcome: &Outcome,
    file: File,
    rows: usize,
    columns: usize,
    runtime: String,
    sandbox: Option<SandboxLevel>,
) -> Card {
    let facts = outcome.facts.clone().unwrap_or_default();
    let scan = facts.scan;
    let opsets = scan
        .as_ref()
        .map(|scan| scan.opsets.clone())
        .unwrap_or_default();
    let mut runs_us = facts.runs_us;
    runs_us.sort_unstable();
    Card {
        accepted: outcome.status == Status::Ok,
        status: outcome.status,
        class: scan.as_ref().map(|scan| scan.class),
        reasons: outcome.reasons.clone(),
        opset: opsets.get("").copied(),
        opsets,
        ir: scan.as_ref().map(|scan| scan.ir),
        params: scan.as_ref().map(|scan| scan.params),
        cost_per_row: scan.as_ref().map(|scan| scan.cost_per_row),
        ops: scan.map(|scan| scan.ops).unwrap_or_default(),
        digest: file.digest,
        canonical_digest: facts.canonical_digest,
        bytes: file.bytes,
        inputs: facts.inputs,
        outputs: facts.outputs,
        rows,
        columns,
        lowest_p: outcome.p.iter().copied().reduce(f64::min),
        highest_p: outcome.p.iter().copied().reduce(f64::max),
        load_ms: milliseconds(outcome.cost.load_us),
        scan_ms: milliseconds(facts.scan_us),
        run_ms_p50: milliseconds(percentile(&runs_us, 50)),
        run_ms_p99: milliseconds(percentile(&runs_us, 99)),
        cpu_ms: milliseconds(outcome.cost.cpu_us),
        peak_mb: mebibytes(outcome.cost.peak_bytes),
        runtime,
        sandbox: sandbox.map_or("none", SandboxLevel::name),
    }
}

impl Card {
    /// The card for people, one fact a line.
    #[must_use]
    pub fn text(&self) -> String {
        let verdict = match self.status {
            Status::Ok => "accepted",
            Status::PlatformError => "not checked",
            _ => "refused",
        };
        let mut lines = vec![format!("{verdict}  sha256:{}", self.digest)];
        for reason in &self.reasons {
            lines.push(format!("  {}: {}", reason.code, reason.message));
            if !reason.fix.is_empty() {
                lines.push(format!("    change: {}", reason.fix));
            }
        }
        self.scanned(&mut lines);
        if self.accepted {
            lines.push(format!(
                "  time      load {:.1} ms, run p50 {:.2} ms, p99 {:.2} ms ({} rows, {} columns)",
                self.load_ms, self.run_ms_p50, self.run_ms_p99, self.rows, self.columns
            ));
        }
        if let (Some(low), Some(high)) = (self.lowest_p, self.highest_p) {
            lines.push(format!("  answers   {low:.4} to {high:.4}"));
        }
        lines.push(format!(
            "  memory    {:.0} MiB at most, ONNX Runtime included",
            self.peak_mb.ceil()
        ));
        lines.push(format!("  sandbox   {}", self.sandbox));
        lines.push(format!("  runtime   {}", self.runtime));
        lines.join("\n")
    }

    /// What the scanner says.
    fn scanned(&self, lines: &mut Vec<String>) {
        let version = |(domain, version): (&String, &i64)| match domain.as_str() {
            "" => format!("opset {version}"),
            domain => format!("{domain} {version}"),
        };
        let mut file = vec![format!("{} bytes", self.bytes)];
        file.extend(self.ir.map(|ir| format!("IR {ir}")));
        file.extend(self.opsets.iter().map(version));
        lines.push(format!("  file      {}", file.join(", ")));
        let (Some(class), Some(digest)) = (self.class, self.canonical_digest) else {
            return;
        };
        lines.push(format!("  runs as   sha256:{digest}"));
        let ops = self
            .ops
            .iter()
            .map(|(name, count)| format!("{name} {count}"));
        let ops = ops.collect::<Vec<_>>().join(", ");
        lines.push(format!("  class     {} ({ops})", class.name()));
        lines.push(format!(
            "  size      {} parameters, {} multiply-adds a row",
            self.params.unwrap_or_default(),
            self.cost_per_row.unwrap_or_default()
        ));
        lines.push(format!("  inputs    {}", list(&self.inputs)));
        lines.push(format!("  outputs   {}", list(&self.outputs)));
    }
}

fn list(tensors: &[TensorFacts]) -> String {
    if tensors.is_empty() {
        return "-".to_owned();
    }
    let each = tensors
        .iter()
        .map(|tensor| format!("{} {} {}", tensor.name, tensor.element, tensor.shape));
    each.collect::<Vec<_>>().join(", ")
}

/// The smallest value that `percent` of the sorted values do not exceed; zero when there is none.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let place = (sorted.len() * percent).div_ceil(100);
    let value = sorted.get(place.saturating_sub(1));
    value.copied().unwrap_or_default()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "durations of seconds, far below 2^53 µs"
)]
fn milliseconds(us: u64) -> f64 {
    us as f64 / 1e3
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes of a process, far below 2^53"
)]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// The same pseudo-random rows everywhere: uniform in −3 to 3, from splitmix64 with seed 1.
#[must_use]
pub fn known_rows(rows: usize, columns: usize) -> Features {
    let mut state = 1_u64;
    let mut bytes = Vec::with_capacity(rows * columns * size_of::<f32>());
    for _ in 0..rows * columns {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        bytes.extend_from_slice(&uniform(state).to_le_bytes());
    }
    Features {
        rows,
        columns,
        bytes: Arc::from(bytes),
    }
}

#[expect(clippy::cast_precision_loss, reason = "24 bits fit a float32 exactly")]
fn uniform(state: u64) -> f32 {
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let unit = (mixed >> 40) as f32 / 16_777_216.0;
    unit.mul_add(6.0, -3.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_rows_are_known() {
        let features = known_rows(2, 3);
        let (chunks, _) = features.bytes.as_chunks::<4>();
        let values: Vec<f32> = chunks
            .iter()
            .map(|chunk| f32::from_le_bytes(*chunk))
            .collect();
        assert!(values.iter().all(|value| (-3.0..3.0).contains(value)));
        assert_eq!(known_rows(2, 3).bytes, features.bytes);
        // First output of splitmix64 for seed 1 is 0x910a2dec89025cc1.
        let first = (f64::from(0x0091_0a2d) / 16_777_216.0) * 6.0 - 3.0;
        assert!((f64::from(values[0]) - first).abs() < 1e-6);
    }

    #[test]
    fn percentiles_are_values_that_were_seen() {
        assert_eq!(percentile(&[], 50), 0);
        assert_eq!(percentile(&[7], 99), 7);
        assert_eq!(percentile(&[1, 2, 3, 4], 50), 2);
        assert_eq!(percentile(&[1, 2, 3, 4], 99), 4);
    }
}
