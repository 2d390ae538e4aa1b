//! Prices on both databases.

use std::collections::BTreeSet;

use datasets::candle::BAR_US;
use datasets::{Asset, CandleHistory};
use domain::timestamp::SECOND_US;
use domain::{Direction, MarketClock, Outcome, Venue, WallClock};

use super::evidence::Record;
use super::feeds::replay::{self, Replay};
use super::fixture::{at, rounds_from};
use super::*;
use crate::db::Db;
use crate::db::testing::each_database;

const START: &str = "2024-03-01T12:00:00Z";

fn history() -> CandleHistory {
    datasets::bundled::candles().expect("bundled candles")
}

fn replay() -> Replay {
    let CandleHistory { btc, eth } = history();
    Replay::new(vec![btc, eth], Venue::ALL.to_vec())
}

async fn ticks_of(db: &Db, from_us: i64, to_us: i64) -> BTreeSet<(String, Venue, i64)> {
    let mut conn = db.read().await.expect("a connection");
    let mut found = BTreeSet::new();
    for asset in Asset::ALL {
        let ticks = store::received(&mut conn, asset.name(), from_us..=to_us, i64::MAX);
        for tick in ticks.await.expect("ticks") {
            found.insert((tick.asset, tick.venue, tick.trade_id));
        }
    }
    found
}

async fn evidence_at(db: &Db, now_us: i64, round: &Round, tournament: &Tournament) -> Evidence {
    let mut conn = db.read().await.expect("a connection");
    close_evidence(&mut conn, now_us, round, tournament)
        .await
        .expect("an answer")
}

/// The first round at START, played until its evidence closes, and what was decided.
async fn played(db: &Db) -> (Tournament, Vec<Round>, Resolution) {
    let start_us = at(START);
    let mut tx = db.begin().await.expect("a transaction");
    let (tournament, rounds) = rounds_from(&mut tx, start_us, 2).await;
    tx.commit().await.expect("committed");
    let closed_us = rounds[0].schedule.end_us + 20 * SECOND_US;
    replay::catch_up(db, &replay(), closed_us)
        .await
        .expect("caught up");
    let Evidence::Closed(resolution) = evidence_at(db, closed_us, &rounds[0], &tournament).await
    else {
        panic!("evidence is still open");
    };
    (tournament, rounds, *resolution)
}

#[tokio::test]
async fn a_round_resolves_from_replayed_prices() {
    each_database(|db| async move {
        let (tournament, rounds, resolution) = played(&db).await;
        let (round, end_us) = (&rounds[0], rounds[0].schedule.end_us);
        let early = evidence_at(&db, end_us, round, &tournament).await;
        assert_eq!(
            early,
            Evidence::NotYet {
                look_again_us: end_us + 20 * SECOND_US
            }
        );
        let target = datasets::targets::target(history().btc.as_slice(), at(START));
        let target = target.expect("two bars").expect("a direction");
        assert_eq!(resolution.outcome, Outcome::Direction(target));
        assert_eq!(resolution.p1 > resolution.p0, target == Direction::Up);
        assert_eq!(
            resolution.evidence_hash,
            evidence::hash(&resolution.evidence)
        );
    })
    .await;
}

#[tokio::test]
async fn a_resolution_is_written_once() {
    each_database(|db| async move {
        let (tournament, rounds, resolution) = played(&db).await;
        let (round, next) = (&rounds[0], &rounds[1]);
        let mut tx = db.begin().await.expect("a transaction");
        write_resolution(&mut tx, &round.id, &resolution)
            .await
            .expect("written");
        let later = Resolution {
            resolved_us: i64::MAX,
            ..resolution.clone()
        };
        write_resolution(&mut tx, &round.id, &later)
            .await
            .expect("the same fact");
        let other = Resolution {
            return_e12: 1,
            ..resolution.clone()
        };
        let refused = write_resolution(&mut tx, &round.id, &other).await;
        assert!(matches!(refused, Err(PriceError::ResolvedDifferently(_))));
        let void = Resolution {
            outcome: Outcome::Void,
            reason: "quorum".into(),
            p0: None,
            p1: None,
            ..resolution.clone()
        };
        write_resolution(&mut tx, &next.id, &void)
            .await
            .expect("written");
        tx.commit().await.expect("committed");

        let mut conn = db.read().await.expect("a connection");
        assert_eq!(
            resolution_of(&mut conn, &round.id).await.as_ref(),
            Some(&resolution)
        );
        assert_eq!(resolution_of(&mut conn, &next.id).await, Some(void));
        let tournament = &tournament.id;
        let listed = outcomes(&mut conn, tournament, i64::MAX, 10)
            .await
            .expect("outcomes");
        let expected = vec![
            (next.id.clone(), Outcome::Void),
            (round.id.clone(), resolution.outcome),
        ];
        assert_eq!(listed, expected);
        let before = outcomes(&mut conn, tournament, at(START), 10)
            .await
            .expect("outcomes");
        assert_eq!(before, Vec::new());
        let never = "btc-usd-5m-20300101T0000Z".parse().expect("an id");
        let asked = [next.id.clone(), never, round.id.clone()];
        let moved = moves(&mut conn, &asked).await.expect("moves");
        let Outcome::Direction(direction) = resolution.outcome else {
            panic!("the replayed round is void");
        };
        let market = Return::from_units(resolution.return_e12);
        let only = (round.id.clone(), Move { direction, market });
        assert_eq!(moved.into_iter().collect::<Vec<_>>(), [only]);
        let directions = directions(&mut conn, tournament, i64::MAX, 10).await;
        let directions = directions.expect("directions").into_iter();
        assert_eq!(
            directions.map(Outcome::Direction).collect::<Vec<_>>(),
            [resolution.outcome]
        );
    })
    .await;
}

