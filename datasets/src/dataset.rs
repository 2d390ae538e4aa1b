//! Rows of features and targets, and their Parquet form.
//!
//! Owns which rounds of a part become rows and what the columns are called. Must never make a row
//! of a round that lacks a bar.

use std::io::Cursor;
use std::ops::Range;

use domain::Direction;
use domain::timestamp::compact_minute;
use polars::prelude::{Column, DataFrame, ParquetReader, ParquetWriter, SerReader};

use crate::candle::{Asset, BAR_US, CandleHistory};
use crate::error::DatasetError;
use crate::features::{FEATURES, feature_row};
use crate::split::Part;
use crate::targets::target;

/// One round as a model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The round's start T, microseconds UTC.
    pub t_us: i64,
    /// [`crate::features::FEATURE_COUNT`] numbers in the order of [`FEATURES`].
    pub features: Vec<f32>,
    /// What happened; `None` in the live example only.
    pub target: Option<Direction>,
}

/// The rows of one part, and the rounds that became none.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Rising by time.
    pub rows: Vec<Row>,
    /// Rounds of the part that lack a bar for features or target (warm-up, gaps).
    pub rounds_without_bars: usize,
    /// Rounds whose two closes are equal: void, nothing to learn.
    pub rounds_without_direction: usize,
}

/// The rows of `asset` in `part`, with targets.
///
/// # Errors
/// [`DatasetError::EmptyPart`] when not a single round of the part has all its bars.
pub fn rows(history: &CandleHistory, asset: Asset, part: Part) -> Result<Rows, DatasetError> {
    let made = rows_between(history, asset, part.from_us()..part.to_us())?;
    if made.rows.is_empty() {
        return Err(DatasetError::EmptyPart { part: part.name() });
    }
    Ok(made)
}

/// The rows of `asset` whose rounds lie in `span_us`, a start on the five-minute grid to an end,
/// with targets; there may be none.
///
/// # Errors
/// [`DatasetError::NotARound`] when the start is off the grid.
pub fn rows_between(
    history: &CandleHistory,
    asset: Asset,
    span_us: Range<i64>,
) -> Result<Rows, DatasetError> {
    let own = history.of(asset).as_slice();
    let other = history.of(asset.other()).as_slice();
    let mut made = Rows {
        rows: vec![],
        rounds_without_bars: 0,
        rounds_without_direction: 0,
    };
    let mut t_us = span_us.start;
    while t_us + BAR_US <= span_us.end {
        let both = target(own, t_us).and_then(|y| Ok((y, feature_row(own, other, t_us)?)));
        match both {
            Ok((None, _)) => made.rounds_without_direction += 1,
            Ok((target, features)) => made.rows.push(Row {
                t_us,
                features,
                target,
            }),
            Err(DatasetError::MissingBar { .. }) => made.rounds_without_bars += 1,
            Err(other) => return Err(other),
        }
        t_us += BAR_US;
    }
    Ok(made)
}

/// What a hosted model is given for the round that starts at `t_us`: features, no target.
///
/// # Errors
/// As [`feature_row`].
pub fn live_row(history: &CandleHistory, asset: Asset, t_us: i64) -> Result<Row, DatasetError> {
    let own = history
        .of(asset)
        .closed_by(t_us - crate::features::FREEZE_US);
    let other = history
        .of(asset.other())
        .closed_by(t_us - crate::features::FREEZE_US);
    Ok(Row {
        t_us,
        features: feature_row(own, other, t_us)?,
        target: None,
    })
}

/// Rows as Parquet bytes (zstd): `id`, `era`, `t_us`, the features, and `target` when every row has
/// one. The same rows give the same bytes.
///
/// # Errors
/// [`DatasetError::Parquet`] when encoding fails.
pub fn to_parquet(asset: Asset, rows: &[Row]) -> Result<Vec<u8>, DatasetError> {
    let era = |row: &Row| compact_minute(row.t_us);
    let ids: Vec<String> = rows
        .iter()
        .map(|row| format!("{asset}-{}", era(row)))
        .collect();
    let eras: Vec<String> = rows.iter().map(era).collect();
    let times: Vec<i64> = rows.iter().map(|row| row.t_us).collect();
    let mut columns = vec![
        Column::new("id".into(), ids),
        Column::new("era".into(), eras),
        Column::new("t_us".into(), times),
    ];
    for (index, feature) in FEATURES.iter().enumerate() {
        let values: Option<Vec<f32>> = rows
            .iter()
            .map(|row| row.features.get(index).copied())
            .collect();
        let values = values.ok_or_else(|| empty_cell(feature.name))?;
        columns.push(Column::new(feature.name.into(), values));
    }
    let targets: Option<Vec<f64>> = rows.iter().map(|row| row.target.map(as_number)).collect();
    columns.extend(targets.map(|targets| Column::new("target".into(), targets)));
    let mut frame = DataFrame::new_infer_height(columns)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame)?;
    Ok(bytes)
}

/// The first rows of a file that [`to_parquet`] wrote, `most` at most: the named columns, float32,
/// row by row.
///
/// # Errors
/// [`DatasetError::Parquet`] for bytes or columns that are not as described,
/// [`DatasetError::EmptyCell`] for a cell that holds nothing.
pub fn first_features(
    bytes: &[u8],
    columns: &[&str],
    most: usize,
) -> Result<Vec<f32>, DatasetError> {
    let frame = ParquetReader::new(Cursor::new(bytes))
        .finish()?
        .head(Some(most));
    let mut features = vec![0.0; frame.height() * columns.len()];
    for (place, name) in columns.iter().enumerate() {
        let values = frame.column(name)?.f32()?;
        for (row, value) in values.iter().enumerate() {
            features[row * columns.len() + place] = value.ok_or_else(|| empty_cell(name))?;
        }
    }
    Ok(features)
}

/// 1 for up, 0 for down.
pub(crate) fn as_number(direction: Direction) -> f64 {
    match direction {
        Direction::Up => 1.0,
        Direction::Down => 0.0,
    }
}

fn empty_cell(column: &str) -> DatasetError {
    DatasetError::EmptyCell {
        column: column.to_owned(),
    }
}
