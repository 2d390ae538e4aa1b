//! What a bot asks before it predicts: the next rounds, candles, features, its stake.

use axum::http::{Method, StatusCode};
use datasets::candle::BAR_US;
use datasets::features::{BARS_NEEDED, FEATURES};
use datasets::{Candle, CandleHistory};
use serde_json::{Value, json};

use super::{ROUND, World, round};
use crate::app::testing::NOW_US;
use crate::prices::{self, Frozen};

/// The bundled candles, moved in time so that the last of them closes at `closed_us`.
fn history(closed_us: i64) -> CandleHistory {
    let CandleHistory { btc, eth } = datasets::bundled::candles().expect("bundled");
    let moved = |candles: &[Candle]| {
        let count = BARS_NEEDED + 3;
        let last = &candles[candles.len() - count..];
        let by_us = closed_us - BAR_US - last[count - 1].open_time_us;
        let moved = last.iter().cloned().map(|mut candle| {
            candle.open_time_us += by_us;
            candle
        });
        moved.collect::<Vec<_>>()
    };
    let (btc, eth) = (moved(btc.as_slice()), moved(eth.as_slice()));
    CandleHistory {
        btc: datasets::candle::CandleSeries::new(datasets::Asset::Btc, btc).expect("in order"),
        eth: datasets::candle::CandleSeries::new(datasets::Asset::Eth, eth).expect("in order"),
    }
}

async fn record(world: &World, history: &CandleHistory) {
    let mut tx = world.app.db.begin().await.expect("begin");
    for (asset, candles) in [("btc", &history.btc), ("eth", &history.eth)] {
        prices::insert_candles(&mut tx, asset, candles.as_slice())
            .await
            .expect("recorded");
    }
    tx.commit().await.expect("commit");
}

#[tokio::test]
async fn the_next_rounds_come_with_the_servers_time_and_what_is_left() {
    let world = World::new().await;
    let all = world.get("/rounds/next").await;
    assert_eq!(all.status, StatusCode::OK, "{}", all.text);
    assert_eq!(
        (&all.json["now_us"], &all.json["speed"]),
        (&json!(NOW_US), &json!(1.0))
    );
    let first = &all.json["rounds"][0];
    assert_eq!(
        (&first["id"], &first["state"]),
        (&json!(ROUND), &json!("open"))
    );
    assert_eq!(first["ms_to_open"], 0);
    let deadline_us = first["deadline_us"].as_i64().expect("a moment");
    assert_eq!(first["ms_to_deadline"], (deadline_us - NOW_US) / 1_000);
    assert_eq!(first["features_us"], NOW_US);
    let rounds = all.json["rounds"].as_array().expect("rounds");
    assert!(rounds.len() > 2, "scheduled ones too: {}", all.text);
    assert!(
        rounds[1..]
            .iter()
            .all(|round| round["state"] == "scheduled")
    );
    let eth = world
        .get("/rounds/next?tournaments=eth-usd-5m&limit=1")
        .await;
    let eth = eth.json["rounds"].as_array().expect("rounds").clone();
    assert_eq!(
        (eth.len(), &eth[0]["tournament"]),
        (1, &json!("eth-usd-5m"))
    );
    world.wall.set(deadline_us);
    let later = world.get("/rounds/next?tournaments=btc-usd-5m").await;
    assert_ne!(
        later.json["rounds"][0]["id"], ROUND,
        "its deadline has come"
    );
    let unknown = world.get("/rounds/next?tournaments=doge").await;
    unknown.is_problem(404, "unknown-tournament");
    for query in ["limit=0", "limit=101", "unknown=1"] {
        let refused = world.get(&format!("/rounds/next?{query}")).await;
        refused.is_problem(400, "query-invalid");
    }
    let many = vec!["a"; 51].join(",");
    let refused = world.get(&format!("/rounds/next?tournaments={many}")).await;
    refused.is_problem(400, "query-invalid");
}

