//! The outcome rule on hand-made records, and what must hold for all of them.

use domain::timestamp::SECOND_US;
use domain::{Direction, Outcome, OutcomeRule, Price, Venue};
use proptest::prelude::*;

use super::evidence::{LeftOut, Record, Trade, hash};
use super::rule::{Decision, Void, WhyNot, decide};

const T0: i64 = 1_709_251_200 * SECOND_US;
const T1: i64 = T0 + 300 * SECOND_US;

fn price(text: &str) -> Price {
    text.parse().expect("a price")
}

fn trade(venue: Venue, time_us: i64, trade_id: i64, text: &str) -> Trade {
    Trade {
        venue: venue.into(),
        trade_id,
        price: price(text),
        venue_time_us: time_us,
        receive_time_us: time_us + 80_000,
    }
}

/// A trade each second around both boundaries, the witnesses one second after them.
fn steady(venue: Venue, p0: &str, p1: &str) -> Vec<Trade> {
    let around = |t_us: i64, first_id: i64, text: &str| {
        let at = |second: i64| trade(venue, t_us + second * SECOND_US, first_id + second, text);
        (-30..=1).map(at).collect::<Vec<_>>()
    };
    [around(T0, 100, p0), around(T1, 400, p1)].concat()
}

fn three(prices: [(&str, &str); 3]) -> Vec<Trade> {
    let venues = Venue::ALL.into_iter().zip(prices);
    venues
        .flat_map(|(venue, (p0, p1))| steady(venue, p0, p1))
        .collect()
}

fn decided(trades: Vec<Trade>) -> Decision {
    decided_without(trades, Vec::new())
}

fn decided_without(trades: Vec<Trade>, left_out: Vec<LeftOut>) -> Decision {
    decide(&Record::new(
        &OutcomeRule::default(),
        (T0, T1),
        trades,
        left_out,
    ))
}

fn why_not(decision: &Decision, venue: Venue) -> Option<&WhyNot> {
    decision
        .venues
        .iter()
        .find(|v| v.venue == venue)?
        .why_not
        .as_ref()
}

fn same(p0: &'static str, p1: &'static str) -> [(&'static str, &'static str); 3] {
    [(p0, p1); 3]
}

#[test]
fn returns_are_those_of_the_published_vectors() {
    for (p0, p1, return_e12) in [
        ("60000.00", "60030.00", 500_000_000),
        ("60000.00", "59970.00", -500_000_000),
        ("60000.00", "60000.00", 0),
        ("3000.005", "3000.0", -1_666_664),
        ("61234.565", "61234.57", 81_653),
    ] {
        assert_eq!(decided(three(same(p0, p1))).return_e12, Some(return_e12));
    }
}

#[test]
fn the_median_venue_decides_and_is_published() {
    let prices = [("60000", "60030"), ("60012", "60018"), ("59990", "60008")];
    let decision = decided(three(prices));
    assert_eq!(decision.outcome, Outcome::Direction(Direction::Up));
    assert_eq!(decision.return_e12, Some(300_050_008));
    assert_eq!(decision.prices, Some((price("59990"), price("60008"))));
    let down = decided(three(prices.map(|(p0, p1)| (p1, p0))));
    assert_eq!(down.outcome, Outcome::Direction(Direction::Down));
    assert_eq!(down.prices, Some((price("60008"), price("59990"))));
}

#[test]
fn one_of_three_may_disagree() {
    let decision = decided(three([
        ("100", "100.1"),
        ("100", "99.95"),
        ("100", "100.05"),
    ]));
    assert_eq!(decision.outcome, Outcome::Direction(Direction::Up));
    assert!(
        decision
            .venues
            .iter()
            .all(super::rule::VenueVerdict::is_used)
    );
}

#[test]
fn of_two_the_mean_decides_and_the_first_by_name_is_published() {
    let mut trades = steady(Venue::Kraken, "60000", "60030");
    trades.extend(steady(Venue::Coinbase, "60010", "60016.001"));
    let decision = decided(trades);
    assert_eq!(decision.outcome, Outcome::Direction(Direction::Up));
    // (500,000,000 + 100,000,000) / 2 in 1e-12, less what the second return is floored.
    assert_eq!(decision.return_e12, Some(300_000_000));
    assert_eq!(decision.prices, Some((price("60010"), price("60016.001"))));
    assert_eq!(
        why_not(&decision, Venue::Binance),
        Some(&WhyNot::NoPrice {
            boundary: "start",
            samples: 0
        })
    );
}

