//! Posting predictions.

use axum::http::{Method, StatusCode};
use domain::timestamp::SECOND_US;
use serde_json::{Value, json};

use super::{ROUND, World};
use crate::app::testing::NOW_US;

fn path(model: &str) -> String {
    format!("/rounds/{ROUND}/predictions/{model}")
}

async fn put(world: &World, key: &str, model: &str, body: Value) -> super::Answer {
    world
        .send(Method::PUT, &path(model), Some(key), Some(&body))
        .await
}

/// The answer up to its notices.
fn receipt(answer: &super::Answer) -> &str {
    let (receipt, _) = answer.text.split_once(",\"notices\":").expect("notices");
    receipt
}

fn codes(answer: &super::Answer) -> Vec<&str> {
    let notices = answer.json["notices"].as_array().expect("notices");
    notices
        .iter()
        .map(|notice| notice["code"].as_str().expect("a code"))
        .collect()
}

#[tokio::test]
async fn a_prediction_is_acknowledged_and_its_owner_reads_it_back() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let answer = put(&world, &key, &model, json!({"p": 0.53, "stake": "10.5"})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json["p_ppm"], 530_000);
    assert_eq!(answer.json["stake"], "10.5");
    assert_eq!(answer.json["received_us"], NOW_US);
    assert_eq!(answer.json["stake_counted"], "0", "it has no stake");
    assert_eq!(codes(&answer), ["unstaked"]);
    let again = put(&world, &key, &model, json!({"p": 0.53, "stake": "10.5"})).await;
    assert_eq!(receipt(&again), receipt(&answer), "byte for byte");
    assert_eq!(codes(&again), ["duplicate", "unstaked"]);
    let own = world
        .send(Method::GET, &path(&model), Some(&key), None)
        .await;
    assert_eq!(receipt(&own), receipt(&answer));
    let edge = put(&world, &key, &model, json!({"p": 0.9})).await;
    assert_eq!(codes(&edge), ["clamped", "unstaked"]);
}

#[tokio::test]
async fn what_is_no_prediction_names_its_field() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    for p in [json!(1.01), json!(-0.1), json!(1e300)] {
        let answer = put(&world, &key, &model, json!({"p": p})).await;
        answer.is_problem(422, "probability-out-of-range");
    }
    for body in [
        json!({"p": "0.5"}),
        json!({}),
        json!({"p": 0.5, "x": 1}),
        json!({"p": null}),
    ] {
        let answer = put(&world, &key, &model, body.clone()).await;
        answer.is_problem(422, "body-invalid");
        let field = if body.get("x").is_some() { "x" } else { "p" };
        let detail = answer.json["detail"].as_str().expect("text");
        assert!(detail.contains(field), "{detail}");
    }
    for stake in ["-1", "ten", "1.0000000001"] {
        let answer = put(&world, &key, &model, json!({"p": 0.5, "stake": stake})).await;
        answer.is_problem(422, "stake-not-an-amount");
    }
}

#[tokio::test]
async fn the_clock_decides_and_says_by_how_much() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let round = world.get(&format!("/rounds/{ROUND}")).await;
    let deadline_us = round.json["deadline_us"].as_i64().expect("a moment");
    world.wall.set(deadline_us - 1);
    assert_eq!(
        put(&world, &key, &model, json!({"p": 0.5})).await.status,
        StatusCode::OK
    );
    world.wall.set(deadline_us);
    put(&world, &key, &model, json!({"p": 0.6}))
        .await
        .is_problem(409, "late");
    world.wall.set(deadline_us + 2 * SECOND_US + 1);
    let late = put(&world, &key, &model, json!({"p": 0.6})).await;
    late.is_problem(409, "late");
    assert_eq!(late.json["missed_ms"], 2_001);
    assert_eq!(late.json["deadline_us"], deadline_us);
    assert_eq!(late.json["deadline_at"], round.json["deadline_at"]);
    let next = format!("/rounds/btc-usd-5m-20240305T1205Z/predictions/{model}");
    world.wall.set(NOW_US - 600 * SECOND_US);
    let early = world
        .send(Method::PUT, &next, Some(&key), Some(&json!({"p": 0.5})))
        .await;
    early.is_problem(409, "round-not-open");
    assert!(
        early.json["opens_at"]
            .as_str()
            .is_some_and(|at| at.starts_with("2024-03-05T11:"))
    );
}

#[tokio::test]
async fn strangers_and_unknown_things_are_refused() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let (bob, _) = world.bot("bob").await;
    put(&world, &bob, &model, json!({"p": 0.5}))
        .await
        .is_problem(403, "not-owner");
    put(&world, &key, "nobody", json!({"p": 0.5}))
        .await
        .is_problem(404, "unknown-model");
    for round in [
        "btc-usd-5m-20300305T1200Z",
        "nonsense",
        "doge-20240305T1200Z",
    ] {
        let path = format!("/rounds/{round}/predictions/{model}");
        let answer = world
            .send(Method::PUT, &path, Some(&key), Some(&json!({"p": 0.5})))
            .await;
        answer.is_problem(404, "unknown-round");
    }
    let eth = format!("/rounds/eth-usd-5m-20240305T1200Z/predictions/{model}");
    let answer = world
        .send(Method::PUT, &eth, Some(&key), Some(&json!({"p": 0.5})))
        .await;
    answer.is_problem(409, "wrong-tournament");
    let own = world
        .send(Method::GET, &path(&model), Some(&key), None)
        .await;
    own.is_problem(404, "no-prediction");
}