#[tokio::test]
async fn candles_are_those_that_closed_newest_first_page_by_page() {
    let world = World::new().await;
    // The last one closes in the future: a replay that ran ahead must not show.
    let history = history(NOW_US + BAR_US);
    record(&world, &history).await;
    let path = "/tournaments/btc-usd-5m/candles";
    let page = world.get(&format!("{path}?limit=2")).await;
    assert_eq!(
        (&page.json["asset"], &page.json["interval_s"]),
        (&json!("btc"), &json!(300))
    );
    let candles = page.json["candles"].as_array().expect("candles");
    assert_eq!(candles[0]["open_us"], NOW_US - BAR_US);
    assert_eq!(candles[0]["closes_at"], "2024-03-05T11:55:00Z");
    let known = &history.btc.as_slice()[history.btc.as_slice().len() - 2];
    assert_eq!(candles[0]["close"], known.close.to_string());
    assert_eq!(candles[0]["volume"], known.volume);
    let next = page.json["next_before"].as_str().expect("more");
    let second = world.get(&format!("{path}?limit=1&before={next}")).await;
    assert_eq!(second.json["candles"][0]["open_us"], NOW_US - 3 * BAR_US);
    let timed = world
        .get(&format!("{path}?limit=1&before=2024-03-05T11:50:01Z"))
        .await;
    assert_eq!(timed.json["candles"][0]["open_us"], NOW_US - BAR_US);
    let whole = world.get(&format!("{path}?limit=1000")).await;
    assert_eq!(whole.json["next_before"], Value::Null);
    world
        .get("/tournaments/doge/candles")
        .await
        .is_problem(404, "unknown-tournament");
    world
        .get(&format!("{path}?before=yesterday"))
        .await
        .is_problem(400, "query-invalid");
}

#[tokio::test]
async fn features_are_there_once_their_bars_have_closed_and_are_those_that_were_frozen() {
    let world = World::new().await;
    let path = format!("/rounds/{ROUND}/features");
    let ready_us = NOW_US;
    world.wall.set(ready_us - 1);
    let history = history(ready_us);
    record(&world, &history).await;
    let early = world.get(&path).await;
    early.is_problem(409, "features-not-ready");
    assert_eq!(early.json["ready_us"], ready_us);
    world.wall.set(ready_us);
    let answer = world.get(&path).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let (own, other) = (history.btc.as_slice(), history.eth.as_slice());
    let start_us = round().start_us();
    let row = datasets::features::feature_row(own, other, start_us).expect("a row");
    let said = answer.json["values"].as_array().expect("values").iter();
    #[expect(clippy::cast_possible_truncation, reason = "single precision is meant")]
    let bits: Vec<u32> = said
        .map(|value| (value.as_f64().expect("a number") as f32).to_bits())
        .collect();
    assert_eq!(bits, row.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
    assert_eq!(
        answer.json["names"].as_array().map(Vec::len),
        Some(FEATURES.len())
    );
    let frozen = Frozen::row(ready_us + 7, &row);
    assert_eq!(answer.json["digest"], frozen.digest);
    assert_eq!(
        (&answer.json["bars_closed_by_us"], &answer.json["frozen_at"]),
        (&json!(ready_us), &Value::Null)
    );
    let mut tx = world.app.db.begin().await.expect("begin");
    prices::write_frozen(&mut tx, &round(), &frozen)
        .await
        .expect("frozen");
    tx.commit().await.expect("commit");
    let after = world.get(&path).await;
    assert_eq!(after.json["values"], answer.json["values"]);
    assert!(after.json["frozen_at"].is_string());
    let next = path.replace("1200Z", "1205Z");
    world.wall.set(ready_us + BAR_US);
    let gap = world.get(&next).await;
    gap.is_problem(409, "features-not-ready");
    assert!(
        gap.json["detail"]
            .as_str()
            .is_some_and(|said| said.contains("bar"))
    );
}

/// A row that was given to runners is shown as it was given, whatever candles say now.
#[tokio::test]
async fn the_block_that_runners_were_given_is_shown() {
    let world = World::new().await;
    let row = [0.25_f32, -1.0e-7];
    let frozen = Frozen::row(NOW_US, &row);
    let mut tx = world.app.db.begin().await.expect("begin");
    crate::runners::publish_run(&mut tx, 1, &round(), NOW_US, &row, 2, &[])
        .await
        .expect("published");
    prices::write_frozen(&mut tx, &round(), &frozen)
        .await
        .expect("frozen");
    tx.commit().await.expect("commit");
    let answer = world.get(&format!("/rounds/{ROUND}/features")).await;
    assert_eq!(
        answer.json["values"],
        json!([0.25, -1.0e-7]),
        "{}",
        answer.text
    );
    assert_eq!(answer.json["digest"], frozen.digest);
}

#[tokio::test]
async fn a_model_without_a_stake_has_one_of_nothing() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let path = format!("/models/{model}/stake");
    let answer = world.send(Method::GET, &path, Some(&key), None).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let said = &answer.json;
    assert_eq!((&said["vault"], &said["free"]), (&Value::Null, &json!("0")));
    assert_eq!(
        (&said["minimum"], &said["would_risk"]),
        (&json!("1"), &json!("0"))
    );
    let named = format!("{path}?stake=ten");
    let wrong = world.send(Method::GET, &named, Some(&key), None).await;
    wrong.is_problem(422, "stake-not-an-amount");
}
