//! The requests and answers of the runner's part of the HTTP API, as they are on the wire.

use serde::{Deserialize, Serialize};

use super::benchmark::Benchmark;
use crate::check::Card;
use crate::digest::Digest;
use crate::environment::Environment;
use crate::outcome::{Outcome, Status};

/// `POST runner/jobs/next`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct NextRequest {
    pub(super) runner: String,
    /// How long the server may hold the request when it has no job.
    pub(super) wait_ms: u64,
    pub(super) version: &'static str,
    pub(super) runtime: String,
    pub(super) sandbox: &'static str,
}

/// `POST runner/registrations`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RegistrationRequest<'a> {
    pub(super) runner: &'a str,
    pub(super) version: &'static str,
    pub(super) runtime: &'a str,
    pub(super) sandbox: &'static str,
    pub(super) device: &'static str,
    pub(super) cores: usize,
    pub(super) memory_mb: u64,
    pub(super) workers: usize,
    pub(super) benchmark: Benchmark,
}

/// Its answer.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Registered {
    pub(super) heartbeat_ms: u64,
    #[serde(default)]
    pub(super) drain: bool,
}

/// `POST runner/heartbeats`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct HeartbeatRequest<'a> {
    pub(super) runner: &'a str,
    pub(super) free_workers: usize,
    pub(super) load: f64,
    pub(super) draining: bool,
}

/// Its answer.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Wish {
    pub(super) drain: bool,
}

/// The answer, when there is a job.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Lease {
    pub(super) lease: String,
    pub(super) kind: Kind,
    #[serde(default)]
    pub(super) round: Option<String>,
    /// Left until the answer must have arrived.
    pub(super) wall_budget_ms: u64,
    pub(super) features: FeaturesRef,
    pub(super) models: Vec<ModelRef>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Predictions of a round.
    Run,
    /// Trial of newly uploaded models.
    Check,
    /// Answers over the validation rows of a dataset.
    Diagnose,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct FeaturesRef {
    pub(super) digest: Digest,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ModelRef {
    pub(super) model: String,
    pub(super) artifact: Digest,
    /// `tree`, `linear`, `dense`; empty when the server does not know.
    #[serde(default)]
    pub(super) class: String,
}

impl ModelRef {
    /// Whether a CUDA device has kernels for it; those of `ai.onnx.ml` run on the processor only.
    pub(super) fn gains_from_device(&self) -> bool {
        self.class == "dense"
    }
}

/// `POST runner/jobs/{lease}/results`.
#[derive(Debug, Serialize)]
pub(super) struct ResultsRequest<'a> {
    pub(super) runner: &'a str,
    /// What ran the models: every result's receipt states it.
    pub(super) environment: &'a Environment,
    pub(super) results: &'a [ModelResult],
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ModelResult {
    pub(super) model: String,
    pub(super) status: Status,
    pub(super) detail: String,
    pub(super) p: Vec<f64>,
    pub(super) cpu_ms: u64,
    pub(super) wall_ms: u64,
    pub(super) load_ms: u64,
    pub(super) run_ms: u64,
    /// For the owner, after a check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) card: Option<Card>,
    /// What ran this model, where it is not what ran the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) environment: Option<Environment>,
}

impl ModelResult {
    pub(super) fn new(model: String, outcome: Outcome) -> Self {
        let cost = outcome.cost;
        Self {
            model,
            status: outcome.status,
            detail: outcome.detail(),
            p: outcome.p,
            cpu_ms: cost.cpu_us.div_ceil(1_000),
            wall_ms: cost.wall_us.div_ceil(1_000),
            load_ms: cost.load_us.div_ceil(1_000),
            run_ms: cost.run_us.div_ceil(1_000),
            card: None,
            environment: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dense_models_go_to_a_device() {
        let model = |class: &str| ModelRef {
            model: "m".to_owned(),
            artifact: Digest::of(b""),
            class: class.to_owned(),
        };
        assert!(model("dense").gains_from_device());
        for class in ["tree", "linear", "", "other"] {
            assert!(!model(class).gains_from_device(), "{class}");
        }
    }
}
