//! Events on both databases: numbers without gaps, one reader for all.

use std::sync::Arc;
use std::time::Duration;

use domain::timestamp::SECOND_US;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::db::Db;
use crate::db::testing::{each_database, sqlite};

const NOON_US: i64 = 1_709_640_000 * SECOND_US;
/// Longer than any wait of these tests.
const LIMIT: Duration = Duration::from_secs(20);

fn round(n: i64) -> RoundId {
    let minute = n % 12 * 5;
    let text = format!("btc-usd-5m-20240305T12{minute:02}Z");
    text.parse().expect("an id")
}

async fn tell(db: &Db, at_us: i64, told: &[Told]) {
    let mut tx = db.begin().await.expect("begins");
    append(&mut tx, at_us, told).await.expect("appends");
    tx.commit().await.expect("commits");
}

async fn numbers(db: &Db, position: i64) -> Vec<i64> {
    let mut conn = db.read().await.expect("a connection");
    let found = after(&mut conn, position, 10_000).await.expect("reads");
    found.iter().map(|event| event.sequence).collect()
}

#[tokio::test]
async fn numbers_have_no_gaps_for_any_reader_at_any_moment() {
    each_database(|db| async move {
        let done = CancellationToken::new();
        let (reader, watched) = (db.clone(), done.clone());
        let reading = tokio::spawn(async move {
            let mut looks = 0;
            while !watched.is_cancelled() {
                let seen = numbers(&reader, 0).await;
                let count = i64::try_from(seen.len()).expect("few");
                assert_eq!(seen, (1..=count).collect::<Vec<_>>());
                looks += 1;
            }
            looks
        });
        let mut writing = tokio::task::JoinSet::new();
        for writer in 0..8_i64 {
            let db = db.clone();
            writing.spawn(async move {
                for n in 0..10 {
                    let mut tx = db.begin().await.expect("begins");
                    let told = [Told::locked(&round(n)), Told::scored(&round(n))];
                    append(&mut tx, NOON_US, &told).await.expect("appends");
                    // Every third comes to nothing, and its numbers go to others.
                    if (n + writer) % 3 == 0 {
                        tx.rollback().await.expect("rolls back");
                    } else {
                        tx.commit().await.expect("commits");
                    }
                }
            });
        }
        while let Some(written) = writing.join_next().await {
            written.expect("writes");
        }
        done.cancel();
        assert!(reading.await.expect("reads") > 0);
        let kept = numbers(&db, 0).await;
        assert_eq!(kept.len(), 106);
        let mut conn = db.read().await.expect("a connection");
        assert_eq!(newest(&mut conn).await.expect("reads"), 106);
        assert_eq!(oldest(&mut conn).await.expect("reads"), 1);
    })
    .await;
}

#[tokio::test]
async fn an_event_reads_back_as_it_was_told_and_is_forgotten_from_the_beginning() {
    each_database(|db| async move {
        let (ada, bob): (AccountId, AccountId) =
            ("ada".parse().expect("an id"), "bob".parse().expect("an id"));
        let model = "btc-usd-5m-net".parse().expect("an id");
        let told = [
            Told::resolved(&round(0), Outcome::Direction(domain::Direction::Up)),
            Told::void(&round(1), "dead \"band\""),
            Told::paused(&ada, round(0).tournament(), &model, "three failures"),
        ];
        tell(&db, NOON_US, &told[..1]).await;
        // Told later and stamped earlier, as clocks may.
        tell(&db, NOON_US - 5, &told[1..2]).await;
        tell(&db, NOON_US + 5, &told[2..]).await;
        let mut tx = db.begin().await.expect("begins");
        let read = after(&mut tx, 0, 10).await.expect("reads");
        let object = |n: usize| -> Value {
            serde_json::from_slice(&read[n].frame.object()).expect("an object")
        };
        assert_eq!(object(0)["type"], "round.resolved");
        assert_eq!(object(0)["outcome"], "up");
        assert_eq!(object(0)["at"], "2024-03-05T12:00:00Z");
        assert_eq!(object(0)["at_us"], NOON_US);
        assert_eq!(object(0)["round"], "btc-usd-5m-20240305T1200Z");
        assert_eq!(object(1)["reason"], "dead \"band\"");
        assert_eq!(object(2)["model"], "btc-usd-5m-net");
        assert_eq!(object(2).get("round"), None);
        let block = String::from_utf8(read[1].frame.block().to_vec()).expect("UTF-8");
        assert!(
            block.starts_with("id: 2\nevent: round.void\ndata: {"),
            "{block}"
        );
        assert!(
            block.ends_with("}\n\n") && block.lines().count() == 4,
            "{block}"
        );
        let of = |kinds: &str, account: &AccountId| {
            let filter = Filter::parse("btc-usd-5m", kinds, Some(account.clone()));
            let filter = filter.expect("a filter");
            let admitted = read.iter().filter(|event| filter.admits(event));
            admitted.map(|event| event.sequence).collect::<Vec<_>>()
        };
        assert_eq!(of("", &ada), [1, 2, 3]);
        assert_eq!(of("", &bob), [1, 2], "somebody else's is not told");
        assert_eq!(of("model.paused, round.void", &ada), [2, 3]);
        assert!(!Filter::default().admits(&read[2]), "nor to anybody");
        let elsewhere = Filter::parse("eth-usd-5m", "", None).expect("a filter");
        assert!(!elsewhere.admits(&read[0]));

        assert_eq!(forget_before(&mut tx, NOON_US).await.expect("forgets"), 0);
        assert_eq!(
            forget_before(&mut tx, NOON_US + 1).await.expect("forgets"),
            2
        );
        assert_eq!(oldest(&mut tx).await.expect("reads"), 3);
        assert_eq!(forget_before(&mut tx, i64::MAX).await.expect("forgets"), 1);
        assert_eq!(oldest(&mut tx).await.expect("reads"), 4);
        tx.commit().await.expect("commits");
        tell(&db, NOON_US, &told[..1]).await;
        assert_eq!(numbers(&db, 0).await, [4], "no number is given twice");
    })
    .await;
}

