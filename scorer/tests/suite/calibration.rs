//! Calibration: cases worked by hand, and what holds for any forecasts.

use Direction::{Down, Up};
use domain::{Direction, Probability};
use proptest::prelude::*;
use scorer::calibration::{BINS, Calibration, calibrate};
use scorer::direction::brier;

type Forecasts = Vec<(Probability, Direction)>;

fn p(ppm: u32) -> Probability {
    Probability::from_ppm(ppm).expect("at most 1e6")
}

fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-12,
        "{found} is not {expected}"
    );
}

fn calibration(forecasts: &Forecasts) -> Calibration {
    calibrate(forecasts).expect("forecasts")
}

/// Ten forecasts of 0.4 and ten of 0.6, two of them in each bin.
fn twenty() -> (Forecasts, Forecasts) {
    let low = [Up, Down, Down, Down, Down, Down, Down, Down, Up, Up];
    let high = [Up, Up, Up, Down, Up, Down, Up, Up, Down, Down];
    let of = |ppm, outcomes: [Direction; 10]| outcomes.map(|y| (p(ppm), y)).to_vec();
    (of(400_000, low), of(600_000, high))
}

#[test]
fn twenty_forecasts_worked_by_hand() {
    let (low, high) = twenty();
    let found = calibration(&[low, high].concat());
    let frequencies: Vec<f64> = found.bins.iter().map(|bin| bin.frequency).collect();
    assert_eq!(
        frequencies,
        [0.5, 0.0, 0.0, 0.0, 1.0, 1.0, 0.5, 0.5, 1.0, 0.0]
    );
    assert!(found.bins.iter().all(|bin| bin.count == 2));
    close(found.bins[4].mean_p, 0.4);
    close(found.bins[5].mean_p, 0.6);
    // Distances .1 .4 .4 .4 .6 and .4 .1 .1 .4 .6 of bins that weigh a tenth each.
    close(found.expected_error, 0.35);
    close(found.split.reliability, 0.155);
    // Nine of twenty were up; distances from .45: .05 .45 .45 .45 .55 and .55 .05 .05 .55 .45.
    close(found.split.resolution, 0.172_5);
    close(found.split.uncertainty, 0.247_5);
    close(found.split.within, 0.0);
    close(found.brier_loss, 0.23);
    assert_eq!(found.forecasts, 20);
}

#[test]
fn equal_forecasts_stay_in_their_order() {
    let (low, high) = twenty();
    let grouped = calibration(&[low.clone(), high.clone()].concat());
    let mixed: Forecasts = high.iter().zip(&low).flat_map(|(a, b)| [*a, *b]).collect();
    assert_eq!(calibration(&mixed), grouped);
    let reversed: Forecasts = mixed.into_iter().rev().collect();
    assert_ne!(calibration(&reversed), grouped, "the order of ties counts");
}

