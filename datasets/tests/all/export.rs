//! The downloadable files: reproducible, described truthfully, and silent about the replay.

use std::io::Cursor;
use std::sync::LazyLock;

use datasets::candle::{BAR_US, Candle, CandleHistory};
use datasets::distributions::{BINS, Distributions};
use datasets::export::{BUNDLED_SOURCE, Export, build};
use datasets::features::{FEATURE_COUNT, FREEZE_US};
use datasets::manifest::FileEntry;
use datasets::split::{DAY_US, Part, Split};
use datasets::{Asset, CandleSeries, DatasetError};
use polars::prelude::{DataFrame, ParquetReader, SerReader};
use sha2::{Digest, Sha256};

use crate::HISTORY;

/// Over the values of every exported row. A new value here means other features: then
/// `FEATURE_SCHEMA_VERSION` and `DATASET_VERSION` grow and the reference models are trained anew.
const CONTENT_SHA256: &str = "953e608b1925b0f0fc827518cafd09afd45f8fe59d43edfe8350081d22fa317f";

pub(crate) static EXPORT: LazyLock<Export> =
    LazyLock::new(|| at(Split::BUNDLED).expect("the bundled candles cover every part"));

fn at(split: Split) -> Result<Export, DatasetError> {
    build(&HISTORY, split, BUNDLED_SOURCE)
}

/// The bundled candles with every one changed that `change` changes.
fn changed(change: impl Fn(Candle) -> Option<Candle>) -> CandleHistory {
    let of = |asset| {
        let candles = HISTORY.of(asset).as_slice().iter().copied();
        CandleSeries::new(asset, candles.filter_map(&change).collect()).expect("still valid")
    };
    CandleHistory {
        btc: of(Asset::Btc),
        eth: of(Asset::Eth),
    }
}

fn frame(path: &str) -> DataFrame {
    frame_of(&EXPORT, path)
}

fn frame_of(export: &Export, path: &str) -> DataFrame {
    let file = export
        .files
        .iter()
        .find(|file| file.path == path)
        .expect("a listed file");
    ParquetReader::new(Cursor::new(file.bytes.as_slice()))
        .finish()
        .expect("Parquet")
}

fn times(frame: &DataFrame) -> Vec<i64> {
    let column = frame.column("t_us").expect("a column");
    let values = column.i64().expect("integers").iter();
    values.collect::<Option<_>>().expect("no empty cell")
}

fn row_files() -> impl Iterator<Item = &'static FileEntry> {
    EXPORT
        .manifest
        .files
        .iter()
        .filter(|entry| entry.rows.is_some())
}

#[test]
fn the_same_candles_give_the_same_bytes() {
    assert_eq!(at(Split::BUNDLED).unwrap(), *EXPORT);
    assert_eq!(EXPORT.manifest.content_sha256, CONTENT_SHA256);
}

#[test]
fn the_manifest_lists_every_file_with_its_hash() {
    let files = &EXPORT.files;
    let listed: serde_json::Value =
        serde_json::from_slice(&EXPORT.manifest_json().unwrap()).unwrap();
    assert_eq!(listed, serde_json::to_value(&EXPORT.manifest).unwrap());
    assert_eq!(files.len(), EXPORT.manifest.files.len());
    for (file, entry) in files.iter().zip(&EXPORT.manifest.files) {
        assert_eq!((&file.path, file.bytes.len()), (&entry.path, entry.bytes));
        let hash = Sha256::digest(&file.bytes);
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, entry.sha256, "{}", file.path);
    }
    let counted: usize = row_files()
        .filter_map(|e| e.rows.as_ref())
        .map(|rows| rows.count)
        .sum();
    assert_eq!(EXPORT.manifest.rows, counted);
}

#[test]
fn files_hold_the_listed_columns_without_an_empty_cell() {
    let listed: Vec<&str> = EXPORT
        .manifest
        .columns
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    for entry in row_files() {
        let frame = frame(&entry.path);
        let rows = entry.rows.as_ref().unwrap();
        assert_eq!(frame.height(), rows.count);
        let columns: Vec<&str> = frame.columns().iter().map(|c| c.name().as_str()).collect();
        let expected = if rows.part == "live" {
            &listed[..listed.len() - 1]
        } else {
            &listed[..]
        };
        assert_eq!(columns, expected, "{}", entry.path);
        assert!(
            frame
                .columns()
                .iter()
                .all(|column| column.null_count() == 0)
        );
        for column in frame
            .columns()
            .iter()
            .filter(|column| column.dtype().is_float())
        {
            let sum = column.as_materialized_series().sum::<f64>().unwrap();
            assert!(sum.is_finite(), "{} of {}", column.name(), entry.path);
        }
    }
}

