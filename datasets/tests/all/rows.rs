//! Feature rows: live as historical, causal, finite, and blind to the outcome.

use std::collections::HashSet;

use datasets::candle::{BAR_US, Candle};
use datasets::dataset::{live_row, rows};
use datasets::features::{BARS_NEEDED, FEATURE_COUNT, FEATURE_LIMIT, FEATURES, feature_row};
use datasets::split::Part;
use datasets::{Asset, DatasetError};
use domain::{Direction, Price};
use proptest::prelude::*;

use crate::{HISTORY, any_asset, any_round, both};

const ROUND_US: i64 = 1_709_640_000_000_000;
/// The protocol: features of round T come from bars closed by T−300 s.
const CLOSED_BEFORE_US: i64 = 300_000_000;

fn bits(row: &[f32]) -> Vec<u32> {
    row.iter().map(|value| value.to_bits()).collect()
}

/// What a live feed knows at the freeze, and not a bar more than a row needs.
fn known_at_freeze(candles: &[Candle], t_us: i64) -> Vec<Candle> {
    let closed = candles
        .iter()
        .filter(|candle| candle.close_time_us() <= t_us - CLOSED_BEFORE_US);
    let closed: Vec<Candle> = closed.copied().collect();
    closed[closed.len() - BARS_NEEDED..].to_vec()
}

/// The candle with all prices multiplied, which keeps it valid.
fn scaled(candle: Candle, factor: i64) -> Candle {
    let times = |price: Price| Price::from_units(price.units() * factor).expect("positive");
    Candle {
        open: times(candle.open),
        high: times(candle.high),
        low: times(candle.low),
        close: times(candle.close),
        volume: candle.volume * factor as f64,
        ..candle
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_live_row_is_the_historical_row(asset in any_asset(), t_us in any_round()) {
        let (own, other) = both(asset);
        let historical = feature_row(own, other, t_us).unwrap();
        let live_own = known_at_freeze(own, t_us);
        let live_other = known_at_freeze(other, t_us);
        let live = feature_row(&live_own, &live_other, t_us).unwrap();
        prop_assert_eq!(bits(&live), bits(&historical));
        let served = live_row(&HISTORY, asset, t_us).unwrap();
        prop_assert_eq!(bits(&served.features), bits(&historical));
        prop_assert_eq!(served.target, None);
    }

    #[test]
    fn what_closes_after_the_freeze_changes_nothing(
        asset in any_asset(), t_us in any_round(), factor in 2_i64..9,
    ) {
        let (own, other) = both(asset);
        let changed = |candles: &[Candle]| -> Vec<Candle> {
            let late = |candle: &Candle| candle.close_time_us() > t_us - CLOSED_BEFORE_US;
            let change = |candle| if late(candle) { scaled(*candle, factor) } else { *candle };
            candles.iter().map(change).collect()
        };
        let row = feature_row(own, other, t_us).unwrap();
        let after = feature_row(&changed(own), &changed(other), t_us).unwrap();
        prop_assert_eq!(bits(&row), bits(&after));
    }

    #[test]
    fn every_bar_that_a_row_may_see_reaches_it(back in 0..BARS_NEEDED, of_own in any::<bool>()) {
        let (own, other) = both(Asset::Btc);
        let (mut own, mut other) =
            (known_at_freeze(own, ROUND_US), known_at_freeze(other, ROUND_US));
        let row = feature_row(&own, &other, ROUND_US).unwrap();
        let series = if of_own { &mut own } else { &mut other };
        series[back] = scaled(series[back], 3);
        prop_assert_ne!(bits(&row), bits(&feature_row(&own, &other, ROUND_US).unwrap()));
    }

    #[test]
    fn a_missing_bar_is_named(back in 0..BARS_NEEDED, of_own in any::<bool>()) {
        let (own, other) = both(Asset::Eth);
        let (mut own, mut other) = (own.to_vec(), other.to_vec());
        let gap_us = ROUND_US - CLOSED_BEFORE_US - (1 + back as i64) * BAR_US;
        let series = if of_own { &mut own } else { &mut other };
        series.retain(|candle| candle.open_time_us != gap_us);
        let expected = if of_own { "own" } else { "other" };
        match feature_row(&own, &other, ROUND_US) {
            Err(DatasetError::MissingBar { role, open_time_us }) => {
                prop_assert_eq!((role, open_time_us), (expected, gap_us));
            }
            answer => prop_assert!(false, "the gap was filled: {answer:?}"),
        }
    }
}

#[test]
fn a_start_off_the_grid_is_no_round() {
    let (own, other) = both(Asset::Btc);
    let refused = feature_row(own, other, ROUND_US + 1);
    assert!(matches!(refused, Err(DatasetError::NotARound { .. })));
}

#[test]
fn the_schema_names_every_column_once() {
    const { assert!(FEATURE_COUNT >= 40) };
    let names: HashSet<&str> = FEATURES.iter().map(|feature| feature.name).collect();
    assert_eq!(names.len(), FEATURE_COUNT);
    for feature in &FEATURES {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(feature.name.chars().all(plain), "{}", feature.name);
        assert!(
            feature.description.len() > 10,
            "{} is not explained",
            feature.name
        );
    }
}

#[test]
fn historical_rows_are_live_rows_finite_and_know_no_outcome() {
    for asset in Asset::ALL {
        let made = rows(&HISTORY, asset, Part::Train).unwrap().rows;
        for row in made.iter().step_by(97) {
            let live = live_row(&HISTORY, asset, row.t_us).unwrap();
            assert_eq!(bits(&live.features), bits(&row.features));
        }
        let ys: Vec<f64> = made
            .iter()
            .map(|row| f64::from(u8::from(row.target == Some(Direction::Up))))
            .collect();
        for (index, feature) in FEATURES.iter().enumerate() {
            let xs: Vec<f64> = made
                .iter()
                .map(|row| f64::from(row.features[index]))
                .collect();
            assert!(xs.iter().all(|x| x.is_finite() && x.abs() <= FEATURE_LIMIT));
            assert!(
                xs.iter().any(|x| *x != xs[0]),
                "{} is constant",
                feature.name
            );
            // Six standard errors over 5,900 rows; a leak shows far more.
            let seen = correlation(&xs, &ys);
            assert!(
                seen.abs() < 0.08,
                "{} of {asset} leaks: {seen}",
                feature.name
            );
        }
    }
}

fn correlation(xs: &[f64], ys: &[f64]) -> f64 {
    let n = xs.len() as f64;
    let (mx, my) = (xs.iter().sum::<f64>() / n, ys.iter().sum::<f64>() / n);
    let moment = |of: &dyn Fn(f64, f64) -> f64| {
        xs.iter()
            .zip(ys)
            .map(|(x, y)| of(x - mx, y - my))
            .sum::<f64>()
    };
    moment(&|x, y| x * y) / (moment(&|x, _| x * x) * moment(&|_, y| y * y)).sqrt()
}
