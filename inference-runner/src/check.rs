//! The local check: the same child, the same contract and the same limits as on a server, on rows
//! that are known in advance. Answers a card for the model's author.

use std::sync::Arc;

use serde::Serialize;

use crate::confine::SandboxLevel;
use crate::digest::Digest;
use crate::limits::Limits;
use crate::outcome::{Outcome, Reason, Status, TensorFacts};
use crate::process::{Features, Job, ModelRunner, Task};
use crate::runtime::Runtime;

/// Rows of a check.
pub const ROWS: usize = 256;

/// Runs over all rows, at most.
pub(crate) const REPEATS: usize = 100;

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct Card {
    pub accepted: bool,
    pub status: Status,
    pub reasons: Vec<Reason>,
    pub sha256: Digest,
    pub bytes: usize,
    pub opset: Option<u32>,
    pub inputs: Vec<TensorFacts>,
    pub outputs: Vec<TensorFacts>,
    /// Rows and columns of the check's features.
    pub rows: usize,
    pub columns: usize,
    /// The lowest and the highest answer; absent when there was none.
    pub lowest_p: Option<f64>,
    pub highest_p: Option<f64>,
    pub load_ms: f64,
    /// Half of the runs over all rows took at most this long.
    pub run_ms_p50: f64,
    /// And 99 of 100 at most this.
    pub run_ms_p99: f64,
    pub cpu_ms: f64,
    /// Most memory of the child, about 40 MB of ONNX Runtime included.
    pub peak_bytes: u64,
    pub runtime: String,
    pub sandbox: &'static str,
}

/// Checks one model against rows of `columns` features.
pub async fn check(
    runner: &ModelRunner,
    runtime: &Runtime,
    model: Vec<u8>,
    columns: usize,
    limits: Limits,
) -> Card {
    let sha256 = Digest::of(&model);
    let bytes = model.len();
    let job = Job {
        task: Task::Check { repeats: REPEATS },
        model: model.into(),
        features: known_rows(ROWS, columns),
        limits,
    };
    let outcome = runner.run(&job, limits.wall).await;
    let file = File { sha256, bytes };
    let sandbox = runner.sandbox().await;
    card(
        &outcome,
        file,
        ROWS,
        columns,
        runtime.description(),
        sandbox,
    )
}

/// The model's file.
#[derive(Clone, Copy)]
pub(crate) struct File {
    pub(crate) sha256: Digest,
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
    let mut runs_us = facts.runs_us;
    runs_us.sort_unstable();
    Card {
        accepted: outcome.status == Status::Ok,
        status: outcome.status,
        reasons: outcome.reasons.clone(),
        sha256: file.sha256,
        bytes: file.bytes,
        opset: facts.opset,
        inputs: facts.inputs,
        outputs: facts.outputs,
        rows,
        columns,
        lowest_p: outcome.p.iter().copied().reduce(f64::min),
        highest_p: outcome.p.iter().copied().reduce(f64::max),
        load_ms: milliseconds(outcome.cost.load_us),
        run_ms_p50: milliseconds(percentile(&runs_us, 50)),
        run_ms_p99: milliseconds(percentile(&runs_us, 99)),
        cpu_ms: milliseconds(outcome.cost.cpu_us),
        peak_bytes: outcome.cost.peak_bytes,
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
        let mut lines = vec![format!("{verdict}  sha256:{}", self.sha256)];
        for reason in &self.reasons {
            lines.push(format!("  {}: {}", reason.code, reason.message));
            if !reason.fix.is_empty() {
                lines.push(format!("    change: {}", reason.fix));
            }
        }
        let opset = self.opset.map_or("-".to_owned(), |opset| opset.to_string());
        lines.push(format!("  file      {} bytes, opset {opset}", self.bytes));
        lines.push(format!("  inputs    {}", list(&self.inputs)));
        lines.push(format!("  outputs   {}", list(&self.outputs)));
        if self.accepted {
            lines.push(format!(
                "  time      load {:.1} ms, run p50 {:.2} ms, p99 {:.2} ms ({} rows, {} columns)",
                self.load_ms, self.run_ms_p50, self.run_ms_p99, self.rows, self.columns
            ));
        }
        if let (Some(low), Some(high)) = (self.lowest_p, self.highest_p) {
            lines.push(format!("  answers   {low:.4} to {high:.4}"));
        }
        let peak = self.peak_bytes.div_ceil(1 << 20);
        lines.push(format!(
            "  memory    {peak} MiB at most, ONNX Runtime included"
        ));
        lines.push(format!("  sandbox   {}", self.sandbox));
        lines.push(format!("  runtime   {}", self.runtime));
        lines.join("\n")
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
