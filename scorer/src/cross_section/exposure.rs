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
    let mut largest: Option<Exposure> = None;
    for (feature, correlation) in exposures(prediction, features).into_iter().enumerate() {
        let Some(correlation) = correlation.map(f64::abs) else {
            continue;
        };
        if largest.is_none_or(|so_far| correlation > so_far.correlation) {
            largest = Some(Exposure {
                feature,
                correlation,
            });
        }
    }
    largest
}

/// Pearson(p, feature), −1 to 1, for each column of `features` (shape n × k) as
/// [`max_feature_exposure`] compares it; `None` where a feature cannot be compared.
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn exposures(prediction: &[f64], features: &Matrix) -> Vec<Option<f64>> {
    assert_eq!(prediction.len(), features.rows(), "rows of a prediction");
    let mut scratch = Scratch::default();
    let each = 0..features.columns();
    each.map(|feature| scratch.pearson(prediction, features.column(feature)))
        .collect()
}

/// Pearson's correlation of two columns of one length over the rows where both have a number;
/// `None` when either is constant there.
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn pearson(one: &[f64], other: &[f64]) -> Option<f64> {
    assert_eq!(one.len(), other.len(), "rows of two columns");
    Scratch::default().pearson(one, other)
}

/// Kept between comparisons, so that nothing is allocated for each.
#[derive(Default)]
struct Scratch {
    rows: Vec<u32>,
    one: Vec<f64>,
    other: Vec<f64>,
}

impl Scratch {
    fn pearson(&mut self, one: &[f64], other: &[f64]) -> Option<f64> {
        let (a, b) = (&mut self.one, &mut self.other);
        match present(&[one, other], &mut self.rows) {
            None => {
                a.clear();
                a.extend_from_slice(one);
                b.clear();
                b.extend_from_slice(other);
            }
            Some(rows) => {
                gather(one, rows, a);
                gather(other, rows, b);
            }
        }
        if is_constant(a) || is_constant(b) {
            return None;
        }
        let spread = libm::sqrt(centre(a)) * libm::sqrt(centre(b));
        // Values so close that their squares vanish have no correlation.
        if spread <= 0.0 {
            return None;
        }
        let product: f64 = a.iter().zip(b.iter()).map(|(a, b)| a * b).sum();
        Some(product / spread)
    }
}