async fn resolution_of(conn: &mut Conn, round: &RoundId) -> Option<Resolution> {
    resolution(conn, round).await.expect("readable")
}

#[tokio::test]
async fn trades_received_after_the_close_change_nothing() {
    each_database(|db| async move {
        let start_us = at(START);
        let mut tx = db.begin().await.expect("a transaction");
        let (tournament, rounds) = rounds_from(&mut tx, start_us, 1).await;
        tx.commit().await.expect("committed");
        let (round, end_us) = (&rounds[0], rounds[0].schedule.end_us);
        let closed_us = end_us + 20 * SECOND_US;
        replay::catch_up(&db, &replay(), closed_us)
            .await
            .expect("caught up");
        let before = evidence_at(&db, closed_us, round, &tournament).await;
        let late = |venue: Venue, second: i64| Tick {
            asset: "btc".into(),
            venue,
            trade_id: -1 - second,
            price: "1".parse().expect("a price"),
            venue_time_us: end_us - second * SECOND_US,
            receive_time_us: closed_us + 1,
            quantity: domain::Quantity::ZERO,
        };
        let ticks: Vec<Tick> = Venue::ALL
            .into_iter()
            .flat_map(|venue| (0..10).map(move |second| late(venue, second)))
            .collect();
        let mut tx = db.begin().await.expect("a transaction");
        insert_ticks(&mut tx, &ticks).await.expect("kept");
        tx.commit().await.expect("committed");
        let after = evidence_at(&db, closed_us, round, &tournament).await;
        assert_eq!(before, after);
        let Evidence::Closed(resolution) = after else {
            panic!("still open")
        };
        let record = Record::parse(&resolution.evidence).expect("a record");
        assert!(
            record
                .ticks
                .iter()
                .all(|tick| tick.receive_time_us <= closed_us)
        );
        assert!(record.ticks.len() < 300, "{} ticks", record.ticks.len());
    })
    .await;
}

#[tokio::test]
async fn without_prices_evidence_closes_void_at_its_last_moment() {
    each_database(|db| async move {
        let mut tx = db.begin().await.expect("a transaction");
        let (tournament, rounds) = rounds_from(&mut tx, at(START), 1).await;
        tx.commit().await.expect("committed");
        let (round, end_us) = (&rounds[0], rounds[0].schedule.end_us);
        let open = evidence_at(&db, end_us + 299 * SECOND_US, round, &tournament).await;
        assert_eq!(
            open,
            Evidence::NotYet {
                look_again_us: end_us + 300 * SECOND_US
            }
        );
        let closed = evidence_at(&db, end_us + 300 * SECOND_US, round, &tournament).await;
        let Evidence::Closed(resolution) = closed else {
            panic!("still open")
        };
        assert_eq!(resolution.outcome, Outcome::Void);
        assert!(
            resolution.reason.starts_with("quorum: 0 of 2"),
            "{}",
            resolution.reason
        );
        assert_eq!((resolution.p0, resolution.p1), (None, None));
    })
    .await;
}

