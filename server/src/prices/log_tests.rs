//! The connection log and frozen features on both databases.

use datasets::CandleHistory;
use domain::timestamp::SECOND_US;
use domain::{Outcome, Tournament, Venue};

use super::connection_log::{Gap, Measured};
use super::evidence::Record;
use super::feeds::replay::{self, Replay};
use super::fixture::{at, rounds_from};
use super::*;
use crate::db::Db;
use crate::db::testing::each_database;

const START: &str = "2024-03-01T12:00:00Z";

/// One round at START whose prices are stored until its evidence closes.
async fn played(db: &Db) -> (Tournament, Round) {
    let mut tx = db.begin().await.expect("a transaction");
    let (tournament, mut rounds) = rounds_from(&mut tx, at(START), 1).await;
    tx.commit().await.expect("committed");
    let CandleHistory { btc, eth } = datasets::bundled::candles().expect("bundled candles");
    let recording = Replay::new(vec![btc, eth], Venue::ALL.to_vec());
    replay::catch_up(db, &recording, closed_us(&rounds[0]))
        .await
        .expect("caught up");
    (tournament, rounds.remove(0))
}

fn closed_us(round: &Round) -> i64 {
    round.schedule.end_us + 20 * SECOND_US
}

async fn resolved(db: &Db, tournament: &Tournament, round: &Round) -> Resolution {
    let mut conn = db.read().await.expect("a connection");
    let evidence = close_evidence(&mut conn, closed_us(round), round, tournament).await;
    let Evidence::Closed(resolution) = evidence.expect("an answer") else {
        panic!("evidence is still open");
    };
    *resolution
}

async fn log(db: &Db, gaps: &[Gap], clocks: &[Measured]) {
    let mut tx = db.begin().await.expect("a transaction");
    for gap in gaps {
        log_gap(&mut tx, gap).await.expect("written");
    }
    for clock in clocks {
        log_clock(&mut tx, clock).await.expect("written");
    }
    tx.commit().await.expect("committed");
}

fn gap(venue: Venue, round: &Round, filled_us: i64) -> Gap {
    let start_us = round.schedule.start_us;
    Gap {
        venue,
        asset: "btc".into(),
        found_us: start_us + SECOND_US,
        from_us: start_us - 9 * SECOND_US,
        to_us: start_us + SECOND_US,
        reason: "no trade for 10 s".into(),
        filled_us,
    }
}

#[tokio::test]
async fn venues_with_a_gap_are_left_out_until_it_is_filled() {
    each_database(|db| async move {
        let (tournament, round) = played(&db).await;
        let honest = resolved(&db, &tournament, &round).await;
        assert_ne!(honest.outcome, Outcome::Void);
        log(&db, &[gap(Venue::Kraken, &round, 0)], &[]).await;
        let two = resolved(&db, &tournament, &round).await;
        assert_eq!(two.outcome, honest.outcome, "two venues are enough");
        let record = Record::parse(&two.evidence).expect("a record");
        assert_eq!(record.left_out[0].venue, Venue::Kraken);
        log(&db, &[gap(Venue::Binance, &round, 0)], &[]).await;
        let one = resolved(&db, &tournament, &round).await;
        assert_eq!(one.outcome, Outcome::Void);
        assert!(
            one.reason.contains("kraken: left out: gap"),
            "{}",
            one.reason
        );
        // The back-fill brings the rest before the evidence closes.
        let filled_us = round.schedule.end_us;
        let filled = [Venue::Binance, Venue::Kraken].map(|venue| gap(venue, &round, filled_us));
        log(&db, &filled, &[]).await;
        let again = resolved(&db, &tournament, &round).await;
        assert_eq!(again, honest, "as if nothing had happened");
    })
    .await;
}

#[tokio::test]
async fn two_clocks_that_are_off_void_a_round() {
    each_database(|db| async move {
        let (tournament, round) = played(&db).await;
        let off = |venue: Venue| Measured {
            venue,
            measured_us: round.schedule.end_us - SECOND_US,
            offset_us: 5 * SECOND_US,
        };
        log(&db, &[], &[off(Venue::Coinbase), off(Venue::Kraken)]).await;
        let resolution = resolved(&db, &tournament, &round).await;
        assert_eq!(resolution.outcome, Outcome::Void);
        let said = "coinbase: left out: clock: 5.0 s behind ours";
        assert!(resolution.reason.contains(said), "{}", resolution.reason);
    })
    .await;
}

#[tokio::test]
async fn stored_trades_are_found_from_where_a_feed_goes_on() {
    each_database(|db| async move {
        let (_, round) = played(&db).await;
        let mut conn = db.read().await.expect("a connection");
        let start_us = round.schedule.start_us;
        let newest = newest_trade(&mut conn, "btc", Venue::Kraken)
            .await
            .expect("readable");
        let newest = newest.expect("a trade");
        let earlier = trade_at(&mut conn, "btc", Venue::Kraken, start_us)
            .await
            .expect("readable");
        let earlier = earlier.expect("a trade");
        assert!(earlier.venue_time_us <= start_us && start_us < newest.venue_time_us);
        let span = (earlier.venue_time_us, newest.venue_time_us);
        let between = trades_of_venue(&mut conn, "btc", Venue::Kraken, span).await;
        let between = between.expect("readable");
        assert_eq!(between[0], earlier);
        assert!(between.is_sorted_by_key(|tick| tick.trade_id));
        assert!(!between.contains(&newest), "the end is not in it");
    })
    .await;
}

#[tokio::test]
async fn features_are_frozen_once_and_the_log_is_forgotten() {
    each_database(|db| async move {
        let (_, round) = played(&db).await;
        log(&db, &[gap(Venue::Kraken, &round, 0)], &[]).await;
        let mut tx = db.begin().await.expect("a transaction");
        let first = Frozen::row(7, &[0.5, -1.0]);
        write_frozen(&mut tx, &round.id, &first)
            .await
            .expect("written");
        let second = Frozen::nothing(8, "a bar is missing".into());
        write_frozen(&mut tx, &round.id, &second)
            .await
            .expect("ignored");
        assert_eq!(
            frozen(&mut tx, &round.id).await.expect("readable"),
            Some(first)
        );
        let everything = (0, i64::MAX);
        assert_eq!(
            gaps(&mut tx, "btc", everything)
                .await
                .expect("readable")
                .len(),
            1
        );
        let later_us = round.schedule.end_us;
        forget_ticks_before(&mut tx, later_us)
            .await
            .expect("forgotten");
        assert_eq!(
            gaps(&mut tx, "btc", everything).await.expect("readable"),
            []
        );
        tx.commit().await.expect("committed");
    })
    .await;
}
