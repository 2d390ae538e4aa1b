//! Scores of forecasts and their baselines.

use Direction::{Down, Up};
use domain::{Direction, Probability, TokenAmount};
use scorer::direction::{
    accuracy, brier, crowd_without, hit, log_score, persistence, skill, to_score_half_even,
};

fn p(ppm: u32) -> Probability {
    Probability::from_ppm(ppm).expect("at most 1e6")
}

fn tokens(units: u64) -> TokenAmount {
    TokenAmount::from_units(units).expect("below 2^63")
}

#[test]
fn scores_are_those_of_the_definitions() {
    assert!((brier(p(620_000), Up) - 0.8556).abs() < 1e-15);
    assert!((brier(p(620_000), Down) - 0.6156).abs() < 1e-15);
    assert!((log_score(p(620_000), Up) - -0.478_035_800_943).abs() < 1e-12);
    assert!((log_score(p(620_000), Down) - -0.967_584_026_262).abs() < 1e-12);
    // Clipped, never infinite.
    assert!((log_score(p(0), Up) - -13.815_510_557_964).abs() < 1e-9);
    assert!((log_score(p(1_000_000), Down) - -13.815_510_557_964).abs() < 1e-9);
    assert!(log_score(p(1_000_000), Up) < 0.0);
}

#[test]
fn accuracy_gives_half_a_hit_for_no_side() {
    assert_eq!(hit(p(500_001), Up).to_bits(), 1.0_f64.to_bits());
    assert_eq!(hit(p(500_001), Down).to_bits(), 0.0_f64.to_bits());
    assert_eq!(accuracy(&[]), None);
    let forecasts = [
        (p(600_000), Up),
        (p(600_000), Down),
        (p(400_000), Down),
        (p(500_000), Up),
    ];
    assert_eq!(accuracy(&forecasts), Some(0.625));
}

#[test]
fn skill_is_the_mean_difference() {
    assert_eq!(skill(&[]), None);
    assert_eq!(skill(&[(0.75, 0.5), (0.25, 0.5)]), Some(0.0));
    assert_eq!(skill(&[(0.75, 0.5), (0.75, 0.25)]), Some(0.375));
}

#[test]
fn the_crowd_without_a_model() {
    // The four models of the protocol, W = 600 tokens, P = 322e15.
    let (weighted, total) = (322_000_000_000_000_000, tokens(600_000_000_000));
    let without = |w, ppm| crowd_without(weighted, total, tokens(w), p(ppm));
    // (322 − 62)/500 and P/W for a model without a stake.
    assert_eq!(without(100_000_000_000, 620_000), Some(p(520_000)));
    assert_eq!(without(0, 620_000), Some(p(536_667)));
    assert_eq!(
        crowd_without(3_000_000, tokens(5), tokens(5), p(600_000)),
        None
    );
    // No part of these totals.
    assert_eq!(crowd_without(1, tokens(5), tokens(4), p(600_000)), None);
    assert_eq!(
        crowd_without(9_000_000, tokens(5), tokens(6), p(600_000)),
        None
    );
}

#[test]
fn persistence_needs_a_hundred_outcomes() {
    assert_eq!(persistence(&[]), Probability::HALF);
    assert_eq!(persistence(&[Up; 99]), Probability::HALF);
    assert_eq!(persistence(&[Up; 100]), p(1_000_000));
    assert_eq!(persistence(&[Down; 100]), p(0));
}

#[test]
fn persistence_gives_the_repeat_share_to_the_last_direction() {
    // Pairs: 99, of which the first 60 rounds give 59 repeats, then every round turns.
    let mut history = vec![Up; 60];
    history.extend((0..40).map(|i| if i % 2 == 0 { Down } else { Up }));
    // 59 repeats of 99; the last is up.
    assert_eq!(persistence(&history), p(595_960));
    history.push(Down);
    // 59 of 100, now given to down.
    assert_eq!(persistence(&history), p(410_000));
}

#[test]
fn persistence_forgets_what_is_older_than_its_window() {
    let mut history: Vec<Direction> = (0..500)
        .map(|i| if i % 2 == 0 { Up } else { Down })
        .collect();
    history.extend([Up; 2_016]);
    assert_eq!(persistence(&history), p(1_000_000));
    history.push(Down);
    // 2,014 repeats of 2,015 pairs, given to down.
    assert_eq!(
        persistence(&history),
        p(999_504).min(p(1_000_000 - 999_504))
    );
}

#[test]
fn floats_become_scores_in_one_place() {
    let units = |x| to_score_half_even(x).map(domain::Score::units);
    assert_eq!(units(0.855_6), Ok(855_600_000));
    assert_eq!(units(2.5e-9), Ok(2));
    assert!(units(f64::NAN).is_err());
}
