//! The downloadable files: reproducible, described truthfully, and silent about the replay.

use std::io::Cursor;
use std::sync::LazyLock;

use datasets::export::{Export, build};
use datasets::manifest::FileEntry;
use datasets::split::Part;
use polars::prelude::{DataFrame, ParquetReader, SerReader};
use sha2::{Digest, Sha256};

use crate::HISTORY;

/// Over the values of every exported row. A new value here means other features: then
/// `FEATURE_SCHEMA_VERSION` and `DATASET_VERSION` grow and the reference models are trained anew.
const CONTENT_SHA256: &str = "953e608b1925b0f0fc827518cafd09afd45f8fe59d43edfe8350081d22fa317f";

pub(crate) static EXPORT: LazyLock<Export> =
    LazyLock::new(|| build(&HISTORY).expect("the bundled candles cover every part"));

fn frame(path: &str) -> DataFrame {
    let file = EXPORT
        .files
        .iter()
        .find(|file| file.path == path)
        .expect("a listed file");
    ParquetReader::new(Cursor::new(file.bytes.as_slice()))
        .finish()
        .expect("Parquet")
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
    assert_eq!(build(&HISTORY).unwrap(), *EXPORT);
    assert_eq!(EXPORT.manifest.content_sha256, CONTENT_SHA256);
}

#[test]
fn the_manifest_lists_every_file_with_its_hash() {
    let (manifest_file, files) = EXPORT.files.split_last().unwrap();
    assert_eq!(manifest_file.path, "manifest.json");
    let listed: serde_json::Value = serde_json::from_slice(&manifest_file.bytes).unwrap();
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
        let frame = frame(&entry.path);
        let times: Vec<i64> = frame
            .column("t_us")
            .unwrap()
            .i64()
            .unwrap()
            .iter()
            .map(Option::unwrap)
            .collect();
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
}