#[test]
fn of_equal_returns_the_first_by_name_is_published() {
    let decision = decided(three([
        ("6000", "6003"),
        ("100", "100.01"),
        ("60000", "60030"),
    ]));
    assert_eq!(decision.return_e12, Some(500_000_000));
    assert_eq!(decision.prices, Some((price("6000"), price("6003"))));
}

#[test]
fn two_that_disagree_are_void() {
    let mut trades = steady(Venue::Kraken, "60000", "60030");
    trades.extend(steady(Venue::Coinbase, "60010", "60009"));
    let decision = decided(trades);
    assert_eq!(decision.void, Some(Void::Disagreement));
    assert_eq!((decision.outcome, decision.prices), (Outcome::Void, None));
    // One above and one exactly at zero is no agreement either.
    let mut trades = steady(Venue::Kraken, "60000", "60030");
    trades.extend(steady(Venue::Coinbase, "60010", "60010"));
    assert_eq!(decided(trades).void, Some(Void::Disagreement));
}

#[test]
fn one_venue_is_no_quorum() {
    let decision = decided(steady(Venue::Kraken, "60000", "60030"));
    let Some(Void::Quorum {
        counted: 1,
        quorum: 2,
        others,
    }) = &decision.void
    else {
        panic!("{:?}", decision.void);
    };
    assert_eq!(others.len(), 2);
    assert!(
        decision
            .void
            .as_ref()
            .is_some_and(|void| void.to_string().starts_with("quorum: 1 of 2"))
    );
    assert_eq!(decision.return_e12, None);
    assert_eq!(decided(Vec::new()).outcome, Outcome::Void);
}

#[test]
fn a_venue_left_out_does_not_count() {
    let prices = [("60000", "60030"), ("60000", "59970"), ("60000", "59975")];
    assert_eq!(
        decided(three(prices)).outcome,
        Outcome::Direction(Direction::Down)
    );
    let reason = String::from("its clock was 5 s off");
    let left_out = vec![LeftOut {
        venue: Venue::Coinbase.into(),
        reason: reason.clone(),
    }];
    let decision = decided_without(three(prices), left_out);
    assert_eq!(
        why_not(&decision, Venue::Coinbase),
        Some(&WhyNot::LeftOut(reason))
    );
    assert_eq!(decision.void, Some(Void::Disagreement));
}

#[test]
fn an_outlier_is_dropped_once() {
    // 31 bp from the median is too far, 30 bp is not.
    let far = decided(three([
        ("10000", "10001"),
        ("10000", "10001"),
        ("10000", "10032.01"),
    ]));
    assert_eq!(why_not(&far, Venue::Kraken), Some(&WhyNot::Outlier));
    assert_eq!(far.outcome, Outcome::Direction(Direction::Up));
    let near = decided(three([
        ("10000", "10001"),
        ("10000", "10001"),
        ("10000", "10031"),
    ]));
    assert_eq!(why_not(&near, Venue::Kraken), None);
    // Two that are far from each other are both far from their mean.
    let mut trades = steady(Venue::Kraken, "10000", "10000.5");
    trades.extend(steady(Venue::Coinbase, "10000", "10070"));
    let both = decided(trades);
    assert!(matches!(both.void, Some(Void::Quorum { counted: 0, .. })));
}

#[test]
fn the_dead_band_is_void_below_and_decided_at_its_edge() {
    let at = |p1| decided(three(same("100000", p1)));
    assert_eq!(
        at("100000.99999").void,
        Some(Void::DeadBand {
            return_e12: 9_999_900
        })
    );
    assert_eq!(
        at("99999.00001").void,
        Some(Void::DeadBand {
            return_e12: -9_999_900
        })
    );
    assert_eq!(at("100000").void, Some(Void::DeadBand { return_e12: 0 }));
    assert_eq!(at("100001").outcome, Outcome::Direction(Direction::Up));
    assert_eq!(at("99999").outcome, Outcome::Direction(Direction::Down));
}

