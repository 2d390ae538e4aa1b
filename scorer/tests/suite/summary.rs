//! What scores over eras come to.

use scorer::summary::{Bootstrap, bootstrap_interval, summarise, summarise_all};

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

/// The draws are part of published numbers: neither a new version of a library nor a faster way to
/// draw may move them. The lengths lie at and beside perfect cubes, where blocks grow.
#[test]
fn the_draws_are_pinned() {
    for (count, low, high) in PINNED {
        let interval = bootstrap_interval(&series(count)).expect("eras");
        let bits = (interval.low.to_bits(), interval.high.to_bits());
        assert_eq!(bits, (low, high), "{count} eras: {interval:?}");
    }
}

#[test]
fn one_bootstrap_serves_every_series_of_its_length_and_no_other() {
    let bootstrap = Bootstrap::new(100);
    assert_eq!(bootstrap.count(), 100);
    let long = series(300);
    for from in [0, 57, 200] {
        let scores = &long[from..from + 100];
        assert_eq!(bootstrap.summarise(scores), summarise(scores));
        assert_eq!(bootstrap.interval(scores), bootstrap_interval(scores));
    }
    assert_eq!(bootstrap.interval(&long[..99]), None);
    assert_eq!(bootstrap.summarise(&long[..101]), None);
    assert_eq!(Bootstrap::new(0).summarise(&[]), None);
}

#[test]
fn many_series_are_summarised_as_each_alone() {
    let long = series(200);
    let many: Vec<Vec<f64>> = [(0, 90), (3, 0), (10, 100), (20, 90), (7, 1), (1, 100)]
        .map(|(from, count): (usize, usize)| long[from..from + count].to_vec())
        .to_vec();
    let alone: Vec<_> = many.iter().map(|scores| summarise(scores)).collect();
    assert_eq!(summarise_all(&many), alone);
    assert_eq!(alone[1], None);
    assert_eq!(summarise_all(&[]), Vec::new());
}

/// Eras of [`series`], and the bits of both ends.
const PINNED: [(u32, u64, u64); 10] = [
    (1, 0xbfdf_5c28_f5c2_8f5c, 0xbfdf_5c28_f5c2_8f5c),
    (2, 0xbfc7_2a73_7d25_4c16, 0xbfc7_2a73_7d25_4c16),
    (7, 0xbfc9_84ce_9ab3_7e16, 0x3fb7_5d69_6c3c_451f),
    (26, 0xbfb0_b1eb_6ca2_40d3, 0x3fb2_e61e_c13b_5e52),
    (27, 0xbfb8_f31d_92f3_a2fd, 0x3fb0_b1d2_aa14_3b26),
    (28, 0xbfb3_337d_a9a6_32b6, 0x3fb0_d6cf_c84a_92b7),
    (100, 0xbf9b_4f27_b10a_8a97, 0x3f9f_b2ae_5b02_164d),
    (288, 0xbf84_56f6_71ff_63af, 0x3f98_24ea_f36f_1311),
    (2_016, 0x3f77_b33e_ed8d_4c38, 0x3f8b_9da4_2f00_7b8b),
    (5_000, 0x3f7e_3cce_cc03_64df, 0x3f89_ac92_2a0f_5a89),
];
