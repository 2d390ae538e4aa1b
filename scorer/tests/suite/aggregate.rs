//! The combined forecast and its calibration.

use domain::{Direction, Probability, RoundId, TokenAmount};
use scorer::aggregate::{Member, one_out, pool};
use scorer::refit::{Example, Refit, refit};
use scorer::skill::Multiplier;

fn round() -> RoundId {
    "btc-usd-5m-20240305T1200Z".parse().expect("a round id")
}

fn member(model: &str, tokens: u64, ppm: u32, m: u32) -> Member {
    Member {
        model: model.parse().expect("a model id"),
        stake: TokenAmount::from_units(tokens * 1_000_000_000).expect("below 2^63"),
        p: Probability::from_ppm(ppm).expect("at most 1e6"),
        multiplier: Multiplier::from_ppm(m).expect("at most 1e6"),
    }
}

fn four() -> Vec<Member> {
    vec![
        member("ada", 100, 620_000, 1_000_000),
        member("bea", 300, 550_000, 0),
        member("cyd", 50, 400_000, 500_000),
        member("dov", 150, 500_000, 0),
    ]
}

fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

fn logistic(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-12,
        "{found} is not {expected}"
    );
}

#[test]
fn the_four_models_by_hand() {
    let found = pool(&round(), &four(), Refit::identity(0)).expect("staked");
    // W/10 = 60 tokens: ω = 60·e³, 60, 50·e^1.5, 60.
    let weights = [60.0 * 3.0_f64.exp(), 60.0, 50.0 * 1.5_f64.exp(), 60.0];
    let reports = [0.62, 0.55, 0.4, 0.5];
    let sum: f64 = weights.iter().sum();
    let mean_of = |value: &dyn Fn(f64) -> f64| {
        weights
            .iter()
            .zip(reports)
            .map(|(w, p)| w * value(p))
            .sum::<f64>()
            / sum
    };
    let pooled = mean_of(&logit);
    let mean = mean_of(&|p| p);
    close(found.pooled_logit, pooled);
    close(found.p_hat, logistic(pooled));
    close(found.linear, 322.0 / 600.0);
    close(
        found.disagreement,
        mean_of(&|p| (p - mean) * (p - mean)).sqrt(),
    );
    let squares: f64 = weights.iter().map(|w| w * w).sum();
    close(found.effective_models, sum * sum / squares);
    assert_eq!((found.models, found.stake.units()), (4, 600_000_000_000));
    assert!(found.band_low <= found.p_hat && found.p_hat <= found.band_high);
    assert!(found.band_low < found.band_high);

    let fit = Refit {
        intercept: 0.1,
        slope: 2.0,
        rounds: 600,
    };
    let fitted = pool(&round(), &four(), fit).expect("staked");
    close(fitted.p_hat, logistic(0.1 + 2.0 * pooled));
}

#[test]
fn order_and_unstaked_models_change_nothing() {
    let mut mixed = four();
    mixed.reverse();
    mixed.push(member("eve", 0, 650_000, 1_000_000));
    let (straight, other) = (
        pool(&round(), &four(), Refit::identity(0)),
        pool(&round(), &mixed, Refit::identity(0)),
    );
    assert_eq!(straight, other);
    assert_eq!(
        one_out(&four(), Refit::identity(0)),
        one_out(&mixed, Refit::identity(0))
    );
}

#[test]
fn the_band_depends_on_the_round_and_only_on_it() {
    let other: RoundId = "btc-usd-5m-20240305T1205Z".parse().expect("a round id");
    let band = |round: &RoundId| {
        let found = pool(round, &many(), Refit::identity(0)).expect("staked");
        (found.band_low.to_bits(), found.band_high.to_bits())
    };
    assert_eq!(band(&round()), band(&round()));
    assert_ne!(band(&round()), band(&other));
    assert_eq!(band(&round()), PINNED_BAND);
}

fn many() -> Vec<Member> {
    (0..40_u32)
        .map(|i| {
            member(
                &format!("model-{i:02}"),
                100,
                400_000 + i * 5_000,
                i * 20_000,
            )
        })
        .collect()
}

const PINNED_BAND: (u64, u64) = (4_602_837_138_628_358_440, 4_603_091_705_975_110_741);

