//! The files of one version of a dataset.
//!
//! Owns the list of files: `<asset>/train/<month>.parquet` for every month, in which a month that is
//! over keeps its bytes in every later version, `<asset>/validation.parquet`,
//! `<asset>/live.parquet`, `features.json`, `distributions.json`, `manifest.json`. Must never look
//! at a candle that closes after the cut, and must give the same bytes for the same candles.

use std::ops::Range;
use std::path::Path;

use domain::timestamp::rfc3339;
use serde::Serialize;

use crate::bundled;
use crate::candle::{Asset, BAR_US, CandleHistory, CandleSeries};
use crate::columns::{columns, feature_file};
use crate::dataset::{Row, Rows, live_row, rows_between, to_parquet};
use crate::distributions::Collector;
use crate::error::DatasetError;
use crate::features::FEATURE_SCHEMA_VERSION;
use crate::manifest::{ContentHash, FileEntry, Manifest, RowsEntry, sha256_hex};
use crate::split::{DAY_US, EMBARGO_BARS, Split};
use crate::version::Version;

/// Where the bundled candles come from and under which licence.
pub const BUNDLED_SOURCE: &str = "Binance BTC/USDT and ETH/USDT five-minute candles, from \
    oceanprotocol/pdr-backend, Apache-2.0";

/// Name of the file that describes all others.
pub const MANIFEST: &str = "manifest.json";

/// One file to be written or served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportFile {
    /// Path below the version, with `/`.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// All files of a version but its manifest, which is written last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// What `manifest.json` says.
    pub manifest: Manifest,
    /// The files in the order of the manifest.
    pub files: Vec<ExportFile>,
}

impl Export {
    /// The bytes of `manifest.json`.
    ///
    /// # Errors
    /// [`DatasetError::Json`] when it cannot be written as JSON.
    pub fn manifest_json(&self) -> Result<Vec<u8>, DatasetError> {
        json(&self.manifest)
    }
}

/// Writes the dataset of the bundled candles below `directory`, which is made when it is not there,
/// and answers what `manifest.json` says. Existing files of the same names are replaced.
///
/// # Errors
/// [`DatasetError::Write`] names the file that could not be written.
pub fn write_datasets(directory: &Path) -> Result<Manifest, DatasetError> {
    let export = build(&bundled::candles()?, Split::BUNDLED, BUNDLED_SOURCE)?;
    for file in &export.files {
        write(directory, &file.path, &file.bytes)?;
    }
    write(directory, MANIFEST, &export.manifest_json()?)?;
    Ok(export.manifest)
}

fn write(directory: &Path, path: &str, bytes: &[u8]) -> Result<(), DatasetError> {
    let path = directory.join(path);
    let folder = path.parent().unwrap_or(directory);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, bytes))
        .map_err(|source| DatasetError::Write {
            path: path.display().to_string(),
            source,
        })
}

/// Makes the files of the version that is cut as `split` says, in memory, from the candles closed
/// by then; `source` says where they come from.
///
/// # Errors
/// [`DatasetError::EmptyPart`] when the candles cover no round of train or of validation,
/// [`DatasetError::MissingBar`] when a bar behind the live row is not there.
pub fn build(history: &CandleHistory, split: Split, source: &str) -> Result<Export, DatasetError> {
    let history = &closed_by(history, split.cut_us())?;
    let series = Asset::ALL.map(|asset| history.of(asset));
    let first = |series: &CandleSeries| series.as_slice().first().map(|bar| bar.open_time_us);
    let firsts = series.map(first).into_iter().collect::<Option<Vec<_>>>();
    let train_from_us = firsts.and_then(|firsts| firsts.into_iter().max());
    let train_from_us = train_from_us.ok_or(DatasetError::EmptyPart { part: "train" })?;
    let mut builder = Builder::new(Collector::new(series.into_iter()));
    for asset in Asset::ALL {
        builder.add_train(history, asset, train_from_us..split.train_to_us())?;
        builder.add_validation(history, asset, split.validation_us())?;
        builder.add_live(live_row(history, asset, split.cut_us())?, asset)?;
    }
    builder.add_file("features.json", json(&feature_file())?, None);
    builder.finish(split, source)
}

/// What was known at `instant_us`.
fn closed_by(history: &CandleHistory, instant_us: i64) -> Result<CandleHistory, DatasetError> {
    let known = |series: &CandleSeries| {
        CandleSeries::new(series.asset(), series.closed_by(instant_us).to_vec())
    };
    Ok(CandleHistory {
        btc: known(&history.btc)?,
        eth: known(&history.eth)?,
    })
}

struct Builder {
    files: Vec<ExportFile>,
    entries: Vec<FileEntry>,
    content: ContentHash,
    collector: Collector,
    span_us: Option<(i64, i64)>,
}

impl Builder {
    fn new(collector: Collector) -> Self {
        Self {
            files: vec![],
            entries: vec![],
            content: ContentHash::default(),
            collector,
            span_us: None,
        }
    }

