//! Own events on both databases, of rounds that walk the way the jobs walk them.

use domain::timestamp::SECOND_US;
use domain::{RoundState, WallClock};

use super::*;
use crate::accounts;
use crate::chain::testing::deployment;
use crate::db::testing::each_database;
use crate::events::{self, Told};
use crate::rounds::{self, NOT_DUE, Round};
use crate::settlement::testing::{lock, score};
use crate::stakes::testing::{START_US, in_transaction, open_round, three_models, tokens};

/// A locked round in which two of three staked models report; a fourth model is made too late.
async fn locked(conn: &mut Conn) -> (Round, Vec<ModelId>) {
    let models = three_models(conn, tokens(10_000)).await;
    let round = open_round(conn, START_US).await;
    let reports = [(models[0].clone(), 620_000), (models[1].clone(), 400_000)];
    let lock_us = START_US - 50 * SECOND_US;
    lock(conn, lock_us, &round, &deployment(), &reports).await;
    events::append(conn, lock_us, &[Told::locked(&round.id)])
        .await
        .expect("tells");
    let account = accounts::create(conn, START_US, "late", "", false).await;
    let account = account.expect("an account").id;
    let tournament = round.id.tournament();
    models::register_external(conn, START_US, &account, tournament, "late")
        .await
        .expect("a model");
    (round, models)
}

async fn kinds(own: &Own) -> Vec<(String, Vec<(&'static str, Value)>)> {
    let objects = |events: &Vec<OwnEvent>| {
        let objects = events.iter().map(|one| {
            let object = serde_json::from_slice(&one.frame.object()).expect("an object");
            (one.kind.name(), object)
        });
        objects.collect()
    };
    let by_account = own.iter();
    by_account
        .map(|(account, events)| (account.to_string(), objects(events)))
        .collect()
}

#[tokio::test]
async fn an_account_is_told_of_its_own_models_alone() {
    each_database(|db| async move {
        let (round, models) = in_transaction(&db, async |conn| locked(conn).await).await;
        let market = MarketClock::live(WallClock::manual(START_US));
        let shared = OwnEvents::default();
        let newest = async |db: &Db| {
            let mut conn = db.read().await.expect("a connection");
            let mut all = events::after(&mut conn, 0, 10).await.expect("reads");
            all.pop().expect("an event")
        };
        let event = newest(&db).await;
        let own = shared.of(&db, &market, &event).await.expect("reads");
        let told = kinds(&own).await;
        let shape: Vec<_> = told
            .iter()
            .map(|(account, events)| (account.as_str(), events[0].0, events.len()))
            .collect();
        assert_eq!(
            shape,
            [
                ("ada", "prediction.counted", 1),
                ("bob", "prediction.counted", 1),
                ("cleo", "prediction.absent", 1)
            ],
            "a model that came after the lock is not absent"
        );
        let ada = &told[0].1[0].1;
        assert_eq!(ada["model"], models[0].as_str());
        assert_eq!(ada["sequence"], event.sequence);
        assert_eq!(
            (&ada["p_ppm"], &ada["posted_ppm"]),
            (&620_000.into(), &620_000.into())
        );
        assert_eq!(ada["at_risk"], "50");
        let again = shared.of(&db, &market, &event).await.expect("reads");
        assert!(Arc::ptr_eq(&own, &again), "read once for all listeners");

        in_transaction(&db, async |conn| {
            let (from, to) = (RoundState::Locked, RoundState::Committed);
            rounds::advance(conn, &round.id, from, to, NOT_DUE)
                .await
                .expect("advances");
            score(conn, &round).await;
            events::append(conn, START_US, &[Told::scored(&round.id)])
                .await
                .expect("tells");
            events::append(conn, START_US, &[Told::settled(&round.id)])
                .await
                .expect("tells");
        })
        .await;
        let event = newest(&db).await;
        let own = shared.of(&db, &market, &event).await.expect("reads");
        let told = kinds(&own).await;
        assert_eq!(told.len(), 2);
        let (ada, bob) = (&told[0].1[0], &told[1].1[0]);
        assert_eq!((ada.0, bob.0), ("prediction.paid", "prediction.paid"));
        let delta = |of: &Value| of["delta"].as_str().expect("an amount").to_owned();
        assert!(!delta(&ada.1).starts_with('-'), "{}", ada.1);
        assert!(delta(&bob.1).starts_with('-'), "{}", bob.1);
    })
    .await;
}

#[tokio::test]
async fn a_round_that_opens_says_nothing_of_anybodys_models() {
    each_database(|db| async move {
        let round = in_transaction(&db, async |conn| {
            let round = open_round(conn, START_US).await;
            events::append(conn, START_US, &[Told::open(&round.schedule)])
                .await
                .expect("tells");
            round
        })
        .await;
        let market = MarketClock::live(WallClock::manual(START_US));
        let mut conn = db.read().await.expect("a connection");
        let event = events::after(&mut conn, 0, 1)
            .await
            .expect("reads")
            .remove(0);
        let object: Value = serde_json::from_slice(&event.frame.object()).expect("an object");
        assert_eq!(object["deadline_us"], round.schedule.deadline_us);
        let own = OwnEvents::default();
        let own = own.of(&db, &market, &event).await.expect("reads");
        assert!(own.is_empty());
    })
    .await;
}
