//! The trading view: cases worked by hand, and what holds for any forecasts.

use domain::{Direction, Probability};
use proptest::prelude::*;
use scorer::returns::Return;
use scorer::trading::{Forecast, Rule, RuleError, Trading, trade};

type Slots = Vec<Option<Forecast>>;

fn p(ppm: u32) -> Probability {
    Probability::from_ppm(ppm).expect("at most 1e6")
}

/// A forecast in ppm and a return in parts per million.
fn slot(ppm: u32, return_ppm: i64) -> Option<Forecast> {
    Some(Forecast {
        p: p(ppm),
        market: Return::from_units(return_ppm * 1_000_000),
    })
}

fn rule(cost_bp: f64) -> Rule {
    Rule::new(cost_bp, 0.0).expect("inside the limits")
}

fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-12,
        "{found} is not {expected}"
    );
}

#[test]
fn an_account_worked_by_hand() {
    let slots = [
        slot(600_000, 100_000),
        slot(700_000, -50_000),
        slot(400_000, -100_000),
        slot(500_000, 300_000),
        None,
        slot(550_000, 20_000),
    ];
    let found = trade(&slots, rule(100.0));
    let expected = [
        0.99 * 1.1,
        0.99 * 1.1 * 0.95,
        // The turn from long to short costs two units.
        0.99 * 1.1 * 0.95 * 0.98 * 1.1,
        0.99 * 1.1 * 0.95 * 0.98 * 1.1 * 0.99,
        // Opened, held and closed.
        0.99 * 1.1 * 0.95 * 0.98 * 1.1 * 0.99 * (0.99 * 1.02 * 0.99),
    ];
    assert_eq!(found.equity.len(), expected.len());
    for (found, expected) in found.equity.iter().zip(expected) {
        close(*found, expected);
    }
    close(found.final_equity, expected[4]);
    close(found.gross_equity, 1.1 * 0.95 * 1.1 * 1.02);
    close(found.max_drawdown, 0.05);
    assert_eq!((found.turnover, found.trades), (6, 3));
    assert_eq!((found.intervals_in_market, found.hit_rate), (4, Some(0.75)));
}

#[test]
fn a_position_that_goes_on_pays_once_and_a_gap_closes_it() {
    let held = [slot(600_000, 0), slot(600_000, 0)];
    let found = trade(&held, rule(100.0));
    close(found.equity[0], 0.99);
    close(found.final_equity, 0.99 * 0.99);
    assert_eq!((found.turnover, found.trades), (2, 1));
    let apart = [slot(600_000, 0), None, None, slot(600_000, 0)];
    let found = trade(&apart, rule(100.0));
    close(found.equity[0], 0.99 * 0.99);
    close(found.final_equity, 0.99_f64.powi(4));
    assert_eq!((found.turnover, found.trades), (4, 2));
    // A price that stands still is right and wrong.
    assert_eq!(found.hit_rate, Some(0.5));
}

#[test]
fn nothing_is_traded_at_or_under_the_threshold() {
    let rule = Rule::new(5.0, 0.01).expect("inside the limits");
    assert_eq!(rule.threshold(), p(10_000));
    assert_eq!(rule.cost_bp().to_bits(), 5.0_f64.to_bits());
    assert_eq!(rule.side(p(510_000)), None);
    assert_eq!(rule.side(p(490_000)), None);
    assert_eq!(rule.side(p(510_001)), Some(Direction::Up));
    assert_eq!(rule.side(p(489_999)), Some(Direction::Down));
    let found = trade(&[slot(510_000, 900_000), slot(490_000, 900_000)], rule);
    assert_eq!(found.equity, [1.0, 1.0]);
    assert_eq!(found.hit_rate, None);
    assert_eq!(found.turnover, 0);
    let never = Rule::new(0.0, 0.5).expect("inside the limits");
    assert_eq!(never.side(p(1_000_000)), None);
}

#[test]
fn without_forecasts_the_equity_is_one() {
    for slots in [vec![], vec![None, None]] {
        let found = trade(&slots, rule(10.0));
        assert_eq!(found.equity, Vec::<f64>::new());
        close(found.final_equity, 1.0);
        close(found.gross_equity, 1.0);
        assert_eq!(found.hit_rate, None);
    }
}

#[test]
fn a_short_position_loses_at_most_everything() {
    let slots = [slot(100_000, 1_500_000), slot(900_000, 500_000)];
    let found = trade(&slots, rule(1.0));
    assert_eq!(found.equity, [0.0, 0.0]);
    close(found.max_drawdown, 1.0);
}

#[test]
fn the_drawdown_begins_at_the_start() {
    let found = trade(&[slot(900_000, -200_000)], rule(0.0));
    close(found.max_drawdown, 0.2);
}

#[test]
fn rules_outside_their_limits_are_refused_by_name() {
    for cost in [-0.1, 1_000.1, f64::INFINITY] {
        assert_eq!(Rule::new(cost, 0.0), Err(RuleError::Cost(cost)));
    }
    for threshold in [-0.1, 0.500_001, f64::NEG_INFINITY] {
        let refused = Rule::new(2.0, threshold);
        assert_eq!(refused, Err(RuleError::Threshold(threshold)));
    }
    let unclear = Rule::new(f64::NAN, 0.0).expect_err("no number");
    assert!(unclear.to_string().starts_with("cost_bp is NaN"));
    let unclear = Rule::new(2.0, f64::NAN).expect_err("no number");
    assert!(unclear.to_string().starts_with("threshold is NaN"));
    for (cost, threshold) in [(0.0, 0.0), (1_000.0, 0.5)] {
        assert!(Rule::new(cost, threshold).is_ok(), "the limits are inside");
    }
}