#[test]
fn what_does_not_divide_goes_to_later_bins() {
    let forecasts: Forecasts = (0..11)
        .map(|i| (p(100_000 + 80_000 * i), if i == 10 { Up } else { Down }))
        .collect();
    let found = calibration(&forecasts);
    let counts: Vec<usize> = found.bins.iter().map(|bin| bin.count).collect();
    assert_eq!(counts, [1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
    // The last bin holds 0.82 down and 0.9 up: deviations of p ±0.04 and of y ±0.5.
    close(
        found.split.within,
        2.0 * (0.04 * 0.04 - 2.0 * 0.04 * 0.5) / 11.0,
    );
}

#[test]
fn few_forecasts_leave_bins_out_and_none_have_no_calibration() {
    assert_eq!(calibrate(&[]), None);
    let four = vec![
        (p(900_000), Up),
        (p(100_000), Up),
        (p(200_000), Down),
        (p(800_000), Down),
    ];
    let found = calibration(&four);
    let means: Vec<f64> = found.bins.iter().map(|bin| bin.mean_p).collect();
    assert_eq!(means, [0.1, 0.2, 0.8, 0.9]);
    // Bins of one: each is off by its whole loss, and their outcomes are resolved wholly.
    close(found.split.reliability, found.brier_loss);
    close(found.split.resolution, found.split.uncertainty);
    let one = calibration(&vec![(p(700_000), Up)]);
    close(one.expected_error, 0.3);
    close(one.split.uncertainty, 0.0);
}

/// Newcombe (1998), Statistics in Medicine 17, table I, method 3: ups, trials and both ends to four
/// digits.
#[test]
fn intervals_are_wilsons() {
    for (ups, trials, low, high) in [
        (81, 263, 0.255_3, 0.366_2),
        (15, 148, 0.062_4, 0.160_5),
        (0, 20, 0.0, 0.161_1),
        (1, 29, 0.006_1, 0.171_8),
    ] {
        let bin: Forecasts = (0..trials)
            .map(|i| (p(500_000), if i < ups { Up } else { Down }))
            .collect();
        let found = calibration(&bin.repeat(BINS));
        assert_eq!(found.bins.len(), BINS);
        for bin in &found.bins {
            assert!((bin.interval.low - low).abs() < 5e-5, "{bin:?}");
            assert!((bin.interval.high - high).abs() < 5e-5, "{bin:?}");
        }
    }
}

/// Bins and terms by their definitions, one forecast at a time.
fn slowly(forecasts: &Forecasts) -> [f64; 6] {
    let mut sorted: Vec<(usize, u32, f64)> = forecasts
        .iter()
        .enumerate()
        .map(|(at, (p, y))| (at, p.ppm(), if *y == Up { 1.0 } else { 0.0 }))
        .collect();
    sorted.sort_by_key(|(at, ppm, _)| (*ppm, *at));
    let n = sorted.len();
    let bin_of = |at: usize| (0..10).find(|b| at < n * (b + 1) / 10).expect("a bin");
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let ys: Vec<f64> = sorted.iter().map(|(_, _, y)| *y).collect();
    let ps: Vec<f64> = sorted
        .iter()
        .map(|(_, ppm, _)| f64::from(*ppm) / 1e6)
        .collect();
    let base_rate = mean(&ys);
    let [
        mut ece,
        mut reliability,
        mut resolution,
        mut variance,
        mut covariance,
    ] = [0.0; 5];
    for at in 0..n {
        let mates: Vec<usize> = (0..n)
            .filter(|other| bin_of(*other) == bin_of(at))
            .collect();
        let p_bin = mean(&mates.iter().map(|i| ps[*i]).collect::<Vec<_>>());
        let y_bin = mean(&mates.iter().map(|i| ys[*i]).collect::<Vec<_>>());
        reliability += (p_bin - y_bin).powi(2) / n as f64;
        resolution += (y_bin - base_rate).powi(2) / n as f64;
        variance += (ps[at] - p_bin).powi(2) / n as f64;
        covariance += 2.0 * (ps[at] - p_bin) * (ys[at] - y_bin) / n as f64;
        // Each forecast carries its share of its bin's distance.
        ece += (p_bin - y_bin).abs() / n as f64;
    }
    let uncertainty = base_rate * (1.0 - base_rate);
    let within = variance - covariance;
    let loss = mean(
        &forecasts
            .iter()
            .map(|(p, y)| 1.0 - brier(*p, *y))
            .collect::<Vec<_>>(),
    );
    [ece, reliability, resolution, uncertainty, within, loss]
}

fn forecasts() -> impl Strategy<Value = Forecasts> {
    let ppm = prop_oneof![
        0..=1_000_000_u32,
        480_000..520_000_u32,
        Just(500_000),
        Just(0),
        Just(1_000_000)
    ];
    let one = (ppm, any::<bool>()).prop_map(|(ppm, is_up)| (p(ppm), if is_up { Up } else { Down }));
    prop::collection::vec(one, 1..120)
}

proptest! {
    #[test]
    fn the_definitions_and_murphys_identity(forecasts in forecasts()) {
        let found = calibration(&forecasts);
        let split = found.split;
        let all = [
            found.expected_error, split.reliability, split.resolution, split.uncertainty,
            split.within, found.brier_loss,
        ];
        for (found, expected) in all.into_iter().zip(slowly(&forecasts)) {
            prop_assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        }
        let sum = split.reliability - split.resolution + split.uncertainty + split.within;
        prop_assert!((sum - found.brier_loss).abs() < 1e-12, "{sum} is not {}", found.brier_loss);
    }

    #[test]
    fn bins_are_of_equal_count_in_rising_order_and_inside_their_intervals(
        forecasts in forecasts(),
    ) {
        let bins = calibration(&forecasts).bins;
        let n = forecasts.len();
        prop_assert_eq!(bins.iter().map(|bin| bin.count).sum::<usize>(), n);
        prop_assert_eq!(bins.len(), n.min(BINS));
        for bin in &bins {
            prop_assert!(bin.count >= (n / BINS).max(1) && bin.count <= n.div_ceil(BINS));
            prop_assert!(0.0 <= bin.interval.low && bin.interval.high <= 1.0);
            prop_assert!(bin.interval.low <= bin.frequency + 1e-15);
            prop_assert!(bin.frequency <= bin.interval.high + 1e-15);
        }
        prop_assert!(bins.windows(2).all(|pair| pair[0].mean_p <= pair[1].mean_p));
    }

    /// Bounds of the expected error: the bias of the mean below, the root of the reliability above.
    #[test]
    fn the_expected_error_lies_between_bias_and_reliability(forecasts in forecasts()) {
        let found = calibration(&forecasts);
        let n = forecasts.len() as f64;
        let difference = |(p, y): &(Probability, Direction)| {
            p.to_f64() - if *y == Up { 1.0 } else { 0.0 }
        };
        let bias = (forecasts.iter().map(difference).sum::<f64>() / n).abs();
        prop_assert!(bias <= found.expected_error + 1e-12);
        prop_assert!(found.expected_error <= found.split.reliability.sqrt() + 1e-12);
        prop_assert!(found.split.resolution <= found.split.uncertainty + 1e-12);
    }

    /// Up and down are names: swapping them swaps nothing else. Bins of exactly a tenth, since the
    /// remainder goes to later ones.
    #[test]
    fn swapping_up_and_down_mirrors_the_table(forecasts in forecasts()) {
        let whole = forecasts.repeat(10);
        let swapped: Forecasts = whole
            .iter()
            .rev()
            .map(|(forecast, y)| (p(1_000_000 - forecast.ppm()), if *y == Up { Down } else { Up }))
            .collect();
        let (found, mirrored) = (calibration(&whole), calibration(&swapped));
        prop_assert!((found.expected_error - mirrored.expected_error).abs() < 1e-12);
        prop_assert!((found.split.within - mirrored.split.within).abs() < 1e-12);
        for (bin, other) in found.bins.iter().zip(mirrored.bins.iter().rev()) {
            prop_assert!((bin.mean_p + other.mean_p - 1.0).abs() < 1e-12);
            prop_assert!((bin.interval.low + other.interval.high - 1.0).abs() < 1e-12);
        }
    }
}
