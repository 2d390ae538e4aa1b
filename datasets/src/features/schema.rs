//! What a feature is: name, meaning, group, formula.
//!
//! The formula stands beside the name, so that names and values cannot get out of step.

use serde::Serialize;

use super::window::RoundWindow;

/// Grows by one whenever a feature is added, removed, moved or computed in another way. A model
/// trained on one version must not be fed with another.
pub const FEATURE_SCHEMA_VERSION: u32 = 1;

/// What a feature looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureGroup {
    /// Returns of single past bars.
    LaggedReturn,
    /// Returns and trends over several bars.
    Momentum,
    /// Size and shape of past moves.
    Volatility,
    /// Where the price stands within past ranges, and the shape of bars.
    Range,
    /// Traded amounts.
    Volume,
    /// The other asset, and both together.
    OtherAsset,
    /// Time of day and of week at which the round starts.
    Time,
}

/// One column of a feature row.
#[derive(Debug, Clone, Copy)]
pub struct FeatureSpec {
    /// Column name, unique.
    pub name: &'static str,
    /// What it measures, with its unit.
    pub description: &'static str,
    /// What it looks at.
    pub group: FeatureGroup,
    formula: Formula,
}

/// From the bars that a round may see to one number.
pub(super) type Formula = fn(&RoundWindow) -> f64;

impl FeatureSpec {
    pub(super) const fn new(
        group: FeatureGroup,
        name: &'static str,
        description: &'static str,
        formula: Formula,
    ) -> Self {
        Self {
            name,
            description,
            group,
            formula,
        }
    }

    /// The feature before it is clamped and narrowed.
    pub(super) fn value(&self, window: &RoundWindow) -> f64 {
        (self.formula)(window)
    }
}