#[tokio::test]
async fn a_restart_leaves_no_gap_and_repeats_nothing() {
    each_database(|db| async move {
        let replay = replay();
        let first_us = at(START) + 117 * SECOND_US;
        replay::catch_up(&db, &replay, first_us)
            .await
            .expect("caught up");
        // Again at once, then after an hour and 7 minutes without us.
        replay::catch_up(&db, &replay, first_us)
            .await
            .expect("caught up");
        let second_us = first_us + 4_020 * SECOND_US;
        replay::catch_up(&db, &replay, second_us)
            .await
            .expect("caught up");
        let from_us = first_us - 2 * BAR_US;
        let expected = replay.between(from_us, second_us).ticks.into_iter();
        let expected: BTreeSet<_> = expected
            .map(|tick| (tick.asset, tick.venue, tick.trade_id))
            .collect();
        assert_eq!(ticks_of(&db, from_us - BAR_US, second_us).await, expected);
        let mut conn = db.read().await.expect("a connection");
        let bars = candles(&mut conn, "eth", 0, i64::MAX)
            .await
            .expect("candles");
        let known = history().eth.closed_by(second_us).to_vec();
        assert!(
            known.ends_with(&bars),
            "bars are the recorded ones, without gaps"
        );
        assert_eq!(
            bars.len(),
            287 + 13,
            "a day before the start and what closed since"
        );
        let latest = latest_tick(&mut conn, "btc", second_us)
            .await
            .expect("readable");
        assert!(latest.is_some_and(|tick| tick.receive_time_us <= second_us));
        assert_eq!(
            latest_tick(&mut conn, "btc", 0).await.expect("readable"),
            None
        );
        drop(conn);
        let mut tx = db.begin().await.expect("a transaction");
        let forgotten = forget_ticks_before(&mut tx, second_us + 1)
            .await
            .expect("forgotten");
        tx.commit().await.expect("committed");
        assert_eq!(usize::try_from(forgotten), Ok(expected.len()));
    })
    .await;
}

#[tokio::test]
async fn a_live_feature_row_has_the_bits_of_the_historical_one() {
    each_database(|db| async move {
        let start_us = at(START);
        replay::catch_up(&db, &replay(), start_us - 40 * SECOND_US)
            .await
            .expect("caught up");
        let mut conn = db.read().await.expect("a connection");
        let live = feature_row(&mut conn, "eth", start_us)
            .await
            .expect("a row");
        let history = history();
        let (own, other) = (history.eth.as_slice(), history.btc.as_slice());
        let row = datasets::features::feature_row(own, other, start_us).expect("a row");
        let bits = |row: &[f32]| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&live), bits(&row));
        let unknown = feature_row(&mut conn, "doge", start_us).await;
        assert!(matches!(unknown, Err(PriceError::UnknownAsset(_))));
        let early = feature_row(&mut conn, "eth", start_us + 2 * BAR_US).await;
        assert!(matches!(
            early,
            Err(PriceError::Features(DatasetError::MissingBar { .. }))
        ));
    })
    .await;
}

#[tokio::test]
async fn the_feed_records_as_the_market_clock_passes() {
    each_database(|db| async move {
        let start_us = at(START);
        let wall = WallClock::system();
        let market = MarketClock::replay(wall.clone(), wall.now_us(), start_us, 1_200.0);
        let until_us = start_us + 700 * SECOND_US;
        replay::run(&db, &market, &replay(), until_us)
            .await
            .expect("played");
        let played = ticks_of(&db, start_us, until_us).await;
        let expected = replay().between(start_us, until_us).ticks.len();
        assert_eq!(played.len(), expected);
    })
    .await;
}

/// What is there stays, whatever a venue says later.
#[tokio::test]
async fn filling_the_past_rewrites_nothing() {
    each_database(|db| async move {
        let history = history();
        let all = history.btc.as_slice().get(..3_000).expect("candles");
        let (some, rest) = all.split_at(2_500);
        let fill = async |candles: &[Candle]| {
            let filled = fill_candles(&db, Asset::Btc, candles).await;
            filled.expect("filled")
        };
        assert_eq!(fill(some).await.inserted, 2_500);
        let mut offered = all.to_vec();
        offered[7].volume += 1.0;
        offered[2_999].volume += 1.0;
        let filled = fill(&offered).await;
        assert_eq!((filled.inserted, filled.same), (rest.len(), 2_499));
        assert_eq!(filled.differing, [(all[7], offered[7])]);
        let mut conn = db.read().await.expect("a connection");
        let to_us = all[2_999].close_time_us();
        let stored = candles(&mut conn, "btc", 0, to_us).await.expect("candles");
        assert_eq!(stored[..2_999], all[..2_999]);
        assert_eq!(stored[2_999], offered[2_999]);
    })
    .await;
}