    fn add_train(
        &mut self,
        history: &CandleHistory,
        asset: Asset,
        span_us: Range<i64>,
    ) -> Result<(), DatasetError> {
        self.content.begin(asset, "train");
        let before = self.files.len();
        for (month, span_us) in months(span_us) {
            let made = rows_between(history, asset, span_us)?;
            if !made.rows.is_empty() {
                self.collector.add_train(asset, &made.rows);
                let path = format!("{asset}/train/{month}.parquet");
                self.add_rows(&path, asset, "train", &made)?;
            }
        }
        if self.files.len() == before {
            return Err(DatasetError::EmptyPart { part: "train" });
        }
        Ok(())
    }

    fn add_validation(
        &mut self,
        history: &CandleHistory,
        asset: Asset,
        span_us: Range<i64>,
    ) -> Result<(), DatasetError> {
        let made = rows_between(history, asset, span_us)?;
        if made.rows.is_empty() {
            return Err(DatasetError::EmptyPart { part: "validation" });
        }
        self.collector.add_targets(asset, &made.rows);
        self.content.begin(asset, "validation");
        self.add_rows(
            &format!("{asset}/validation.parquet"),
            asset,
            "validation",
            &made,
        )
    }

    fn add_live(&mut self, live: Row, asset: Asset) -> Result<(), DatasetError> {
        let only = Rows {
            rows: vec![live],
            rounds_without_bars: 0,
            rounds_without_direction: 0,
        };
        self.content.begin(asset, "live");
        self.add_rows(&format!("{asset}/live.parquet"), asset, "live", &only)
    }

    fn add_rows(
        &mut self,
        path: &str,
        asset: Asset,
        part: &str,
        made: &Rows,
    ) -> Result<(), DatasetError> {
        let starts = || made.rows.iter().map(|row: &Row| row.t_us);
        let (first_us, last_us) = (starts().min().unwrap_or(0), starts().max().unwrap_or(0));
        let known = self.span_us.unwrap_or((first_us, last_us));
        self.span_us = Some((known.0.min(first_us), known.1.max(last_us)));
        self.content.add(&made.rows);
        let entry = RowsEntry {
            asset,
            part: part.to_owned(),
            count: made.rows.len(),
            from: rfc3339(first_us),
            to: rfc3339(last_us),
            rounds_without_bars: made.rounds_without_bars,
            rounds_without_direction: made.rounds_without_direction,
        };
        self.add_file(path, to_parquet(asset, &made.rows)?, Some(entry));
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

    fn finish(mut self, split: Split, source: &str) -> Result<Export, DatasetError> {
        let collector = std::mem::replace(&mut self.collector, Collector::new([].into_iter()));
        self.add_file("distributions.json", json(&collector.finish())?, None);
        let (first_us, last_us) = self.span_us.unwrap_or((0, 0));
        let counts = self.entries.iter().filter_map(|file| file.rows.as_ref());
        let manifest = Manifest {
            name: "direction-5m".to_owned(),
            version: Version::of_day(split.validation_us().end - BAR_US),
            feature_schema_version: FEATURE_SCHEMA_VERSION,
            cut: rfc3339(split.cut_us()),
            rows: counts.map(|rows| rows.count).sum(),
            from: rfc3339(first_us),
            to: rfc3339(last_us),
            embargo_bars: EMBARGO_BARS,
            source: source.to_owned(),
            columns: columns(),
            files: self.entries,
            content_sha256: self.content.finish(),
        };
        Ok(Export {
            manifest,
            files: self.files,
        })
    }
}

/// The calendar months that `span_us` touches, `2024-02`, each with its share of the span.
fn months(span_us: Range<i64>) -> Vec<(String, Range<i64>)> {
    let mut months: Vec<(String, Range<i64>)> = vec![];
    let mut from_us = span_us.start;
    while from_us < span_us.end {
        let to_us = (from_us - from_us.rem_euclid(DAY_US) + DAY_US).min(span_us.end);
        let month: String = rfc3339(from_us).chars().take(7).collect();
        match months.last_mut() {
            Some((last, span)) if *last == month => span.end = to_us,
            _ => months.push((month, from_us..to_us)),
        }
        from_us = to_us;
    }
    months
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, DatasetError> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_share_a_span_without_gap_or_overlap() {
        let at = |text| domain::timestamp::parse_rfc3339(text).unwrap();
        let span = at("2023-12-31T22:00:00Z")..at("2024-03-01T00:05:00Z");
        let made = months(span.clone());
        let names: Vec<&str> = made.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["2023-12", "2024-01", "2024-02", "2024-03"]);
        assert_eq!(made[0].1.start, span.start);
        assert_eq!(made[3].1.end, span.end);
        assert!(made.windows(2).all(|pair| pair[0].1.end == pair[1].1.start));
        assert!(months(5..5).is_empty());
    }
}