/// Positions in a row with 0 around them and in gaps; every change is paid where it happens.
fn slowly(slots: &Slots, rule: Rule) -> (f64, f64) {
    let position = |slot: &Option<Forecast>| match slot.and_then(|f| rule.side(f.p)) {
        Some(Direction::Up) => 1.0,
        Some(Direction::Down) => -1.0,
        None => 0.0_f64,
    };
    let positions: Vec<f64> = slots.iter().map(position).chain([0.0]).collect();
    let (mut before, mut equity, mut turnover) = (0.0_f64, 1.0, 0.0);
    for (at, position) in positions.into_iter().enumerate() {
        let change = (position - before).abs();
        turnover += change;
        equity *= 1.0 - rule.cost_bp() * 1e-4 * change;
        let market = slots.get(at).copied().flatten();
        let market = market.map_or(0.0, |f| f.market.units() as f64 / 1e12);
        equity *= (1.0 + position * market).max(0.0);
        before = position;
    }
    (equity, turnover)
}

fn slots(returns: impl Strategy<Value = i64>) -> impl Strategy<Value = Slots> {
    let ppm = prop_oneof![0..=1_000_000_u32, 480_000..520_000_u32, Just(500_000)];
    let forecast = (ppm, returns).prop_map(|(ppm, units)| {
        Some(Forecast {
            p: p(ppm),
            market: Return::from_units(units),
        })
    });
    prop::collection::vec(prop_oneof![6 => forecast, 1 => Just(None)], 0..60)
}

/// Returns up to ±5 %, in 1e-12.
fn usual() -> impl Strategy<Value = i64> {
    -50_000_000_000..50_000_000_000_i64
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let threshold = prop_oneof![Just(0.0), 0.0..0.02, 0.0..=0.5];
    (0.0..=1_000.0, threshold)
        .prop_map(|(cost, threshold)| Rule::new(cost, threshold).expect("inside the limits"))
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-12 * expected.abs()
}

proptest! {
    #[test]
    fn the_obvious_account_agrees(slots in slots(usual()), rule in any_rule()) {
        let found = trade(&slots, rule);
        let (equity, turnover) = slowly(&slots, rule);
        prop_assert!(near(found.final_equity, equity), "{} is not {equity}", found.final_equity);
        prop_assert_eq!(found.turnover as f64, turnover);
        // Everything opened is closed.
        prop_assert_eq!(found.turnover, 2 * found.trades);
        let forecasts = slots.iter().flatten().count();
        prop_assert_eq!(found.equity.len(), forecasts);
        prop_assert!(found.trades <= found.intervals_in_market);
        prop_assert!(found.intervals_in_market <= forecasts);
    }

    #[test]
    fn without_costs_the_equity_is_the_product(slots in slots(usual())) {
        let found = trade(&slots, rule(0.0));
        prop_assert_eq!(&found.equity, &found.gross);
        let factor = |f: &Forecast| {
            let market = f.market.units() as f64 / 1e12;
            match f.p.cmp(&Probability::HALF) {
                std::cmp::Ordering::Greater => 1.0 + market,
                std::cmp::Ordering::Equal => 1.0,
                std::cmp::Ordering::Less => 1.0 - market,
            }
        };
        let product: f64 = slots.iter().flatten().map(factor).product();
        prop_assert!(near(found.final_equity, product));
    }

    #[test]
    fn dearer_trades_never_leave_more(
        slots in slots(usual()),
        costs in (0.0..=1_000.0, 0.0..=1_000.0),
    ) {
        let (low, high) = (f64::min(costs.0, costs.1), f64::max(costs.0, costs.1));
        let (cheap, dear) = (trade(&slots, rule(low)), trade(&slots, rule(high)));
        let pairs = cheap.equity.iter().zip(&dear.equity);
        prop_assert!(pairs.into_iter().all(|(cheap, dear)| dear <= cheap));
        prop_assert_eq!(cheap.gross_equity.to_bits(), dear.gross_equity.to_bits());
        prop_assert!(cheap.final_equity <= cheap.gross_equity);
    }

    /// Up and down are names: the other side of a mirrored market earns the same, to the last bit.
    #[test]
    fn mirrored_forecasts_in_a_mirrored_market_earn_the_same(
        slots in slots(usual()),
        rule in any_rule(),
    ) {
        let mirror = |f: Forecast| Forecast {
            p: p(1_000_000 - f.p.ppm()),
            market: Return::from_units(-f.market.units()),
        };
        let mirrored: Slots = slots.iter().map(|slot| slot.map(mirror)).collect();
        prop_assert_eq!(trade(&slots, rule), trade(&mirrored, rule));
    }

    #[test]
    fn a_higher_threshold_is_in_the_market_less(
        slots in slots(usual()),
        thresholds in (0.0..=0.5, 0.0..=0.5),
    ) {
        let at = |threshold| trade(&slots, Rule::new(0.0, threshold).expect("inside the limits"));
        let low = at(f64::min(thresholds.0, thresholds.1));
        let high = at(f64::max(thresholds.0, thresholds.1));
        prop_assert!(high.intervals_in_market <= low.intervals_in_market);
    }

    /// Whatever a stored return says, every number is one.
    #[test]
    fn no_market_breaks_the_account(
        slots in slots(prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), Just(0)]),
        rule in any_rule(),
    ) {
        let Trading { equity, gross, max_drawdown, hit_rate, .. } = trade(&slots, rule);
        let good = |x: &f64| x.is_finite() && *x >= 0.0;
        prop_assert!(equity.iter().chain(&gross).all(good));
        prop_assert!((0.0..=1.0).contains(&max_drawdown));
        prop_assert!(hit_rate.is_none_or(|rate| (0.0..=1.0).contains(&rate)));
    }
}