#[test]
fn no_file_tells_an_outcome_of_the_replay() {
    for entry in row_files() {
        let times = times(&frame(&entry.path));
        let rows = entry.rows.as_ref().unwrap();
        let part = match rows.part.as_str() {
            "train" => Part::Train,
            "validation" => Part::Validation,
            _ => {
                assert_eq!(times, [Part::Replay.from_us()]);
                continue;
            }
        };
        assert!(times.iter().all(|t_us| part.holds(*t_us)), "{}", entry.path);
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

#[test]
fn the_files_are_written_below_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = datasets::write_datasets(&folder.path().join("new")).unwrap();
    assert_eq!(manifest, EXPORT.manifest);
    for file in &EXPORT.files {
        assert_eq!(
            std::fs::read(folder.path().join("new").join(&file.path)).unwrap(),
            file.bytes
        );
    }
    let written = std::fs::read(folder.path().join("new/manifest.json")).unwrap();
    assert_eq!(written, EXPORT.manifest_json().unwrap());
}

/// What a server knows at the cut is all that a version holds, so no later candle changes a byte.
#[test]
fn a_version_is_made_of_what_had_closed_by_its_cut() {
    let split = Split::by(Part::Replay.from_us() + 3 * DAY_US);
    let known = changed(|candle| (candle.close_time_us() <= split.cut_us()).then_some(candle));
    let export = build(&known, split, BUNDLED_SOURCE).unwrap();
    assert_eq!(export, at(split).unwrap());
    assert_eq!(export.manifest.version.to_string(), "1.1.0-20240302");
    for asset in Asset::ALL {
        let live = frame_of(&export, &format!("{asset}/live.parquet"));
        assert_eq!(times(&live), [split.cut_us()]);
        let validation = times(&frame_of(&export, &format!("{asset}/validation.parquet")));
        assert!(validation.last().unwrap() + BAR_US <= split.cut_us() - DAY_US);
    }
    let newest_bar = |candle: &Candle| candle.close_time_us() == split.cut_us() - FREEZE_US;
    let without = changed(|candle| (!newest_bar(&candle)).then_some(candle));
    let refused = build(&without, split, BUNDLED_SOURCE).unwrap_err();
    assert!(
        matches!(refused, DatasetError::MissingBar { .. }),
        "{refused}"
    );
}

/// A client that has a finished month need not fetch it again.
#[test]
fn a_month_that_is_over_keeps_its_bytes_in_later_versions() {
    // The bundled days moved so that a month ends inside the train part.
    let moved = changed(|mut candle| {
        candle.open_time_us -= 20 * DAY_US;
        Some(candle)
    });
    let cut = |days: i64| Split::by(Part::Replay.to_us() - (20 + days) * DAY_US);
    let of = |days| build(&moved, cut(days), BUNDLED_SOURCE).unwrap();
    let (older, newer) = (of(1), of(0));
    let file = |export: &Export, path: &str| {
        let mut files = export.files.iter();
        files.find(|file| file.path == path).unwrap().bytes.clone()
    };
    for asset in Asset::ALL {
        let over = format!("{asset}/train/2024-01.parquet");
        assert_eq!(file(&older, &over), file(&newer, &over));
        let growing = format!("{asset}/train/2024-02.parquet");
        let mut rows = times(&frame_of(&newer, &growing));
        rows.truncate(frame_of(&older, &growing).height());
        assert_eq!(rows, times(&frame_of(&older, &growing)));
        assert_ne!(file(&older, &growing), file(&newer, &growing));
    }
    assert_ne!(older.manifest.content_sha256, newer.manifest.content_sha256);
    assert!(older.manifest.version < newer.manifest.version);
}

#[test]
fn too_few_candles_make_no_version() {
    for cut_us in [Part::Train.from_us(), Part::Train.from_us() + 8 * DAY_US] {
        let refused = at(Split::by(cut_us)).unwrap_err();
        let is_empty = matches!(refused, DatasetError::EmptyPart { part: "train" });
        assert!(is_empty, "{refused}");
    }
}

#[test]
fn distributions_describe_the_train_part() {
    let file = EXPORT.files.last().unwrap();
    assert_eq!(file.path, "distributions.json");
    let described: Distributions = serde_json::from_slice(&file.bytes).unwrap();
    assert_eq!(described.features.len(), FEATURE_COUNT);
    let files = Asset::ALL.map(|asset| frame(&format!("{asset}/train/2024-02.parquet")));
    let rows: usize = files.iter().map(DataFrame::height).sum();
    assert_eq!(described.train_rows, rows);
    for feature in &described.features {
        let column = |frame: &DataFrame| frame.column(&feature.name).unwrap().clone();
        let column = |frame| column(frame).as_materialized_series().clone();
        let most = files
            .iter()
            .filter_map(|frame| column(frame).max::<f64>().unwrap());
        let most = most.fold(f64::MIN, f64::max);
        // Reading JSON may lose the last bit.
        assert!((feature.max - most).abs() < 1e-12, "{}", feature.name);
        assert_eq!(feature.counts.len(), BINS);
        assert_eq!(feature.counts.iter().sum::<u64>(), rows as u64);
        assert!(feature.quantiles.is_sorted() && feature.sd > 0.0);
    }
    // 29 days of each asset before the cut; the targets of train and validation, and no others.
    assert_eq!(described.days.len(), 58);
    let counted: usize = described.days.iter().map(|day| day.rows).sum();
    assert_eq!(counted, EXPORT.manifest.rows - 2);
    let last = described.days.last().unwrap();
    let close = HISTORY
        .eth
        .at(Part::Replay.from_us() - BAR_US)
        .unwrap()
        .close;
    assert_eq!((last.asset, last.close, last.rows), (Asset::Eth, close, 0));
}