#[test]
fn stale_samples_do_not_count() {
    let fresh_until = |last: i64| {
        let mut trades = three(same("60000", "60030"));
        trades.retain(|t| {
            t.venue != Venue::Binance
                || t.venue_time_us <= T1 - last * SECOND_US
                || t.venue_time_us > T1
        });
        decided(trades)
    };
    // The last trade 13 s before the end is at most 15 s old at T+2 s, so every sample stands.
    assert_eq!(why_not(&fresh_until(13), Venue::Binance), None);
    // 17 s before: fresh at the instants 9 to 2 s before the end, eight of them.
    assert_eq!(why_not(&fresh_until(17), Venue::Binance), None);
    assert_eq!(
        why_not(&fresh_until(18), Venue::Binance),
        Some(&WhyNot::NoPrice {
            boundary: "end",
            samples: 7
        })
    );
}

#[test]
fn a_price_needs_a_later_trade_as_witness() {
    let mut trades = three(same("60000", "60030"));
    trades.retain(|t| t.venue != Venue::Binance || t.venue_time_us <= T1);
    let decision = decided(trades);
    assert_eq!(
        why_not(&decision, Venue::Binance),
        Some(&WhyNot::NoWitness { boundary: "end" })
    );
    // A trade at the boundary itself belongs to the samples and witnesses nothing.
    let mut trades = three(same("60000", "60030"));
    trades.retain(|t| t.venue_time_us <= T1);
    assert!(matches!(
        decided(trades).void,
        Some(Void::Quorum { counted: 0, .. })
    ));
}

#[test]
fn samples_are_the_last_trade_by_time_then_id() {
    let mut trades = three(same("60000", "60030"));
    // Same instant, higher id: the later one. An earlier id at the same time changes nothing.
    for second in -9..=0 {
        let at_us = T1 + second * SECOND_US;
        trades.push(trade(Venue::Binance, at_us, 9_000 + second, "60060"));
        trades.push(trade(Venue::Binance, at_us, -9_000 + second, "1"));
    }
    let decision = decided(trades);
    assert_eq!(decision.venues[0].return_e12, Some(1_000_000_000));
    assert_eq!(decision.outcome, Outcome::Direction(Direction::Up));
}

#[test]
fn the_mean_of_the_middle_two_stays_exact() {
    let mut trades = Vec::new();
    for venue in Venue::ALL {
        for (start, odd, even) in [(T0, "1.00000001", "1.00000002"), (T1, "1.1", "1.10000001")] {
            for second in -9..=1 {
                let text = if second % 2 == 0 { even } else { odd };
                let at_us = start + second * SECOND_US;
                trades.push(trade(venue, at_us, at_us / SECOND_US, text));
            }
        }
    }
    let decision = decided(trades);
    let verdict = &decision.venues[0];
    assert_eq!(
        verdict.p0.map(|p| p.to_string()).as_deref(),
        Some("1.000000015")
    );
    assert_eq!(
        verdict.p1.map(|p| p.to_string()).as_deref(),
        Some("1.100000005")
    );
    // Published in whole 1e-8, each half away from the other price.
    assert_eq!(
        decision.prices,
        Some((price("1.00000001"), price("1.10000001")))
    );
}

#[test]
fn prices_beyond_exact_arithmetic_do_not_count() {
    let huge = "92233720368";
    let decision = decided(three([(huge, huge), ("100", "101"), ("100", "101")]));
    assert_eq!(
        why_not(&decision, Venue::Binance),
        Some(&WhyNot::OutOfRange)
    );
    assert_eq!(decision.outcome, Outcome::Direction(Direction::Up));
}

