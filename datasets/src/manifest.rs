//! What the downloadable files say about themselves.
//!
//! Owns the wire form of `manifest.json` and `features.json`. Must never hold anything that changes
//! between two runs on the same candles: no clock, no machine.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::candle::Asset;
use crate::dataset::{Row, as_number};
use crate::features::FeatureGroup;
use crate::version::Version;

/// Version of the files' layout and content; grows with every change of either.
pub const DATASET_VERSION: &str = "1.1.0";

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the dataset.
    pub name: String,
    /// Which version this is: [`DATASET_VERSION`], the UTC day of the newest target, the revision.
    pub version: Version,
    /// [`crate::features::FEATURE_SCHEMA_VERSION`].
    pub feature_schema_version: u32,
    /// The UTC midnight by which every candle behind the files had closed, RFC 3339. Also the start
    /// of the live row's round.
    pub cut: String,
    /// Rows in all files.
    pub rows: usize,
    /// Start of the first round in any file, RFC 3339.
    pub from: String,
    /// Start of the last round in any file, RFC 3339.
    pub to: String,
    /// Bars left out between two parts.
    pub embargo_bars: i64,
    /// Where the candles come from and under which licence.
    pub source: String,
    /// Columns of every row file, in order.
    pub columns: Vec<ColumnEntry>,
    /// Every file but this one.
    pub files: Vec<FileEntry>,
    /// SHA-256 (hex) over the values of all rows, whatever the Parquet encoder: see
    /// `ContentHash`.
    pub content_sha256: String,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnEntry {
    /// Its name.
    pub name: String,
    /// `string`, `int64`, `float32` or `float64`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it holds.
    pub description: String,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Path below the manifest's folder, with `/`.
    pub path: String,
    /// Size in bytes.
    pub bytes: usize,
    /// SHA-256 of the file, hex.
    pub sha256: String,
    /// What its rows are; absent for files without rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowsEntry>,
}

/// The rows of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsEntry {
    /// Whose rounds.
    pub asset: Asset,
    /// `train`, `validation` or `live` (one row without a target, as a hosted model is given it).
    pub part: String,
    /// How many.
    pub count: usize,
    /// Start of the first round, RFC 3339.
    pub from: String,
    /// Start of the last round, RFC 3339.
    pub to: String,
    /// Rounds left out because a bar is missing (warm-up, gaps).
    pub rounds_without_bars: usize,
    /// Rounds left out because both closes are equal.
    pub rounds_without_direction: usize,
}

/// `features.json`.
#[derive(Debug, Clone, Serialize)]
pub struct FeatureFile {
    /// [`crate::features::FEATURE_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Bars of each asset behind a row.
    pub bars_needed: usize,
    /// The newest bar behind the row of round T closed this many seconds before T.
    pub newest_bar_closed_before_s: i64,
    /// Largest absolute value.
    pub limit: f64,
    /// Columns in the order of a model's input.
    pub features: Vec<FeatureEntry>,
}

/// One feature.
#[derive(Debug, Clone, Serialize)]
pub struct FeatureEntry {
    /// Position in a model's input, from 0.
    pub index: usize,
    /// Column name.
    pub name: &'static str,
    /// What it looks at.
    pub group: FeatureGroup,
    /// What it measures.
    pub description: &'static str,
}

/// The content hash: per asset and part `<asset>/<part>.parquet` and a zero byte, then per row T
/// (8 bytes), each feature (4 bytes) and the target (8 bytes, when there is one), all little-endian.
/// How the rows of a part are cut into files does not change it.
#[derive(Default)]
pub(crate) struct ContentHash(Sha256);

impl ContentHash {
    pub(crate) fn begin(&mut self, asset: Asset, part: &str) {
        self.0.update(format!("{asset}/{part}.parquet\0"));
    }

    pub(crate) fn add(&mut self, rows: &[Row]) {
        for row in rows {
            self.0.update(row.t_us.to_le_bytes());
            for value in &row.features {
                self.0.update(value.to_le_bytes());
            }
            if let Some(direction) = row.target {
                self.0.update(as_number(direction).to_le_bytes());
            }
        }
    }

    pub(crate) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// SHA-256 of bytes as lower-case hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
