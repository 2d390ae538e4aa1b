//! What was told of the rounds, by server and settler together.

use std::collections::BTreeMap;

use server::db::Db;
use server::events;

use super::whole_run;

#[tokio::test]
async fn every_round_was_told_once_and_in_order() {
    let run = whole_run().await;
    let data = run.folder.path().join("data");
    let db = Db::open_in(&data, None).await.expect("opens");
    let mut conn = db.read().await.expect("a connection");
    let all = events::after(&mut conn, 0, 10_000).await.expect("readable");
    let is_next = |(number, event): (i64, &events::Event)| event.sequence == number;
    assert!((1..).zip(&all).all(is_next), "numbers without gaps");
    let mut told: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for event in &all {
        if let Some(round) = &event.round {
            let round = told.entry(round.to_string()).or_default();
            round.push(event.kind.name());
        }
    }
    let whole = [
        "round.open",
        "round.locked",
        "round.resolved",
        "round.scored",
        "round.settled",
    ];
    for round in run.report.decided() {
        assert_eq!(told[&round.id], whole, "{}", round.id);
    }
    for (round, kinds) in &told {
        let is_void = kinds.last() == Some(&"round.void");
        let lived = &kinds[..kinds.len() - usize::from(is_void)];
        assert!(whole.starts_with(lived), "{round}: {kinds:?}");
    }
}