#[test]
fn a_filter_says_what_is_wrong_with_it() {
    for (tournaments, kinds, wrong) in [
        ("BTC!", "", "is no tournament's id"),
        ("", "round.opened", "is no type of event"),
        (&*vec!["a"; 51].join(","), "", "More than 50"),
    ] {
        let said = Filter::parse(tournaments, kinds, None).expect_err("refused");
        assert!(said.contains(wrong), "{said}");
    }
    let all = Filter::parse(" , ", "", None).expect("names nothing");
    assert!(Kind::all().all(|kind| all.wants(kind)));
    for kind in Kind::all() {
        assert_eq!(Kind::parse(kind.name()), Some(kind));
    }
}

#[tokio::test]
async fn one_reader_serves_all_and_keeps_a_bounded_number() {
    let (db, _folder) = sqlite().await;
    tell(&db, NOON_US, &[Told::locked(&round(0))]).await;
    let shared = Arc::new(Broadcast::default());
    let stop = CancellationToken::new();
    let (running, reader, token) = (Arc::clone(&shared), db.clone(), stop.clone());
    let running = tokio::spawn(async move { running.run(&reader, token).await });
    assert_eq!(
        shared.newest().await,
        1,
        "what was before is left in the table"
    );
    assert!(matches!(shared.after(0, 9), Next::Behind));
    assert!(matches!(shared.after(1, 9), Next::Events(none) if none.is_empty()));
    let mut news = shared.listen();
    // As another process writes: nobody rings the bell.
    tell(
        &db,
        NOON_US,
        &[Told::scored(&round(0)), Told::settled(&round(0))],
    )
    .await;
    let seen = tokio::time::timeout(LIMIT, news.wait_for(|newest| *newest == Some(3))).await;
    seen.expect("in time").expect("it lives");
    let Next::Events(two) = shared.after(1, 9) else {
        panic!("the ring has them")
    };
    let kinds: Vec<_> = two.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Kind::RoundScored, Kind::RoundSettled]);
    let Next::Events(again) = shared.after(1, 1) else {
        panic!("the ring has them")
    };
    assert!(Arc::ptr_eq(&again[0], &two[0]), "one copy for all");
    let many: Vec<Told> = (0..1_500).map(|n| Told::locked(&round(n))).collect();
    tell(&db, NOON_US, &many).await;
    shared.wake();
    let seen = tokio::time::timeout(LIMIT, news.wait_for(|newest| *newest == Some(1_503))).await;
    seen.expect("in time").expect("it lives");
    assert!(
        matches!(shared.after(3, 9), Next::Behind),
        "the ring is bounded"
    );
    let oldest = 1_503 - i64::try_from(RING).expect("small");
    assert!(matches!(shared.after(oldest, 9), Next::Events(some) if some.len() == 9));
    assert!(matches!(shared.after(oldest - 1, 9), Next::Behind));
    stop.cancel();
    tokio::time::timeout(LIMIT, running)
        .await
        .expect("in time")
        .expect("ends");
}
