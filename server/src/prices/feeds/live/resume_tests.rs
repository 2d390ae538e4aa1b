//! Going on from what an earlier run stored, on both databases.

use domain::timestamp::SECOND_US;
use domain::{MarketClock, Venue, WallClock};

use super::continuity::Known;
use super::keeper::Pending;
use super::settings::FeedSettings;
use super::{Gap, Tick, resume};
use crate::db::Db;
use crate::db::testing::each_database;
use crate::prices::{insert_ticks, log_gap};

const NOW: i64 = 1_709_640_000 * SECOND_US;

fn tick(trade_id: i64, age_s: i64) -> Tick {
    let at_us = NOW - age_s * SECOND_US;
    Tick {
        asset: "btc".into(),
        venue: Venue::Kraken,
        trade_id,
        price: "64000".parse().expect("a price"),
        venue_time_us: at_us,
        receive_time_us: at_us,
        quantity: domain::Quantity::ZERO,
    }
}

fn gap(from_age_s: i64, to_us: i64) -> Gap {
    Gap {
        venue: Venue::Kraken,
        asset: "btc".into(),
        found_us: NOW - from_age_s * SECOND_US,
        from_us: NOW - from_age_s * SECOND_US,
        to_us,
        reason: "idle".into(),
        filled_us: 0,
    }
}

/// What Kraken's btc market is told of before now, and the gaps that are written at the start.
async fn resumed(db: &Db, ticks: &[Tick], left: &[Gap]) -> (Option<i64>, Vec<Gap>) {
    let mut tx = db.begin().await.expect("a transaction");
    insert_ticks(&mut tx, ticks).await.expect("written");
    for gap in left {
        log_gap(&mut tx, gap).await.expect("written");
    }
    tx.commit().await.expect("committed");
    let venues = FeedSettings::public_venues()
        .expect("the program's own file")
        .venues;
    let (clock, mut pending) = (
        MarketClock::live(WallClock::manual(NOW)),
        Pending::default(),
    );
    let mut markets = resume(db, &clock, &venues, &mut pending)
        .await
        .expect("resumed");
    let market = markets
        .remove(&(Venue::Kraken, "btc".into()))
        .expect("a market");
    pending
        .gaps
        .retain(|gap| gap.venue == Venue::Kraken && gap.asset == "btc");
    (
        market.newest().map(|known: Known| known.trade_id),
        pending.gaps,
    )
}

#[tokio::test]
async fn a_feed_goes_on_after_its_newest_trade() {
    each_database(|db| async move {
        let (newest, gaps) = resumed(&db, &[tick(7, 90), tick(8, 60)], &[]).await;
        assert_eq!(newest, Some(8));
        assert_eq!(gaps[0].from_us, NOW - 60 * SECOND_US);
        assert_eq!(gaps[0].to_us, Gap::OPEN);
    })
    .await;
}

#[tokio::test]
async fn what_an_earlier_run_left_unfilled_is_asked_for_again() {
    each_database(|db| async move {
        let ticks = [tick(7, 90), tick(12, 60)];
        let (newest, _) = resumed(&db, &ticks, &[gap(90, NOW - 60 * SECOND_US)]).await;
        assert_eq!(newest, Some(7), "trades 8 to 11 are missing");
    })
    .await;
}

#[tokio::test]
async fn the_time_before_the_first_trade_ever_holds_nothing_up() {
    each_database(|db| async move {
        let before_all = gap(3_600, NOW - 90 * SECOND_US);
        let (newest, gaps) = resumed(&db, &[tick(7, 90), tick(8, 60)], &[before_all]).await;
        assert_eq!(newest, Some(8));
        assert_eq!(gaps.len(), 1, "the new gap alone");
    })
    .await;
}

#[tokio::test]
async fn a_run_that_ended_before_its_first_trade_leaves_its_gap_to_the_next() {
    each_database(|db| async move {
        let (newest, gaps) = resumed(&db, &[], &[gap(600, Gap::OPEN)]).await;
        assert_eq!((newest, gaps), (None, Vec::new()), "one open gap is enough");
    })
    .await;
}
