//! Posting several predictions at once, and idempotency keys.

use axum::http::StatusCode;
use domain::timestamp::SECOND_US;
use serde_json::{Value, json};

use super::{ROUND, World};
use crate::app::testing::NOW_US;

const DAY_US: i64 = 24 * 3_600 * SECOND_US;

fn item(round: &str, model: &str, p: f64) -> Value {
    json!({"round": round, "model": model, "p": p})
}

#[tokio::test]
async fn each_prediction_has_its_receipt_or_its_problem() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let (_, foreign) = world.bot("bob").await;
    let closed = "btc-usd-5m-20240305T1205Z";
    let body = json!({"predictions": [
        {"round": ROUND, "model": model, "p": 0.53, "stake": "10.5"},
        item(ROUND, &foreign, 0.5),
        item(ROUND, &model, 1.5),
        item("nonsense", &model, 0.5),
        {"round": ROUND, "model": model, "p": 0.5, "stake": "ten"},
        item(closed, &model, 0.5),
        {"round": ROUND, "model": model, "p": 0.53, "stake": "10.5"},
        item(ROUND, &model, 0.6),
    ]});
    let answer = world.post_many(&key, None, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let results = answer.json["results"].as_array().expect("results");
    let said: Vec<&str> = results
        .iter()
        .map(|result| match &result["problem"]["code"] {
            Value::String(code) => code.as_str(),
            _ => "stored",
        })
        .collect();
    let expected = [
        "stored",
        "not-owner",
        "probability-out-of-range",
        "unknown-round",
        "stake-not-an-amount",
        "round-not-open",
        "stored",
        "stored",
    ];
    assert_eq!(said, expected);
    assert_eq!(results[0]["receipt"]["received_us"], NOW_US);
    assert_eq!(results[0]["receipt"]["stake"], "10.5");
    assert_eq!(results[6]["receipt"], results[0]["receipt"]);
    assert_eq!(results[7]["receipt"]["sequence"], 2);
    assert_eq!(results[3]["round"], "nonsense");
    assert_eq!(results[1]["model"], foreign);
    for result in results {
        assert_ne!(result.get("receipt"), result.get("problem"), "{result}");
        if let Some(problem) = result.get("problem") {
            assert!(problem["status"].is_u64() && problem["remedy"].is_string());
        }
    }
}

#[tokio::test]
async fn a_request_has_1_to_100_predictions() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    for count in [0, 101] {
        let many: Vec<Value> = (0..count).map(|_| item(ROUND, &model, 0.5)).collect();
        let answer = world
            .post_many(&key, None, &json!({"predictions": many}))
            .await;
        answer.is_problem(422, "body-invalid");
        assert!(answer.text.contains(&count.to_string()), "{}", answer.text);
    }
    let unknown = json!({"predictions": [{"round": ROUND, "model": model, "p": 0.5, "x": 1}]});
    let answer = world.post_many(&key, None, &unknown).await;
    answer.is_problem(422, "body-invalid");
    let answer = world.post_many("ftk_1", None, &unknown).await;
    answer.is_problem(401, "key-malformed");
}

#[tokio::test]
async fn the_same_key_and_body_get_the_stored_answer() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let body = json!({"predictions": [item(ROUND, &model, 0.53), item(ROUND, &model, 1.5)]});
    let first = world.post_many(&key, Some("one"), &body).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    assert!(first.headers.get("idempotency-replayed").is_none());
    // After the deadline the same request is still the one that was done before it.
    world.wall.set(NOW_US + 3_600 * SECOND_US);
    let again = world.post_many(&key, Some("one"), &body).await;
    assert_eq!((again.status, &again.text), (StatusCode::OK, &first.text));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.headers["content-type"], "application/json");
    let other = json!({"predictions": [item(ROUND, &model, 0.54)]});
    let reused = world.post_many(&key, Some("one"), &other).await;
    reused.is_problem(422, "idempotency-key-reused");
    // Another account's key of the same name is another key.
    let (bob, foreign) = world.bot("bob").await;
    let own = json!({"predictions": [item(ROUND, &foreign, 0.5)]});
    let answer = world.post_many(&bob, Some("one"), &own).await;
    assert!(answer.headers.get("idempotency-replayed").is_none());
    world.wall.set(NOW_US + DAY_US + 1);
    let expired = world.post_many(&key, Some("one"), &other).await;
    assert_eq!(expired.status, StatusCode::OK, "{}", expired.text);
    assert_eq!(expired.json["results"][0]["problem"]["code"], "late");
    for bad in ["", &"x".repeat(65)] {
        let answer = world.post_many(&key, Some(bad), &body).await;
        answer.is_problem(400, "idempotency-key-invalid");
    }
}
