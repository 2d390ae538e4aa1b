//! FNC: CORR of what is left of a prediction once the features are taken out.

use super::neutral::Neutralizer;
use super::rows::{gather, has_gap};
use super::{Era, Scratch, Unscored};
use crate::matrix::Matrix;

/// A residual whose length is this share of the prediction's is rounding.
const NOTHING_LEFT: f64 = 1e-9;

/// Models worked on together: enough to read the features seldom, few enough to stay in a cache.
const BLOCK: usize = 128;

/// A prediction that has a residual.
struct Entry {
    /// Where in the block.
    model: usize,
    /// Its rows, ascending; `None` when it has all rows of the era.
    rows: Option<Vec<u32>>,
    /// Σ of squares of its gaussianised ranks.
    squares: f64,
}

impl Era {
    /// FNC of each of `predictions` (shape n each, NaN where a model has no row): CORR of the residual
    /// of Φ⁻¹(rank p) after least squares on the features and a column of ones, singular values up to
    /// 1e-6 of the largest left out; −1 to 1, no unit. `None` without features.
    ///
    /// The reference also divides the residual by its standard deviation, which changes no rank. Many
    /// models at once share the reading of the features; the answers are the same as one by one.
    /// Source: scoring.md, `feature_neutral_corr` of numerai-tools 0.7.2.
    ///
    /// # Errors
    /// For each: [`Unscored::Coverage`], [`Unscored::FeatureCoverage`], [`Unscored::Constant`],
    /// [`Unscored::ConstantTarget`], [`Unscored::Infinite`], [`Unscored::Explained`].
    ///
    /// # Panics
    /// When a prediction has another length than the era.
    pub fn fnc(
        &self,
        predictions: &[&[f64]],
        scratch: &mut Scratch,
    ) -> Option<Vec<Result<f64, Unscored>>> {
        let neutralizer = self.neutralizer.as_ref()?;
        let mut scores = Vec::with_capacity(predictions.len());
        for block in predictions.chunks(BLOCK) {
            scores.extend(self.fnc_block(neutralizer, block, scratch));
        }
        Some(scores)
    }

    fn fnc_block(
        &self,
        neutralizer: &Neutralizer,
        predictions: &[&[f64]],
        scratch: &mut Scratch,
    ) -> Vec<Result<f64, Unscored>> {
        let mut values = std::mem::take(&mut scratch.block);
        values.reshape(self.rows(), predictions.len());
        let (mut entries, mut lacking) = (Vec::new(), Vec::new());
        let mut scores = vec![Err(Unscored::Coverage); predictions.len()];
        for (model, prediction) in predictions.iter().enumerate() {
            assert_eq!(prediction.len(), self.rows(), "rows of a prediction");
            let rows = rows_with_features(neutralizer, prediction);
            let target = values.column_mut(model);
            let filled =
                self.gaussianised(neutralizer, prediction, rows.as_deref(), target, scratch);
            // A model without a residual leaves its column zero and lacks nothing.
            let held = rows.as_deref().filter(|_| filled.is_ok());
            lacking.push(
                held.map_or_else(Vec::new, |rows| complement(neutralizer, self.rows(), rows)),
            );
            match filled {
                Ok(squares) => entries.push(Entry {
                    model,
                    rows,
                    squares,
                }),
                Err(why) => scores[model] = Err(why),
            }
        }
        neutralizer.neutralize(&mut values, &lacking);
        for entry in entries {
            scores[entry.model] = self.corr_of_residual(&entry, &values, scratch);
        }
        scratch.block = values;
        scores
    }

    /// Writes Φ⁻¹(rank p) to the rows that the prediction has; answers its sum of squares.
    fn gaussianised(
        &self,
        neutralizer: &Neutralizer,
        prediction: &[f64],
        rows: Option<&[u32]>,
        target: &mut [f64],
        scratch: &mut Scratch,
    ) -> Result<f64, Unscored> {
        if !self.covers(neutralizer.rows()) {
            return Err(Unscored::FeatureCoverage);
        }
        let count = rows.map_or(self.rows(), <[u32]>::len);
        if !self.covers(count) {
            return Err(Unscored::Coverage);
        }
        let values = match rows {
            None => prediction,
            Some(rows) => {
                gather(prediction, rows, &mut scratch.values);
                scratch.values.as_slice()
            }
        };
        let curves = scratch.tables.of(count);
        let order = scratch.ranker.order(values)?;
        let p = curves.gaussian.along(order, &mut scratch.along);
        for (value, position) in p.values.iter().zip(order.rows) {
            let position = *position as usize;
            let row = rows.map_or(position, |rows| rows[position] as usize);
            target[row] = *value;
        }
        Ok(p.squares)
    }

    fn corr_of_residual(
        &self,
        entry: &Entry,
        values: &Matrix,
        scratch: &mut Scratch,
    ) -> Result<f64, Unscored> {
        let residual = values.column(entry.model);
        let mut held = std::mem::take(&mut scratch.values);
        let residual = match &entry.rows {
            None => residual,
            Some(rows) => {
                gather(residual, rows, &mut held);
                held.as_slice()
            }
        };
        let left: f64 = residual.iter().map(|r| r * r).sum();
        let score = if left <= NOTHING_LEFT * NOTHING_LEFT * entry.squares {
            Err(Unscored::Explained)
        } else {
            self.corr_of_rows(residual, entry.rows.as_deref(), scratch)
        };
        scratch.values = held;
        score
    }
}

/// The rows where both prediction and features are; `None` when that is everywhere.
fn rows_with_features(neutralizer: &Neutralizer, prediction: &[f64]) -> Option<Vec<u32>> {
    if !has_gap(prediction) && neutralizer.rows() == prediction.len() {
        return None;
    }
    let rows = 0..prediction.len() as u32;
    let is_held = |row: &u32| {
        let row = *row as usize;
        !prediction[row].is_nan() && neutralizer.has_features(row)
    };
    Some(rows.filter(is_held).collect())
}

/// The rows with features that are not among `rows`, which ascend.
fn complement(neutralizer: &Neutralizer, count: usize, rows: &[u32]) -> Vec<u32> {
    let mut held = rows.iter().peekable();
    let lacks = |row: &u32| {
        let is_held = held.next_if_eq(&row).is_some();
        !is_held && neutralizer.has_features(*row as usize)
    };
    (0..count as u32).filter(lacks).collect()
}
