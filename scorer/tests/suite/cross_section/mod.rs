//! Cross-sectional scores against slow, obvious versions, and the stated rules for gaps, ties,
//! constants and NaN.

mod rules;
mod slow;

use proptest::prelude::*;
use scorer::cross_section::{Era, Scratch, TargetScale, churn, max_feature_exposure, meta_model};
use scorer::matrix::Matrix;
use scorer::rank::{Ranker, tie_kept_ranks};

const TOLERANCE: f64 = 1e-12;

fn assert_close(ours: f64, theirs: f64) -> Result<(), TestCaseError> {
    prop_assert!(
        (ours - theirs).abs() <= TOLERANCE,
        "{ours} against {theirs}"
    );
    Ok(())
}

/// A column of one of the shapes that predictions have: spread, tied, heavy-tailed, tiny.
fn column(rows: usize) -> impl Strategy<Value = Vec<f64>> {
    let spread = prop::collection::vec(-1.0..1.0, rows);
    let tied = prop::collection::vec((0_u8..9).prop_map(|x| f64::from(x) / 4.0), rows);
    let zeros = prop::collection::vec(prop_oneof![Just(-0.0), Just(0.0), Just(1.0)], rows);
    let heavy = prop::collection::vec((-1.0..1.0).prop_map(|x: f64| 1e3 / x), rows);
    let tiny = prop::collection::vec((0_u64..1 << 20).prop_map(f64::from_bits), rows);
    let far = prop::collection::vec(prop_oneof![Just(1e300), -1.0..1.0, Just(-1e308)], rows);
    prop_oneof![spread, tied, zeros, heavy, tiny, far]
}

/// A column with some rows missing, at most a fifth.
fn gappy(rows: usize) -> impl Strategy<Value = Vec<f64>> {
    (column(rows), prop::collection::vec(0..rows, 0..=rows / 5)).prop_map(|(mut values, gaps)| {
        for gap in gaps {
            values[gap] = f64::NAN;
        }
        values
    })
}

fn is_varied(values: &[f64]) -> bool {
    let held: Vec<f64> = values.iter().copied().filter(|x| !x.is_nan()).collect();
    held.iter().any(|x| *x != held[0])
}

fn bins(rows: usize) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((0_u8..5).prop_map(|bin| f64::from(bin) / 4.0), rows)
        .prop_filter("targets differ", |targets| is_varied(targets))
}

