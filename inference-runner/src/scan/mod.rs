//! The static scanner: reads an uploaded model itself, refuses what a tournament does not run, and
//! writes the file that is run instead.
//!
//! Owns the only reading of a model's uploaded bytes and the canonical encoding. ONNX Runtime never
//! sees an uploaded byte, only what [`scan`] wrote. Never recurses over the file, never allocates
//! more than a small multiple of it, and never panics on it. Pure: bytes in, bytes or reasons out.

mod element;
mod encode;
mod graph;
mod infer;
mod operators;
mod read;
mod refusal;
mod size;
mod tensor;
mod trees;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::limits::Limits;
use crate::outcome::Reason;

/// What a tournament and its class of models allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Feature columns of the tournament.
    pub columns: usize,
    /// Largest file, as uploaded and as written again.
    pub model_bytes: usize,
    /// Most memory of constants and of one block of rows together, by the scanner's own estimate.
    pub peak_bytes: u64,
    /// Most multiply-adds (or what takes as long) for one row.
    pub cost_per_row: u64,
    /// Most of them for what does not depend on the rows and is done once, while loading.
    pub cost_of_load: u64,
}

impl Rules {
    /// The default class: half of its address space, and 10 s of processor time for 10,000 rows.
    #[must_use]
    pub fn of(limits: Limits, columns: usize) -> Self {
        let cpu_ms = u64::try_from(limits.cpu.as_millis()).unwrap_or(u64::MAX);
        Self {
            columns,
            model_bytes: usize::try_from(limits.model_bytes).unwrap_or(usize::MAX),
            peak_bytes: limits.address_space_bytes / 2,
            cost_per_row: COST_PER_ROW_PER_MS.saturating_mul(cpu_ms),
            cost_of_load: COST_OF_LOAD,
        }
    }
}

/// One processor millisecond for 10,000 rows at 20 thousand million multiply-adds a second.
const COST_PER_ROW_PER_MS: u64 = 2_000;

/// About a second of an ordinary processor.
const COST_OF_LOAD: u64 = 4_000_000_000;

/// A model that may run.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The file to run: the same computation, written anew.
    pub canonical: Vec<u8>,
    /// Of the uploaded bytes.
    pub digest: Digest,
    /// Of `canonical`.
    pub canonical_digest: Digest,
    pub facts: ScanFacts,
}

/// What the scanner knows about an admitted model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanFacts {
    /// Operators that are run and how often each, sorted; those of other domains as
    /// `ai.onnx.ml.Scaler`.
    pub ops: BTreeMap<String, usize>,
    /// Operator sets as the upload imports them; the default domain is the empty text.
    pub opsets: BTreeMap<String, i64>,
    /// IR version of the upload.
    pub ir: i64,
    /// Numbers in its constants and trees.
    pub params: u64,
    pub class: ModelClass,
    /// Multiply-adds, or what takes as long, of one row in a full block.
    pub cost_per_row: u64,
    /// Constants and one block of rows.
    pub peak_bytes: u64,
    pub columns: usize,
    pub output: OutputKind,
    /// Fields of the upload that carry no computation or that ONNX does not know.
    pub dropped_fields: u64,
}

/// What a model is made of; decides where it is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelClass {
    /// A tree ensemble is among its operators.
    Tree,
    /// A linear model or a support vector machine, or no layer after its first product.
    Linear,
    /// A neural net.
    Dense,
}

impl ModelClass {
    /// As it is on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Linear => "linear",
            Self::Dense => "dense",
        }
    }
}

/// Where the probability of "up" lies in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputKind {
    /// `[N]` or `[N,1]`.
    Rows,
    /// `[N,of]`, in `column`.
    Class { column: usize, of: usize },
}

/// Checks `model` and writes it anew. The canonical file scans to itself.
///
/// # Errors
/// Each reason names what was found and the line that the model's author changes; never empty.
pub fn scan(model: &[u8], rules: &Rules) -> Result<Admitted, Vec<Reason>> {
    if model.len() > rules.model_bytes {
        return Err(vec![too_large(model.len(), rules)]);
    }
    let file = read::model(model).map_err(|reason| vec![reason])?;
    let graph = graph::build(&file, rules)?;
    let inferred = infer::infer(&graph, rules).map_err(|reason| vec![reason])?;
    let canonical = encode::encode(&graph, &inferred);
    if canonical.len() > rules.model_bytes {
        return Err(vec![too_large(canonical.len(), rules)]);
    }
    Ok(Admitted {
        digest: Digest::of(model),
        canonical_digest: Digest::of(&canonical),
        canonical,
        facts: ScanFacts {
            ops: graph.ops(),
            opsets: graph.opsets.clone(),
            ir: file.ir,
            params: graph.params(),
            class: graph.class(),
            cost_per_row: inferred.cost_per_row,
            peak_bytes: inferred.peak_bytes,
            columns: rules.columns,
            output: inferred.output,
            dropped_fields: file.dropped,
        },
    })
}

fn too_large(bytes: usize, rules: &Rules) -> Reason {
    let most = rules.model_bytes;
    Reason::new(
        "model-bytes",
        format!("the model has {bytes} bytes; at most {most} are allowed"),
        "use fewer trees or smaller layers",
    )
}
