//! What scores over eras come to.

use scorer::summary::{bootstrap_interval, summarise};

fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-12,
        "{found} is not {expected}"
    );
}

/// A fixed series that looks like noise around 0.01: n·φ modulo 1, spread evenly.
fn series(count: u32) -> Vec<f64> {
    (0..count)
        .map(|i| (f64::from(i) * 0.618_033_988_749_895).fract() - 0.49)
        .collect()
}

#[test]
fn a_series_worked_by_hand() {
    let summary = summarise(&[1.0, -2.0, 3.0, -1.0, -2.0, 4.0]).expect("eras");
    assert_eq!(summary.eras, 6);
    close(summary.mean, 0.5);
    // Squares around the mean: .25 + 6.25 + 6.25 + 2.25 + 6.25 + 12.25 = 33.5.
    close(summary.std, (33.5_f64 / 6.0).sqrt());
    close(
        summary.sharpe.expect("spread"),
        0.5 / (33.5_f64 / 6.0).sqrt(),
    );
    // The sums are 1, −1, 2, 1, −1, 3: the deepest fall is from 2 to −1.
    close(summary.max_drawdown, 3.0);
    // Lagged products: −1.25 − 6.25 − 3.75 + 3.75 − 8.75 = −16.25.
    close(summary.autocorrelation.expect("spread"), -16.25 / 33.5);
    close(summary.share_positive, 0.5);
}

#[test]
fn a_constant_series_has_no_ratio() {
    for score in [0.1, -0.3] {
        let summary = summarise(&[score; 7]).expect("eras");
        assert_eq!(summary.sharpe, None);
        assert_eq!(summary.autocorrelation, None);
        assert_eq!(summary.std.to_bits(), 0.0_f64.to_bits());
        close(summary.interval.low, score);
        close(summary.interval.high, score);
    }
}

#[test]
fn nothing_and_what_is_not_finite_have_no_summary() {
    assert_eq!(summarise(&[]), None);
    assert_eq!(summarise(&[0.1, f64::NAN]), None);
    assert_eq!(bootstrap_interval(&[f64::INFINITY]), None);
    let one = summarise(&[0.25]).expect("an era");
    close(one.interval.low, 0.25);
    close(one.max_drawdown, 0.0);
}

#[test]
fn a_first_loss_is_no_drawdown_but_a_second_is() {
    close(summarise(&[-1.0, -0.5]).expect("eras").max_drawdown, 0.5);
    close(summarise(&[1.0, 2.0]).expect("eras").max_drawdown, 0.0);
}

/// Independent noise: blocks change little, so the interval is near mean ± 1.96·σ/√n. This holds
/// for a series without correlation, so it is shuffled by a full-period generator.
#[test]
fn the_interval_of_noise_has_the_expected_width() {
    let mut state = 12_345_u32;
    let noise: Vec<f64> = (0..4_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1_u32 << 24) - 0.5
        })
        .collect();
    let summary = summarise(&noise).expect("eras");
    let expected = 2.0 * 1.96 * summary.std / 4_000_f64.sqrt();
    let width = summary.interval.high - summary.interval.low;
    assert!(
        (width / expected - 1.0).abs() < 0.2,
        "{width} against {expected}"
    );
    assert!(summary.interval.low < summary.mean && summary.mean < summary.interval.high);
}

/// The draws are part of published numbers: a new version of a library must not move them.
#[test]
fn the_draws_are_pinned() {
    let interval = bootstrap_interval(&series(100)).expect("eras");
    let bits = (interval.low.to_bits(), interval.high.to_bits());
    assert_eq!(bits, (PINNED_LOW, PINNED_HIGH), "{interval:?}");
}

const PINNED_LOW: u64 = 13_806_716_114_526_964_375;
const PINNED_HIGH: u64 = 4_584_579_407_607_371_341;
