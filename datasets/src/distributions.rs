//! How the values of a dataset are distributed, for people who look before they train.
//!
//! Owns the wire form of `distributions.json`. Features are described over the train part alone, so
//! that nobody chooses features by what judges them. Must give the same numbers for the same rows.

use std::collections::BTreeMap;

use domain::{Direction, Price};
use serde::{Deserialize, Serialize};

use crate::candle::{Asset, CandleSeries};
use crate::dataset::Row;
use crate::features::FEATURES;
use crate::split::DAY_US;

/// Bins of a histogram.
pub const BINS: usize = 24;

/// `distributions.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distributions {
    /// Rows of the train part, both assets.
    pub train_rows: usize,
    /// One per feature, in the order of a model's input; over both assets.
    pub features: Vec<Distribution>,
    /// Every UTC day with a candle before the cut, by asset, then day.
    pub days: Vec<Day>,
}

/// How one feature is distributed over the train part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Column name.
    pub name: String,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation, divided by the count.
    pub sd: f64,
    /// Least value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Values below which 1, 5, 25, 50, 75, 95 and 99 percent lie (the nearest value above).
    pub quantiles: [f64; 7],
    /// Where the first bin begins: the value below which 0.5 percent lie.
    pub bins_from: f64,
    /// Where the last bin ends: the value below which 99.5 percent lie.
    pub bins_to: f64,
    /// Rows in each of [`BINS`] bins of equal width; the first and the last also hold what lies
    /// outside.
    pub counts: Vec<u64>,
}

/// One UTC day of one asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Whose.
    pub asset: Asset,
    /// Start of the day, microseconds UTC.
    pub from_us: i64,
    /// Close of the day's last candle.
    pub close: Price,
    /// Rows of train and validation in this day.
    pub rows: usize,
    /// Those whose target is up.
    pub up: usize,
}

/// Collects rows and candles, then says how they are distributed.
#[derive(Debug)]
pub(crate) struct Collector {
    columns: Vec<Vec<f32>>,
    days: BTreeMap<(Asset, i64), Day>,
}

impl Collector {
    /// Every day of `both` series has its place, rows or not.
    pub(crate) fn new<'a>(both: impl Iterator<Item = &'a CandleSeries>) -> Self {
        let mut days = BTreeMap::new();
        for series in both {
            let asset = series.asset();
            for candle in series.as_slice() {
                let from_us = candle.open_time_us - candle.open_time_us.rem_euclid(DAY_US);
                let day = days.entry((asset, from_us)).or_insert(Day {
                    asset,
                    from_us,
                    close: candle.close,
                    rows: 0,
                    up: 0,
                });
                day.close = candle.close;
            }
        }
        Self {
            columns: vec![Vec::new(); FEATURES.len()],
            days,
        }
    }

    /// Rows of the train part.
    pub(crate) fn add_train(&mut self, asset: Asset, rows: &[Row]) {
        for row in rows {
            for (column, value) in self.columns.iter_mut().zip(&row.features) {
                column.push(*value);
            }
        }
        self.add_targets(asset, rows);
    }

    /// Rows of whatever part that has targets.
    pub(crate) fn add_targets(&mut self, asset: Asset, rows: &[Row]) {
        for row in rows {
            let from_us = row.t_us - row.t_us.rem_euclid(DAY_US);
            if let Some(day) = self.days.get_mut(&(asset, from_us)) {
                day.rows += 1;
                day.up += usize::from(row.target == Some(Direction::Up));
            }
        }
    }

    pub(crate) fn finish(self) -> Distributions {
        let train_rows = self.columns.first().map_or(0, Vec::len);
        let described = FEATURES.iter().zip(self.columns);
        Distributions {
            train_rows,
            features: described
                .map(|(feature, values)| distribution(feature.name, values))
                .collect(),
            days: self.days.into_values().collect(),
        }
    }
}

/// Describes finite `values`; all zero when there are none.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn distribution(name: &str, mut values: Vec<f32>) -> Distribution {
    values.sort_by(f32::total_cmp);
    let count = values.len().max(1) as f64;
    let wide = || values.iter().map(|value| f64::from(*value));
    let mean = wide().sum::<f64>() / count;
    let variance = wide().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
    let at = |per_mille: usize| quantile(&values, per_mille);
    let (bins_from, bins_to) = (at(5), at(995));
    let mut counts = vec![0_u64; BINS];
    for value in wide() {
        if let Some(bin) = counts.get_mut(bin_of(value, bins_from, bins_to)) {
            *bin += 1;
        }
    }
    Distribution {
        name: name.to_owned(),
        mean,
        sd: variance.sqrt(),
        min: at(0),
        max: at(1_000),
        quantiles: [10, 50, 250, 500, 750, 950, 990].map(at),
        bins_from,
        bins_to,
        counts,
    }
}

/// The value of rising `values` below which `per_mille` of them lie; 0 when there are none.
fn quantile(values: &[f32], per_mille: usize) -> f64 {
    let last = values.len().saturating_sub(1);
    let index = (last * per_mille).div_ceil(1_000);
    values.get(index).map_or(0.0, |value| f64::from(*value))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped to the bins, and BINS is small"
)]
fn bin_of(value: f64, from: f64, to: f64) -> usize {
    if to <= from {
        return BINS / 2;
    }
    let place = (value - from) / (to - from) * BINS as f64;
    place.clamp(0.0, (BINS - 1) as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_are_described() {
        let values: Vec<f32> = (0..1_001_u16).rev().map(f32::from).collect();
        let made = distribution("x", values);
        assert_eq!((made.min, made.max, made.mean), (0.0, 1_000.0, 500.0));
        assert_eq!(
            made.quantiles,
            [10.0, 50.0, 250.0, 500.0, 750.0, 950.0, 990.0]
        );
        assert!((made.sd - 288.964).abs() < 0.001, "{}", made.sd);
        assert_eq!((made.bins_from, made.bins_to), (5.0, 995.0));
        assert_eq!(made.counts.iter().sum::<u64>(), 1_001);
        let inner = &made.counts[1..BINS - 1];
        assert!(inner.iter().all(|count| (41..=42).contains(count)));
        assert!(made.counts[0] > 45 && made.counts[BINS - 1] > 45);
    }

    #[test]
    fn a_constant_and_nothing_are_no_trouble() {
        let constant = distribution("x", vec![2.5; 10]);
        assert_eq!((constant.sd, constant.min, constant.max), (0.0, 2.5, 2.5));
        assert_eq!(constant.counts.iter().sum::<u64>(), 10);
        let nothing = distribution("x", vec![]);
        assert_eq!((nothing.mean, nothing.sd, nothing.max), (0.0, 0.0, 0.0));
        assert_eq!(nothing.counts, [0; BINS]);
    }
}
