//! A row of the scorecard: what was done, what was found, whether the target is met.

use serde::Serialize;
use serde_json::Value;

/// One row.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `R1` to `R9`, `R12`, `R14` to `R18`.
    pub row: &'static str,
    /// The fault or attack.
    pub fault: &'static str,
    /// The target.
    pub target: &'static str,
    /// Whether it is met.
    pub pass: bool,
    /// What was counted.
    pub counts: Value,
    /// What went wrong; empty when nothing did.
    pub error: String,
    /// How long it took, wall.
    pub seconds: i64,
}
