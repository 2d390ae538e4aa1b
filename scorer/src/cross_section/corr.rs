//! CORR: the correlation of powered Gaussian ranks with the powered target.

use super::rows::{centre, dot_along, gather, is_constant, mean, present};
use super::{Era, Scratch, Unscored};
use crate::gaussian::sgnpow_1_5;

/// The target's half of CORR.
#[derive(Debug)]
pub(super) struct TargetSide {
    /// As given.
    pub(super) values: Vec<f64>,
    /// sgnpow(target − mean, 1.5), less its own mean.
    powered: Vec<f64>,
    /// Σ powered².
    squares: f64,
    is_constant: bool,
}

impl TargetSide {
    pub(super) fn new(values: Vec<f64>) -> Self {
        // The mean over the era before any row is dropped.
        let mean = mean(&values);
        let mut powered: Vec<f64> = values.iter().map(|t| sgnpow_1_5(t - mean)).collect();
        Self {
            squares: centre(&mut powered),
            is_constant: is_constant(&values),
            powered,
            values,
        }
    }
}

impl Era {
    /// CORR of `prediction` (shape n, NaN where the model has no row): Pearson(z, t) with
    /// z = sgnpow(Φ⁻¹(rank p), 1.5), t = sgnpow(target − mean of the era's targets, 1.5); −1 to 1,
    /// no unit.
    ///
    /// Source: scoring.md, `numerai_corr` of numerai-tools 0.7.2.
    ///
    /// # Errors
    /// [`Unscored::Coverage`], [`Unscored::Constant`], [`Unscored::ConstantTarget`],
    /// [`Unscored::Infinite`].
    ///
    /// # Panics
    /// When the prediction has another length than the era.
    pub fn corr(&self, prediction: &[f64], scratch: &mut Scratch) -> Result<f64, Unscored> {
        assert_eq!(prediction.len(), self.rows(), "rows of a prediction");
        match self.corr_of_rows(prediction, None, scratch) {
            // Only what has no order is looked through for gaps.
            Err(Unscored::Infinite) => {}
            scored => return scored,
        }
        let mut rows = std::mem::take(&mut scratch.rows);
        let score = match present(&[prediction], &mut rows) {
            None => Err(Unscored::Infinite),
            Some(rows) => {
                let mut values = std::mem::take(&mut scratch.values);
                gather(prediction, rows, &mut values);
                let score = self.corr_of_rows(&values, Some(rows), scratch);
                scratch.values = values;
                score
            }
        };
        scratch.rows = rows;
        score
    }

    /// CORR of `values`, those of `rows`, or of all rows.
    pub(super) fn corr_of_rows(
        &self,
        values: &[f64],
        rows: Option<&[u32]>,
        scratch: &mut Scratch,
    ) -> Result<f64, Unscored> {
        if !self.covers(values.len()) {
            return Err(Unscored::Coverage);
        }
        let side = &self.targets;
        let (targets, squares) = match rows {
            None if side.is_constant => return Err(Unscored::ConstantTarget),
            None => (side.powered.as_slice(), side.squares),
            Some(rows) => {
                gather(&side.powered, rows, &mut scratch.targets);
                if is_constant(&scratch.targets) {
                    return Err(Unscored::ConstantTarget);
                }
                let squares = centre(&mut scratch.targets);
                (scratch.targets.as_slice(), squares)
            }
        };
        let curves = scratch.tables.of(values.len());
        let order = scratch.ranker.order(values)?;
        let z = curves.powered.along(order, &mut scratch.along);
        let spread = z.squares - z.sum * z.sum / values.len() as f64;
        // The targets are centred, so the mean of z plays no part here.
        let product = dot_along(z.values, order, targets);
        Ok(product / (libm::sqrt(spread) * libm::sqrt(squares)))
    }
}
