//! An aggregate as the API shows it.

use domain::Outcome;
use domain::timestamp::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use crate::aggregates::Aggregate;

/// The combined forecast of a round (protocol.md §5).
#[derive(Serialize, ToSchema)]
#[schema(as = Aggregate)]
pub(super) struct AggregateBody {
    round: String,
    /// `up`, `down`, `void`, or null.
    outcome: Option<&'static str>,
    /// Calibrated probability p̂.
    p: f64,
    /// 5 % point of p̂.
    low: f64,
    /// 95 % point of p̂.
    high: f64,
    /// P/W, the pool that settlement uses.
    pool: f64,
    /// Staked models.
    models: i64,
    /// W, decimal tokens.
    stake: String,
    /// (Σω)²/Σω².
    effective_n: f64,
    /// ω-weighted standard deviation of p.
    disagreement: f64,
    /// b of the calibration.
    calibration_b: f64,
    /// k of the calibration.
    calibration_k: f64,
    generated_at: String,
    generated_us: i64,
}

impl AggregateBody {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of models in thousandths"
    )]
    pub(super) fn new(aggregate: &Aggregate, outcome: Option<Outcome>) -> Self {
        Self {
            round: aggregate.round.to_string(),
            outcome: outcome.map(Outcome::name),
            p: aggregate.calibrated.to_f64(),
            low: aggregate.low.to_f64(),
            high: aggregate.high.to_f64(),
            pool: aggregate.pool.to_f64(),
            models: aggregate.model_count,
            stake: aggregate.stake.tokens(),
            effective_n: aggregate.effective_n_milli as f64 / 1e3,
            disagreement: aggregate.disagreement.to_f64(),
            calibration_b: aggregate.intercept.to_f64(),
            calibration_k: aggregate.slope.to_f64(),
            generated_at: rfc3339(aggregate.generated_us),
            generated_us: aggregate.generated_us,
        }
    }
}
