//! Feature exposure: how far a prediction merely repeats one feature.

use super::rows::{centre, gather, is_constant, present};
use crate::matrix::Matrix;

/// A feature and how strongly a prediction moves with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exposure {
    /// The feature's column, from 0; the first of equals.
    pub feature: usize,
    /// |Pearson(p, feature)|, 0 to 1.
    pub correlation: f64,
}

/// The largest |Pearson(p, feature)| over the columns of `features` (shape n × k) and which it is.
///
/// Each feature is compared over the rows where it and `prediction` (shape n) have a number; a
/// feature that is constant there is passed over. `None` when nothing can be compared. Source:
/// scoring.md, `max_feature_correlation` of numerai-tools 0.7.2.
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn max_feature_exposure(prediction: &[f64], features: &Matrix) -> Option<Exposure> {
    assert_eq!(prediction.len(), features.rows(), "rows of a prediction");
    let (mut rows, mut p, mut f) = (Vec::new(), Vec::new(), Vec::new());
    let mut largest: Option<Exposure> = None;
    for feature in 0..features.columns() {
        let column = features.column(feature);
        match present(&[prediction, column], &mut rows) {
            None => {
                p.clear();
                p.extend_from_slice(prediction);
                f.clear();
                f.extend_from_slice(column);
            }
            Some(rows) => {
                gather(prediction, rows, &mut p);
                gather(column, rows, &mut f);
            }
        }
        if is_constant(&p) || is_constant(&f) {
            continue;
        }
        let spread = libm::sqrt(centre(&mut p)) * libm::sqrt(centre(&mut f));
        // Values so close that their squares vanish have no correlation.
        if spread <= 0.0 {
            continue;
        }
        let product: f64 = p.iter().zip(&f).map(|(p, f)| p * f).sum();
        let correlation = (product / spread).abs();
        if largest.is_none_or(|so_far| correlation > so_far.correlation) {
            largest = Some(Exposure {
                feature,
                correlation,
            });
        }
    }
    largest
}
