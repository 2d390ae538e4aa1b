//! The files that data scientists download.
//!
//! Owns the list of files: `<asset>/train.parquet`, `<asset>/validation.parquet`,
//! `<asset>/live.parquet`, `features.json`, `manifest.json`. Must never write a target of the
//! replay part, and must give the same bytes for the same candles.

use std::path::Path;

use domain::timestamp::rfc3339;
use serde::Serialize;

use crate::bundled;
use crate::candle::{Asset, CandleHistory};
use crate::dataset::{Row, Rows, live_row, rows, to_parquet};
use crate::error::DatasetError;
use crate::features::{BARS_NEEDED, FEATURE_LIMIT, FEATURE_SCHEMA_VERSION, FEATURES, FREEZE_US};
use crate::manifest::{
    ColumnEntry, ContentHash, DATASET_VERSION, FeatureEntry, FeatureFile, FileEntry, Manifest,
    RowsEntry, sha256_hex,
};
use crate::split::{EMBARGO_BARS, Part};

const SOURCE: &str = "Binance BTC/USDT and ETH/USDT five-minute candles, from \
    oceanprotocol/pdr-backend, Apache-2.0";

/// One file to be written or served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportFile {
    /// Path below the dataset's folder, with `/`.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// All files of a dataset, the manifest last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// What `manifest.json` says.
    pub manifest: Manifest,
    /// The files, `manifest.json` included.
    pub files: Vec<ExportFile>,
}

/// Writes the datasets of the bundled candles below `directory`, which is made when it is not
/// there, and answers what `manifest.json` says. Existing files of the same names are replaced.
///
/// # Errors
/// [`DatasetError::Write`] names the file that could not be written.
pub fn write_datasets(directory: &Path) -> Result<Manifest, DatasetError> {
    let export = build(&bundled::candles()?)?;
    for file in &export.files {
        let path = directory.join(&file.path);
        let folder = path.parent().unwrap_or(directory);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, &file.bytes))
            .map_err(|source| DatasetError::Write {
                path: path.display().to_string(),
                source,
            })?;
    }
    Ok(export.manifest)
}

/// Makes all files in memory.
///
/// # Errors
/// [`DatasetError::EmptyPart`] when the candles do not cover train, validation and the first round
/// of the replay part.
pub fn build(history: &CandleHistory) -> Result<Export, DatasetError> {
    let mut builder = Builder::default();
    for asset in Asset::ALL {
        for part in [Part::Train, Part::Validation] {
            builder.add_rows(asset, part.name(), &rows(history, asset, part)?)?;
        }
        let live = live_row(history, asset, Part::Replay.from_us())?;
        let only = Rows {
            rows: vec![live],
            rounds_without_bars: 0,
            rounds_without_direction: 0,
        };
        builder.add_rows(asset, "live", &only)?;
    }
    builder.add_file("features.json", json(&feature_file())?, None);
    builder.finish()
}

#[derive(Default)]
struct Builder {
    files: Vec<ExportFile>,
    entries: Vec<FileEntry>,
    content: ContentHash,
    first_us: Option<i64>,
    last_us: Option<i64>,
}

impl Builder {
    fn add_rows(&mut self, asset: Asset, part: &str, made: &Rows) -> Result<(), DatasetError> {
        let path = format!("{asset}/{part}.parquet");
        let starts = || made.rows.iter().map(|row: &Row| row.t_us);
        let (first_us, last_us) = (starts().min().unwrap_or(0), starts().max().unwrap_or(0));
        self.first_us = Some(self.first_us.map_or(first_us, |known| known.min(first_us)));
        self.last_us = Some(self.last_us.map_or(last_us, |known| known.max(last_us)));
        self.content.add(&path, &made.rows);
        let entry = RowsEntry {
            asset,
            part: part.to_owned(),
            count: made.rows.len(),
            from: rfc3339(first_us),
            to: rfc3339(last_us),
            rounds_without_bars: made.rounds_without_bars,
            rounds_without_direction: made.rounds_without_direction,
        };
        self.add_file(&path, to_parquet(asset, &made.rows)?, Some(entry));
        Ok(())
    }

    fn add_file(&mut self, path: &str, bytes: Vec<u8>, rows: Option<RowsEntry>) {
        self.entries.push(FileEntry {
            path: path.to_owned(),
            bytes: bytes.len(),
            sha256: sha256_hex(&bytes),
            rows,
        });
        self.files.push(ExportFile {
            path: path.to_owned(),
            bytes,
        });
    }

    fn finish(mut self) -> Result<Export, DatasetError> {
        let manifest = Manifest {
            name: "direction-5m".to_owned(),
            version: DATASET_VERSION.to_owned(),
            feature_schema_version: FEATURE_SCHEMA_VERSION,
            rows: self
                .entries
                .iter()
                .filter_map(|file| file.rows.as_ref())
                .map(|r| r.count)
                .sum(),
            from: rfc3339(self.first_us.unwrap_or(0)),
            to: rfc3339(self.last_us.unwrap_or(0)),
            embargo_bars: EMBARGO_BARS,
            source: SOURCE.to_owned(),
            columns: columns(),
            files: self.entries,
            content_sha256: self.content.finish(),
        };
        let bytes = json(&manifest)?;
        self.files.push(ExportFile {
            path: "manifest.json".to_owned(),
            bytes,
        });
        Ok(Export {
            manifest,
            files: self.files,
        })
    }
}

fn columns() -> Vec<ColumnEntry> {
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

fn feature_file() -> FeatureFile {
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

fn json(value: &impl Serialize) -> Result<Vec<u8>, DatasetError> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}
