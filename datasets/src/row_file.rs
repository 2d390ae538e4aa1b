//! Rows of features and targets out of the Parquet files of a version.
//!
//! Owns reading what [`crate::dataset::to_parquet`] writes. Must never guess a column: a file of
//! another feature schema is refused.

use std::io::Cursor;

use domain::Direction;
use polars::prelude::{DataFrame, ParquetReader, SerReader};

use crate::dataset::Row;
use crate::error::DatasetError;
use crate::features::FEATURES;

/// The rows of a part's file, in the order of the file; every one with a target.
///
/// # Errors
/// [`DatasetError::Parquet`] when it is no such file, [`DatasetError::EmptyCell`] names a column
/// without a value in some row, or a target that is neither 0 nor 1.
pub fn read(bytes: &[u8]) -> Result<Vec<Row>, DatasetError> {
    let frame = ParquetReader::new(Cursor::new(bytes)).finish()?;
    let starts = frame.column("t_us")?.i64()?.iter();
    let starts: Option<Vec<i64>> = starts.collect();
    let starts = starts.ok_or_else(|| empty_cell("t_us"))?;
    let targets = frame.column("target")?.f64()?.iter();
    let targets: Option<Vec<Direction>> = targets.map(|value| direction(value?)).collect();
    let targets = targets.ok_or_else(|| empty_cell("target"))?;
    let features = columns(&frame)?;
    let row = |(place, (t_us, target)): (usize, (i64, Direction))| Row {
        t_us,
        features: features.iter().map(|column| column[place]).collect(),
        target: Some(target),
    };
    let ends = starts.into_iter().zip(targets);
    Ok(ends.enumerate().map(row).collect())
}

/// The features, column after column, each as long as the frame.
fn columns(frame: &DataFrame) -> Result<Vec<Vec<f32>>, DatasetError> {
    let column = |name: &str| -> Result<Vec<f32>, DatasetError> {
        let values: Option<Vec<f32>> = frame.column(name)?.f32()?.iter().collect();
        values.ok_or_else(|| empty_cell(name))
    };
    FEATURES
        .iter()
        .map(|feature| column(feature.name))
        .collect()
}

/// As the files write it: 1 for up, 0 for down.
fn direction(number: f64) -> Option<Direction> {
    if number == 1.0 {
        Some(Direction::Up)
    } else if number == 0.0 {
        Some(Direction::Down)
    } else {
        None
    }
}

fn empty_cell(column: &str) -> DatasetError {
    DatasetError::EmptyCell {
        column: column.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundled;
    use crate::candle::{Asset, BAR_US};
    use crate::dataset::{rows_between, to_parquet};
    use crate::split::Part;

    #[test]
    fn rows_come_back_as_they_were_written() {
        let history = bundled::candles().expect("bundled");
        let from_us = Part::Validation.from_us();
        let made = rows_between(&history, Asset::Btc, from_us..from_us + 12 * BAR_US);
        let rows = made.expect("rows").rows;
        assert!(rows.len() > 6);
        let file = to_parquet(Asset::Btc, &rows).expect("written");
        assert_eq!(read(&file).expect("read"), rows);
    }

    #[test]
    fn what_is_no_file_of_rows_with_targets_is_refused() {
        let refused = read(b"PAR1 and nothing more");
        assert!(matches!(refused, Err(DatasetError::Parquet(_))));
        let live = Row {
            t_us: 0,
            features: vec![0.0; FEATURES.len()],
            target: None,
        };
        let file = to_parquet(Asset::Btc, &[live]).expect("written");
        let refused = read(&file).expect_err("no targets");
        assert!(refused.to_string().contains("target"), "{refused}");
    }
}
