//! Churn: how much a model changed its mind.

use crate::rank::{Unordered, tie_kept_ranks};

/// 1 − Spearman correlation of two submissions of one model over the rows that both have (shape n
/// each, the same rows in the same order): 0 when the order is the same, 2 when it is reversed.
///
/// Spearman is Pearson of the tie-kept ranks. Source: scoring.md.
///
/// # Errors
/// [`Unordered::Constant`] when either has fewer than two different values, [`Unordered::NotFinite`].
///
/// # Panics
/// When the lengths differ.
pub fn churn(before: &[f64], after: &[f64]) -> Result<f64, Unordered> {
    assert_eq!(before.len(), after.len(), "rows of two submissions");
    let (before, after) = (tie_kept_ranks(before)?, tie_kept_ranks(after)?);
    // The mean of tie-kept ranks is one half.
    let products = |a: &[f64], b: &[f64]| -> f64 {
        let centred = a.iter().zip(b).map(|(a, b)| (a - 0.5) * (b - 0.5));
        centred.sum()
    };
    // The root of one product, so that a submission's churn against itself is exactly 0.
    let spread = libm::sqrt(products(&before, &before) * products(&after, &after));
    Ok(1.0 - products(&before, &after) / spread)
}
