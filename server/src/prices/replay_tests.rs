//! The replayed trades of the whole bundled history give the dataset's targets.

use datasets::candle::BAR_US;
use datasets::targets::target;
use datasets::{Asset, CandleHistory, CandleSeries};
use domain::timestamp::SECOND_US;
use domain::{Outcome, OutcomeRule, Venue};

use super::Tick;
use super::evidence::{Record, Trade};
use super::feeds::replay::Replay;
use super::rule::{Void, decide};

fn history() -> CandleHistory {
    datasets::bundled::candles().expect("bundled candles")
}

/// Rounds decided, rounds in the dead band.
fn compare(series: &CandleSeries) -> (usize, usize) {
    let replay = Replay::new(vec![series.clone()], Venue::ALL.to_vec());
    let rule = OutcomeRule::default();
    let (mut decided, mut dead) = (0, 0);
    let around = |t_us: i64| -> Vec<Trade> {
        let batch = replay.between(t_us - 30 * SECOND_US, t_us + 20 * SECOND_US);
        batch.ticks.into_iter().map(Tick::into_trade).collect()
    };
    let mut start_us = replay.start_us() + BAR_US;
    let mut at_start = around(start_us);
    while start_us + BAR_US <= replay.end_us() {
        let end_us = start_us + BAR_US;
        let at_end = around(end_us);
        let trades = [at_start, at_end.clone()].concat();
        at_start = at_end;
        let decision = decide(&Record::new(&rule, (start_us, end_us), trades, Vec::new()));
        let expected = target(series.as_slice(), start_us).expect("no gaps");
        assert!(
            decision
                .venues
                .iter()
                .all(super::rule::VenueVerdict::is_used)
        );
        match (decision.outcome, decision.void) {
            (Outcome::Direction(direction), None) => {
                assert_eq!(Some(direction), expected, "round {start_us}");
                decided += 1;
            }
            (Outcome::Void, Some(Void::DeadBand { .. })) => dead += 1,
            other => panic!("round {start_us}: {other:?}"),
        }
        start_us = end_us;
    }
    (decided, dead)
}

#[test]
fn replayed_outcomes_equal_the_targets() {
    let history = history();
    for asset in Asset::ALL {
        let (decided, dead) = compare(history.of(asset));
        assert_eq!(decided + dead, 10_367);
        assert!((1..200).contains(&dead), "{asset}: {dead} in the dead band");
    }
}

#[test]
fn what_was_played_in_pieces_is_what_was_played_at_once() {
    let CandleHistory { btc, eth } = history();
    let replay = Replay::new(vec![btc, eth], Venue::ALL.to_vec());
    let from_us = replay.start_us() + 17 * SECOND_US;
    let to_us = from_us + 5 * BAR_US;
    let whole = replay.between(from_us, to_us);
    let (mut ticks, mut candles) = (Vec::new(), Vec::new());
    for step in (from_us..to_us).step_by(7_777_777) {
        let piece = replay.between(step, to_us.min(step + 7_777_777));
        ticks.extend(piece.ticks);
        candles.extend(piece.candles);
    }
    let key = |tick: &Tick| (tick.asset.clone(), tick.venue, tick.trade_id);
    ticks.sort_by_key(key);
    let mut expected = whole.ticks;
    expected.sort_by_key(key);
    assert_eq!(ticks, expected);
    assert!(
        expected
            .windows(2)
            .all(|pair| key(&pair[0]) < key(&pair[1])),
        "ids are unique"
    );
    assert_eq!((candles.len(), whole.candles.len()), (10, 10));
}

#[test]
fn before_and_after_the_recording_nothing_comes() {
    let CandleHistory { btc, eth } = history();
    let replay = Replay::new(vec![btc, eth], Venue::ALL.to_vec());
    assert!(replay.between(0, replay.start_us()).is_empty());
    let recording_end_us = replay.end_us() + BAR_US;
    assert!(replay.between(recording_end_us, i64::MAX).is_empty());
    let last = replay.between(recording_end_us - 1, recording_end_us);
    assert_eq!((last.ticks.len(), last.candles.len()), (0, 2));
}
