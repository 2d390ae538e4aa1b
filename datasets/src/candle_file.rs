//! Candles of both assets in one Parquet file.
//!
//! Owns the columns: `open_time_us` (microseconds UTC) and for each asset `<asset>_open`, `_high`,
//! `_low`, `_close` (64-bit integers in 1e-8 of the quote currency, so that prices return exactly)
//! and `<asset>_volume` (double, in the base asset). Must never store a price as a float.

use std::io::Cursor;

use domain::Price;
use polars::prelude::{Column, DataFrame, ParquetReader, ParquetWriter, SerReader};

use crate::candle::{Asset, Candle, CandleHistory, CandleSeries};
use crate::error::DatasetError;

const OPEN_TIME: &str = "open_time_us";

/// Reads a candle file.
///
/// # Errors
/// [`DatasetError::Parquet`] for bytes or columns that are not as described above, the others for
/// values that are no candles.
pub fn read(bytes: &[u8]) -> Result<CandleHistory, DatasetError> {
    let frame = ParquetReader::new(Cursor::new(bytes)).finish()?;
    Ok(CandleHistory {
        btc: series(&frame, Asset::Btc)?,
        eth: series(&frame, Asset::Eth)?,
    })
}

/// Writes a candle file, zstd-compressed; the same candles give the same bytes.
///
/// # Errors
/// [`DatasetError::MissingBar`] when one asset has a bar that the other lacks.
pub fn write(history: &CandleHistory) -> Result<Vec<u8>, DatasetError> {
    let times: Vec<i64> = history
        .btc
        .as_slice()
        .iter()
        .map(|bar| bar.open_time_us)
        .collect();
    let mut columns = vec![Column::new(OPEN_TIME.into(), &times)];
    for asset in Asset::ALL {
        columns.extend(asset_columns(history.of(asset), &times)?);
    }
    let mut frame = DataFrame::new_infer_height(columns)?;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame)?;
    Ok(bytes)
}

fn asset_columns(series: &CandleSeries, times: &[i64]) -> Result<[Column; 5], DatasetError> {
    let asset = series.asset();
    let bar_times = series.as_slice().iter().map(|bar| bar.open_time_us);
    let lacking = times
        .iter()
        .copied()
        .zip(bar_times)
        .find(|(time, bar)| time != bar);
    if lacking.is_some() || series.as_slice().len() != times.len() {
        let open_time_us = lacking.map_or(0, |(time, bar)| time.min(bar));
        return Err(DatasetError::MissingBar {
            role: asset.name(),
            open_time_us,
        });
    }
    let prices = |part: &str, of: fn(&Candle) -> Price| {
        let units: Vec<i64> = series
            .as_slice()
            .iter()
            .map(|bar| of(bar).units())
            .collect();
        Column::new(format!("{asset}_{part}").into(), units)
    };
    let volumes: Vec<f64> = series.as_slice().iter().map(|bar| bar.volume).collect();
    Ok([
        prices("open", |bar| bar.open),
        prices("high", |bar| bar.high),
        prices("low", |bar| bar.low),
        prices("close", |bar| bar.close),
        Column::new(format!("{asset}_volume").into(), volumes),
    ])
}

fn series(frame: &DataFrame, asset: Asset) -> Result<CandleSeries, DatasetError> {
    let integers = |part: &str| integer_column(frame, &format!("{asset}_{part}"));
    let (opens, highs) = (integers("open")?, integers("high")?);
    let (lows, closes) = (integers("low")?, integers("close")?);
    let volumes = float_column(frame, &format!("{asset}_volume"))?;
    let prices = opens
        .into_iter()
        .zip(highs)
        .zip(lows.into_iter().zip(closes));
    let candles = integer_column(frame, OPEN_TIME)?
        .into_iter()
        .zip(prices.zip(volumes))
        .map(|(open_time_us, (((open, high), (low, close)), volume))| {
            Ok(Candle {
                open_time_us,
                open: Price::from_units(open)?,
                high: Price::from_units(high)?,
                low: Price::from_units(low)?,
                close: Price::from_units(close)?,
                volume,
            })
        });
    CandleSeries::new(asset, candles.collect::<Result<_, DatasetError>>()?)
}

fn integer_column(frame: &DataFrame, name: &str) -> Result<Vec<i64>, DatasetError> {
    let column = frame.column(name)?.i64()?;
    column
        .iter()
        .collect::<Option<_>>()
        .ok_or_else(|| empty_cell(name))
}

fn float_column(frame: &DataFrame, name: &str) -> Result<Vec<f64>, DatasetError> {
    let column = frame.column(name)?.f64()?;
    column
        .iter()
        .collect::<Option<_>>()
        .ok_or_else(|| empty_cell(name))
}

fn empty_cell(name: &str) -> DatasetError {
    DatasetError::EmptyCell {
        column: name.to_owned(),
    }
}
