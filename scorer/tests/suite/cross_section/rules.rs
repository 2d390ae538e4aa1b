//! What has no score, and why; what changes no score.

use scorer::cross_section::{Era, EraError, Scratch, TargetScale, Unscored, churn};
use scorer::matrix::Matrix;
use scorer::rank::Unordered;

/// Numbers in (0, 1) that repeat for nobody (splitmix64).
fn noise(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0
    };
    (0..count).map(|_| next()).collect()
}

fn era(rows: usize) -> Era {
    Era::new(noise(1, rows)).expect("an era")
}

fn corr(era: &Era, prediction: &[f64]) -> Result<f64, Unscored> {
    era.corr(prediction, &mut Scratch::default())
}

fn without(mut values: Vec<f64>, rows: impl IntoIterator<Item = usize>) -> Vec<f64> {
    for row in rows {
        values[row] = f64::NAN;
    }
    values
}

#[test]
fn eighty_percent_of_the_rows_are_enough_and_less_is_not() {
    let era = era(100);
    assert!(corr(&era, &without(noise(2, 100), 0..20)).is_ok());
    let few = without(noise(2, 100), 0..21);
    assert_eq!(corr(&era, &few), Err(Unscored::Coverage));
    assert_eq!(corr(&era, &[f64::NAN; 100]), Err(Unscored::Coverage));
}

#[test]
fn constants_and_infinities_have_no_score() {
    let era = era(50);
    assert_eq!(corr(&era, &[0.5; 50]), Err(Unscored::Constant));
    let mut zeros = [0.0; 50];
    zeros[7] = -0.0;
    assert_eq!(corr(&era, &zeros), Err(Unscored::Constant));
    let mut infinite = noise(3, 50);
    infinite[4] = f64::INFINITY;
    assert_eq!(corr(&era, &infinite), Err(Unscored::Infinite));
    assert_eq!(corr(&era, &without(infinite, [9])), Err(Unscored::Infinite));
    let flat = Era::new(vec![0.5; 50]).expect("an era");
    assert_eq!(corr(&flat, &noise(3, 50)), Err(Unscored::ConstantTarget));
}

#[test]
fn an_era_needs_finite_targets_and_columns_of_its_length() {
    assert_eq!(Era::new(vec![]).err(), Some(EraError::Empty));
    let broken = Era::new(vec![0.0, f64::NAN]).err();
    assert_eq!(broken, Some(EraError::Target { row: 1 }));
    let short = era(5).with_meta(vec![0.0; 4], TargetScale::One).err();
    let expected = EraError::Length {
        what: "the meta model",
        expected: 5,
        found: 4,
    };
    assert_eq!(short, Some(expected));
}

#[test]
fn the_meta_model_must_cover_the_era_and_say_something() {
    let mmc = |meta: Vec<f64>| {
        let era = era(100).with_meta(meta, TargetScale::One).expect("an era");
        era.mmc(&noise(2, 100), &mut Scratch::default())
    };
    let few = mmc(without(noise(3, 100), 0..21));
    assert_eq!(few, Some(Err(Unscored::MetaCoverage)));
    assert_eq!(mmc(vec![1.0; 100]), Some(Err(Unscored::ConstantMeta)));
    let gaps_and_flat = mmc(without(vec![1.0; 100], [3]));
    assert_eq!(gaps_and_flat, Some(Err(Unscored::ConstantMeta)));
    assert_eq!(era(100).mmc(&noise(2, 100), &mut Scratch::default()), None);
    // The meta model adds nothing to itself.
    let same = mmc(noise(2, 100)).expect("a meta model").expect("scored");
    assert!(same.abs() < 1e-15, "{same}");
}

fn fnc(features: &[Vec<f64>], prediction: &[f64]) -> Result<f64, Unscored> {
    let rows = prediction.len();
    let matrix = Matrix::from_columns(rows, features.len(), features.concat()).expect("a matrix");
    let era = era(rows).with_features(matrix).expect("an era");
    let scores = era.fnc(&[prediction], &mut Scratch::default());
    scores.expect("features").remove(0)
}

#[test]
fn features_that_explain_everything_leave_nothing() {
    let prediction = noise(2, 60);
    let gaussianised = super::slow::gaussianised(&prediction);
    let explained = fnc(&[noise(5, 60), gaussianised], &prediction);
    assert_eq!(explained, Err(Unscored::Explained));
    // As many features as rows explain anything.
    let many: Vec<Vec<f64>> = (0..60).map(|seed| noise(100 + seed, 60)).collect();
    assert_eq!(fnc(&many, &prediction), Err(Unscored::Explained));
    let gaps = without(noise(6, 60), 0..13);
    assert_eq!(fnc(&[gaps], &prediction), Err(Unscored::FeatureCoverage));
}

#[test]
fn a_copied_or_constant_feature_changes_nothing() {
    let prediction = noise(2, 200);
    let plain: Vec<Vec<f64>> = (10..15).map(|seed| noise(seed, 200)).collect();
    let mut copied = plain.clone();
    copied.push(plain[1].iter().map(|x| 2.0 * x - 0.25).collect());
    copied.push(vec![3.0; 200]);
    let (before, after) = (fnc(&plain, &prediction), fnc(&copied, &prediction));
    let (before, after) = (before.expect("scored"), after.expect("scored"));
    assert!((before - after).abs() < 1e-12, "{before} against {after}");
    // With rows missing too, where the dependent columns have to be sorted out again.
    let gaps = without(prediction, [3, 70, 199]);
    let (before, after) = (fnc(&plain, &gaps), fnc(&copied, &gaps));
    let (before, after) = (before.expect("scored"), after.expect("scored"));
    assert!((before - after).abs() < 1e-12, "{before} against {after}");
}

#[test]
fn nearly_dependent_features_are_taken_out_all_the_same() {
    let prediction = noise(2, 300);
    let mut features: Vec<Vec<f64>> = (20..26).map(|seed| noise(seed, 300)).collect();
    let near: Vec<f64> = features[0]
        .iter()
        .zip(noise(99, 300))
        .map(|(x, e)| x + 1e-3 * e)
        .collect();
    features.push(near);
    let ours = fnc(&features, &prediction).expect("scored");
    let theirs = super::slow::fnc(&prediction, &features, &noise(1, 300));
    assert!((ours - theirs).abs() < 1e-12, "{ours} against {theirs}");
}

#[test]
fn a_large_era_is_scored_like_a_small_one() {
    // Above 8,192 rows keys are wider.
    let (targets, prediction) = (noise(1, 9_001), noise(2, 9_001));
    let era = Era::new(targets.clone()).expect("an era");
    let ours = corr(&era, &prediction).expect("scored");
    let theirs = super::slow::corr(&prediction, &targets);
    assert!((ours - theirs).abs() < 1e-12, "{ours} against {theirs}");
}

#[test]
fn churn_runs_from_nothing_to_two() {
    let (up, down) = ([1.0, 2.0, 3.0, 9.0], [4.0, 3.0, 2.0, -7.0]);
    assert_eq!(churn(&up, &up), Ok(0.0));
    assert_eq!(churn(&up, &down), Ok(2.0));
    assert_eq!(churn(&up, &[1.0; 4]), Err(Unordered::Constant));
    assert_eq!(
        churn(&up, &[1.0, 2.0, f64::NAN, 3.0]),
        Err(Unordered::NotFinite)
    );
}
