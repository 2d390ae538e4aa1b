//! The meta model: what all staked models say together.

use domain::TokenAmount;

use super::rows::{gather, present};
use crate::gaussian::Tables;
use crate::rank::Ranker;

/// The stake-weighted mean of the gaussianised ranks, one number per row (shape n); a row that no
/// staked model has is NaN.
///
/// A model is ranked among the rows it has (NaN where it has none) and counts in those rows alone; a
/// model without a stake or with constant predictions counts nowhere. The order of `models` fixes
/// the last bits. Source: scoring.md, `stake_weight` of numerai-tools 0.7.2.
///
/// # Panics
/// When a prediction has another length than `rows`.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "stakes become weights of a forecast, not money"
)]
pub fn meta_model(rows: usize, models: &[(&[f64], TokenAmount)]) -> Vec<f64> {
    let (mut sums, mut weights) = (vec![0.0; rows], vec![0.0; rows]);
    let (mut tables, mut ranker) = (Tables::default(), Ranker::default());
    let (mut held, mut values, mut along) = (Vec::new(), Vec::new(), Vec::new());
    for (prediction, stake) in models {
        assert_eq!(prediction.len(), rows, "rows of a prediction");
        let stake = stake.units() as f64;
        let held = present(&[prediction], &mut held);
        match held {
            None => {
                values.clear();
                values.extend_from_slice(prediction);
            }
            Some(held) => gather(prediction, held, &mut values),
        }
        let Ok(order) = ranker.order(&values) else {
            continue;
        };
        let curves = tables.of(values.len());
        let ranks = curves.gaussian.along(order, &mut along);
        for (value, position) in ranks.values.iter().zip(order.rows) {
            let position = *position as usize;
            let row = held.map_or(position, |held| held[position] as usize);
            sums[row] += stake * value;
            weights[row] += stake;
        }
    }
    let means = sums.iter().zip(&weights);
    means.map(|(sum, weight)| sum / weight).collect()
}