#[test]
fn the_record_is_the_published_form_and_reads_back() {
    let left_out = vec![LeftOut {
        venue: Venue::Kraken.into(),
        reason: "gap".into(),
    }];
    let trades = steady(Venue::Binance, "60000.5", "60030");
    let record = Record::new(&OutcomeRule::default(), (T0, T1), trades, left_out);
    let json = record.json().expect("JSON");
    assert!(json.starts_with(
        "{\"rule\":{\"quorum\":2,\"samples\":10,\"min_samples\":8,\"max_age_s\":15,\
         \"outlier_bp\":30,\"dead_band_bp\":0.1},\"t0_us\":1709251200000000,\
         \"t1_us\":1709251500000000,\"ticks\":[{\"venue\":\"binance\",\"trade_id\":76,\
         \"price\":\"60000.50\",\"venue_time_us\":1709251176000000,\
         \"receive_time_us\":1709251176080000}"
    ));
    assert!(json.ends_with("\"left_out\":[{\"venue\":\"kraken\",\"reason\":\"gap\"}]}"));
    let read = Record::parse(&json).expect("a record");
    assert_eq!(read, record);
    assert_eq!(read.rule.exact(), OutcomeRule::default());
    assert_eq!(
        hash("").as_str(),
        "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    );
}

fn any_trade() -> impl Strategy<Value = Trade> {
    let venue = prop::sample::select(Venue::ALL.to_vec());
    let boundary = prop::sample::select(vec![T0, T1]);
    let offset_ms = -26_000..4_000_i64;
    let units = 9_990_000_000..10_010_000_000_i64;
    (venue, boundary, offset_ms, 0..400_i64, units).prop_map(
        |(venue, t_us, offset_ms, trade_id, units)| Trade {
            venue: venue.into(),
            trade_id,
            price: Price::from_units(units).expect("above zero"),
            venue_time_us: t_us + offset_ms / 500 * 500_000,
            receive_time_us: t_us,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn order_and_repeats_change_nothing(
        trades in prop::collection::vec(any_trade(), 0..200),
        rotation in 0..200_usize,
    ) {
        let rule = OutcomeRule::default();
        let mut mixed = trades.clone();
        mixed.reverse();
        if !mixed.is_empty() {
            let by = rotation % mixed.len();
            mixed.rotate_left(by);
        }
        mixed.extend(trades.iter().take(rotation).cloned());
        let record = Record::new(&rule, (T0, T1), trades, Vec::new());
        prop_assert_eq!(&record, &Record::new(&rule, (T0, T1), mixed, Vec::new()));
    }

    #[test]
    fn what_the_record_leaves_out_decides_nothing(
        trades in prop::collection::vec(any_trade(), 0..300),
    ) {
        let whole = Record {
            ticks: trades.clone(),
            ..Record::new(&OutcomeRule::default(), (T0, T1), Vec::new(), Vec::new())
        };
        let decision = decide(&whole);
        prop_assert_eq!(&decision, &decided(trades));
        let is_direction = |up: bool| decision.prices.is_some_and(|(p0, p1)| (p1 > p0) == up && p0 != p1);
        match decision.outcome {
            Outcome::Direction(Direction::Up) => prop_assert!(is_direction(true)),
            Outcome::Direction(Direction::Down) => prop_assert!(is_direction(false)),
            Outcome::Void => prop_assert!(decision.prices.is_none() && decision.void.is_some()),
        }
    }

    #[test]
    fn the_reference_price_is_the_median_of_the_samples(
        trades in prop::collection::vec(any_trade(), 1..300),
    ) {
        let decision = decided(trades.clone());
        let record = Record::new(&OutcomeRule::default(), (T0, T1), trades, Vec::new());
        for verdict in &decision.venues {
            let own: Vec<&Trade> =
                record.ticks.iter().filter(|t| t.venue == verdict.venue).collect();
            let sample = |instant: i64| {
                let until = own.iter().filter(|t| t.venue_time_us <= instant);
                let last = until.max_by_key(|t| (t.venue_time_us, t.trade_id))?;
                (instant - last.venue_time_us <= 15 * SECOND_US).then(|| last.price.units())
            };
            let mut samples: Vec<i64> =
                (0..10).filter_map(|back| sample(T0 - back * SECOND_US)).collect();
            samples.sort_unstable();
            let is_witnessed = own.iter().any(|t| t.venue_time_us > T0);
            let expected = (samples.len() >= 8 && is_witnessed).then(|| {
                let twice = samples[(samples.len() - 1) / 2] + samples[samples.len() / 2];
                Price::from_units(twice).expect("above zero").units()
            });
            prop_assert_eq!(verdict.p0.map(super::rule::TwicePrice::units), expected);
        }
    }
}
