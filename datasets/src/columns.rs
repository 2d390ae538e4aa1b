//! What the columns of the row files are called and what they hold.
//!
//! Owns the words; the features' own come from their table.

use crate::features::{BARS_NEEDED, FEATURE_LIMIT, FEATURE_SCHEMA_VERSION, FEATURES, FREEZE_US};
use crate::manifest::{ColumnEntry, FeatureEntry, FeatureFile};

/// Columns of every row file, in order; the live row lacks the last.
pub(crate) fn columns() -> Vec<ColumnEntry> {
    let column = |name: &str, kind: &str, description: &str| ColumnEntry {
        name: name.to_owned(),
        kind: kind.to_owned(),
        description: description.to_owned(),
    };
    let mut columns = vec![
        column("id", "string", "asset and start of the round"),
        column(
            "era",
            "string",
            "start of the round, UTC; one era is one five-minute bar",
        ),
        column(
            "t_us",
            "int64",
            "start T of the round, microseconds since 1970 UTC",
        ),
    ];
    columns.extend(
        FEATURES
            .iter()
            .map(|f| column(f.name, "float32", f.description)),
    );
    columns.push(column(
        "target",
        "float64",
        "1 when the bar [T, T+300 s) closes above the bar before it, 0 when below; not in live",
    ));
    columns
}

/// `features.json`.
pub(crate) fn feature_file() -> FeatureFile {
    let entries = FEATURES
        .iter()
        .enumerate()
        .map(|(index, feature)| FeatureEntry {
            index,
            name: feature.name,
            group: feature.group,
            description: feature.description,
        });
    FeatureFile {
        schema_version: FEATURE_SCHEMA_VERSION,
        bars_needed: BARS_NEEDED,
        newest_bar_closed_before_s: FREEZE_US / 1_000_000,
        limit: FEATURE_LIMIT,
        features: entries.collect(),
    }
}