/// Predictions with gaps, a meta model and targets of one size.
fn era() -> impl Strategy<Value = (Vec<f64>, Vec<f64>, Vec<f64>)> {
    let sizes = prop_oneof![5_usize..40, 150_usize..400];
    let columns = sizes.prop_flat_map(|rows| (gappy(rows), column(rows), bins(rows)));
    columns.prop_filter("something to rank", |(p, m, t)| {
        let held = slow::common(&[p, m, t]);
        held.iter().all(|column| is_varied(column))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_order_is_the_stable_one(values in prop_oneof![column(40), column(700), column(9_000)]) {
        let mut expected: Vec<u32> = (0..values.len() as u32).collect();
        let value = |row: &u32| values[*row as usize];
        expected.sort_by(|a, b| value(a).partial_cmp(&value(b)).expect("finite"));
        let mut ranker = Ranker::default();
        if let Ok(order) = ranker.order(&values) {
            prop_assert_eq!(order.rows, expected.as_slice());
            let mut at = 0;
            let mut ties = Vec::new();
            for run in expected.chunk_by(|a, b| value(a) == value(b)) {
                ties.extend((run.len() > 1).then(|| at..at + run.len()));
                at += run.len();
            }
            prop_assert_eq!(order.ties, ties.as_slice());
        } else {
            prop_assert!(!is_varied(&values));
        }
    }

    #[test]
    fn ranks_are_the_counted_ones(values in prop_oneof![column(17), column(300)]) {
        if let Ok(ranks) = tie_kept_ranks(&values) {
            for (ours, theirs) in ranks.into_iter().zip(slow::ranks(&values)) {
                prop_assert!((ours - theirs).abs() < 1e-15, "{} against {}", ours, theirs);
            }
        }
    }

    #[test]
    fn corr_is_the_obvious_one((prediction, _, targets) in era()) {
        let era = Era::new(targets.clone()).expect("an era");
        let ours = era.corr(&prediction, &mut Scratch::default()).expect("scored");
        assert_close(ours, slow::corr(&prediction, &targets))?;
    }

    #[test]
    fn mmc_is_the_obvious_one((prediction, meta, targets) in era(), is_scaled in any::<bool>()) {
        let (scale, factor) = if is_scaled { (TargetScale::Four, 4.0) } else { (TargetScale::One, 1.0) };
        let era = Era::new(targets.clone()).expect("an era");
        let era = era.with_meta(meta.clone(), scale).expect("an era");
        let ours = era.mmc(&prediction, &mut Scratch::default()).expect("a meta model");
        assert_close(ours.expect("scored"), slow::mmc(&prediction, &meta, &targets, factor))?;
    }

    #[test]
    fn fnc_is_the_obvious_one(
        targets in bins(90),
        predictions in prop::collection::vec(prop::collection::vec(-1.0..1.0, 90), 1..5),
        features in prop::collection::vec(prop::collection::vec(0.0..1.0, 90), 1..12),
        gaps in prop::collection::vec((0_usize..4, 0_usize..90), 0..12),
        featureless in prop::collection::vec((0_usize..12, 0_usize..90), 0..4),
    ) {
        let (mut predictions, mut features) = (predictions, features);
        for (model, row) in gaps {
            let model = model % predictions.len();
            predictions[model][row] = f64::NAN;
        }
        for (feature, row) in featureless {
            let feature = feature % features.len();
            features[feature][row] = f64::NAN;
        }
        let matrix = Matrix::from_columns(90, features.len(), features.concat()).expect("a matrix");
        let era = Era::new(targets.clone()).expect("an era");
        let era = era.with_features(matrix).expect("an era");
        let columns: Vec<&[f64]> = predictions.iter().map(Vec::as_slice).collect();
        let mut scratch = Scratch::default();
        let together = era.fnc(&columns, &mut scratch).expect("features");
        for (prediction, ours) in predictions.iter().zip(together) {
            let alone = era.fnc(&[prediction], &mut scratch).expect("features");
            // Other models of the block change no bit.
            prop_assert_eq!(&alone, &vec![ours]);
            assert_close(ours.expect("scored"), slow::fnc(prediction, &features, &targets))?;
        }
    }

    #[test]
    fn only_ranks_matter((prediction, meta, targets) in era()) {
        let stretched: Vec<f64> = prediction.iter().map(|x| x / 4.0 - 0.0).collect();
        let era = Era::new(targets).expect("an era");
        let era = era.with_meta(meta, TargetScale::Auto).expect("an era");
        let mut scratch = Scratch::default();
        // Division by a power of two keeps order and ties unless it runs out of digits.
        if stretched.iter().zip(&prediction).all(|(s, p)| s * 4.0 == *p || p.is_nan()) {
            prop_assert_eq!(era.corr(&prediction, &mut scratch), era.corr(&stretched, &mut scratch));
            prop_assert_eq!(era.mmc(&prediction, &mut scratch), era.mmc(&stretched, &mut scratch));
        }
    }

    #[test]
    fn churn_is_one_less_spearman(before in column(60), after in column(60)) {
        if is_varied(&before) && is_varied(&after) {
            let ours = churn(&before, &after).expect("ranked");
            let theirs = 1.0 - slow::pearson(&slow::ranks(&before), &slow::ranks(&after));
            assert_close(ours, theirs)?;
        }
    }

    #[test]
    fn exposure_is_the_largest_correlation(
        prediction in prop::collection::vec(-1.0..1.0, 50),
        features in prop::collection::vec(prop::collection::vec(-1.0..1.0, 50), 1..6),
    ) {
        let matrix = Matrix::from_columns(50, features.len(), features.concat()).expect("a matrix");
        let ours = max_feature_exposure(&prediction, &matrix).expect("comparable");
        let theirs: Vec<f64> = features.iter().map(|f| slow::pearson(&prediction, f).abs()).collect();
        let largest = theirs.iter().copied().fold(0.0, f64::max);
        assert_close(ours.correlation, largest)?;
        assert_close(theirs[ours.feature], largest)?;
    }

    #[test]
    fn the_meta_model_is_the_weighted_mean(
        models in prop::collection::vec((gappy(30), 1_u64..1_000), 1..5),
    ) {
        let stake = |units: u64| domain::TokenAmount::from_units(units).expect("an amount");
        let given: Vec<(&[f64], _)> = models.iter().map(|(p, w)| (p.as_slice(), stake(*w))).collect();
        let ours = meta_model(30, &given);
        let (mut sums, mut weights) = (vec![0.0; 30], vec![0.0; 30]);
        for (prediction, stake) in models.iter().filter(|(p, _)| is_varied(p)) {
            let held: Vec<usize> = (0..30).filter(|row| !prediction[*row].is_nan()).collect();
            let values: Vec<f64> = held.iter().map(|row| prediction[*row]).collect();
            for (row, value) in held.into_iter().zip(slow::gaussianised(&values)) {
                sums[row] += *stake as f64 * value;
                weights[row] += *stake as f64;
            }
        }
        for (ours, (sum, weight)) in ours.into_iter().zip(sums.into_iter().zip(weights)) {
            if weight == 0.0 {
                prop_assert!(ours.is_nan());
            } else {
                assert_close(ours, sum / weight)?;
            }
        }
    }
}