#[test]
fn nobody_and_somebody_alone() {
    assert_eq!(pool(&round(), &[], Refit::identity(0)), None);
    assert_eq!(
        pool(
            &round(),
            &[member("ada", 0, 600_000, 0)],
            Refit::identity(0)
        ),
        None
    );
    let alone = [member("ada", 5, 600_000, 0)];
    let found = pool(&round(), &alone, Refit::identity(0)).expect("staked");
    close(found.p_hat, 0.6);
    close(found.effective_models, 1.0);
    close(found.disagreement, 0.0);
    close(found.band_low, 0.6);
    close(found.band_high, 0.6);
    let out = one_out(&alone, Refit::identity(0));
    assert_eq!(out.len(), 1);
    assert!(
        out.iter()
            .all(|one| one.p_hat_without.is_none() && one.contribution.is_none())
    );
    assert!(one_out(&[], Refit::identity(0)).is_empty());
}

#[test]
fn contributions_point_where_the_model_pulled() {
    let out = one_out(&four(), Refit::identity(0));
    let full = pool(&round(), &four(), Refit::identity(0))
        .expect("staked")
        .p_hat;
    let [ada, _, cyd, _] = out.as_slice() else {
        panic!("four models");
    };
    assert!(ada.contribution.expect("others") > 0.0);
    assert!(cyd.contribution.expect("others") < 0.0);
    close(
        full - ada.p_hat_without.expect("others"),
        ada.contribution.expect("others"),
    );
    // Without ada: 60·logit(.55) + 50·e^1.5·logit(.4) + 60·0 over 120 + 50·e^1.5.
    let e = 50.0 * 1.5_f64.exp();
    let pooled = (60.0 * logit(0.55) + e * logit(0.4)) / (120.0 + e);
    close(ada.p_hat_without.expect("others"), logistic(pooled));
}

/// A world in which the outcome follows logit = b + k·x, by strata: `count` rounds at each x.
fn world(b: f64, k: f64, count: u32) -> Vec<Example> {
    let mut examples = Vec::new();
    for i in -10..=10_i32 {
        let x = f64::from(i) / 10.0;
        let ups = (logistic(b + k * x) * f64::from(count)).round();
        for j in 0..count {
            let y = if f64::from(j) < ups {
                Direction::Up
            } else {
                Direction::Down
            };
            examples.push((x, y));
        }
    }
    examples
}

fn gradient(examples: &[Example], fit: Refit) -> (f64, f64) {
    examples.iter().fold((0.0, 0.0), |(b, k), (x, y)| {
        let rest = fit.apply(*x) - f64::from(u8::from(*y == Direction::Up));
        (b + rest, k + rest * x)
    })
}

#[test]
fn the_refit_finds_the_world_it_came_from() {
    let examples = world(0.2, 1.7, 1_000);
    let fit = refit(&examples);
    assert!((fit.intercept - 0.2).abs() < 0.01, "{fit:?}");
    assert!((fit.slope - 1.7).abs() < 0.01, "{fit:?}");
    assert_eq!(fit.rounds, 21_000);
    let (b, k) = gradient(&examples, fit);
    assert!(b.abs() < 1e-6 && k.abs() < 1e-6, "{b} {k}");
}

#[test]
fn the_slope_is_clamped_and_the_intercept_follows() {
    for (k, end) in [(9.0, 4.0), (0.05, 0.25), (-1.0, 0.25)] {
        let examples = world(0.3, k, 200);
        let fit = refit(&examples);
        assert_eq!(fit.slope.to_bits(), f64::to_bits(end), "{fit:?}");
        assert!(gradient(&examples, fit).0.abs() < 1e-6, "{fit:?}");
    }
    // Separable: every round above 0 went up. No finite best k exists; the end of the range does.
    let separable: Vec<Example> = world(0.0, 1e6, 50)
        .into_iter()
        .filter(|(x, _)| x.abs() > 0.01)
        .collect();
    assert_eq!(refit(&separable).slope.to_bits(), 4.0_f64.to_bits());
}

#[test]
fn little_or_useless_evidence_fits_nothing() {
    let few = &world(0.2, 2.0, 24)[..499];
    assert_eq!(refit(few), Refit::identity(499));
    assert_eq!(refit(&[]), Refit::identity(0));
    let all_up: Vec<Example> = (0..600)
        .map(|i| (f64::from(i) / 600.0, Direction::Up))
        .collect();
    assert_eq!(refit(&all_up), Refit::identity(600));
    let one_logit: Vec<Example> = world(0.2, 0.0, 30).iter().map(|(_, y)| (0.1, *y)).collect();
    assert_eq!(refit(&one_logit), Refit::identity(630));
    let mut broken = world(0.2, 1.0, 30);
    broken.push((f64::NAN, Direction::Up));
    assert_eq!(refit(&broken).slope.to_bits(), 1.0_f64.to_bits());
}
