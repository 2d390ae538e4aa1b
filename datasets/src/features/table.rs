//! The one list of features, in the order of every row and file.

use super::flow_table::FLOW_FEATURES;
use super::price_table::PRICE_FEATURES;
use super::schema::FeatureSpec;

/// Columns of a feature row.
pub const FEATURE_COUNT: usize = PRICE_FEATURES.len() + FLOW_FEATURES.len();

/// Every feature, in the order of a row.
pub static FEATURES: [FeatureSpec; FEATURE_COUNT] = joined();

const fn joined() -> [FeatureSpec; FEATURE_COUNT] {
    let mut all = [PRICE_FEATURES[0]; FEATURE_COUNT];
    let mut index = 0;
    while index < FEATURE_COUNT {
        all[index] = if index < PRICE_FEATURES.len() {
            PRICE_FEATURES[index]
        } else {
            FLOW_FEATURES[index - PRICE_FEATURES.len()]
        };
        index += 1;
    }
    all
}
