//! What others predicted is shown once the round is resolved, never before.

use axum::http::{Method, StatusCode};
use domain::{Direction, Outcome, Probability, RoundState, TokenAmount};
use serde_json::json;

use super::{ROUND, World, round};
use crate::predictions::Counted;
use crate::prices::{self, Resolution};
use crate::{predictions, rounds, scores};

/// Digits that appear in an answer only when it shows the prediction.
const SECRET: &str = "612345";

pub(super) fn public_paths(model: &str) -> Vec<String> {
    vec![
        format!("/rounds/{ROUND}"),
        format!("/rounds/{ROUND}/evidence"),
        format!("/rounds/{ROUND}/aggregate"),
        format!("/rounds/{ROUND}/predictions/{model}"),
        "/rounds".to_owned(),
        format!("/models/{model}"),
        format!("/models/{model}/history"),
        format!("/models/{model}/summary"),
        format!("/models/{model}/receipts"),
        format!("/rounds/{ROUND}/runs/{model}"),
        "/models".to_owned(),
        "/leaderboard?tournament=btc-usd-5m".to_owned(),
        "/aggregates?tournament=btc-usd-5m".to_owned(),
        "/tournaments/btc-usd-5m/outcomes".to_owned(),
        "/batches".to_owned(),
        "/rounds/next".to_owned(),
        "/predictions".to_owned(),
        format!("/predictions?model={model}"),
        format!("/rounds/{ROUND}/predictions/{model}/life"),
        format!("/rounds/{ROUND}/features"),
        format!("/models/{model}/stake"),
        "/tournaments/btc-usd-5m/candles".to_owned(),
    ]
}

async fn assert_hidden(world: &World, model: &str, stranger: &str) {
    for path in public_paths(model) {
        for key in [None, Some(stranger)] {
            let answer = world.send(Method::GET, &path, key, None).await;
            assert!(!answer.text.contains(SECRET), "{path}: {}", answer.text);
        }
    }
    let detail = world.get(&format!("/rounds/{ROUND}")).await;
    assert_eq!(
        (&detail.json["entries"], &detail.json["totals"]),
        (&json!(null), &json!(null))
    );
    let life = |model: &str| format!("predictions/{model}/life");
    for path in [
        "aggregate".to_owned(),
        format!("predictions/{model}"),
        life(model),
        life("btc-usd-5m-bob"),
    ] {
        let answer = world.get(&format!("/rounds/{ROUND}/{path}")).await;
        answer.is_problem(403, "not-yet-resolved");
    }
    let absent = world
        .get(&format!("/rounds/{ROUND}/predictions/btc-usd-5m-bob"))
        .await;
    absent.is_problem(403, "not-yet-resolved");
    // Others' answers are the same whether or not the model has predicted.
    for path in [
        format!("/predictions?model={model}"),
        format!("/models/{model}/stake"),
    ] {
        let foreign = world.send(Method::GET, &path, Some(stranger), None).await;
        foreign.is_problem(403, "not-owner");
        world.get(&path).await.is_problem(401, "key-missing");
    }
    let theirs = world
        .send(Method::GET, "/predictions", Some(stranger), None)
        .await;
    assert_eq!(theirs.json, json!({"predictions": [], "next_before": null}));
}

async fn lock_and_count(world: &World, model: &str) {
    let mut tx = world.app.db.begin().await.expect("begin");
    let latest = predictions::latest(&mut tx, &round()).await.expect("reads");
    let counted: Vec<Counted> = latest
        .iter()
        .map(|one| Counted {
            model: one.model.clone(),
            sequence: one.sequence,
            model_index: None,
            at_risk: TokenAmount::ZERO,
            counted: one.counted,
            posted: one.posted,
        })
        .collect();
    assert_eq!(counted.len(), 1, "{model}");
    predictions::freeze(&mut tx, &round(), &counted)
        .await
        .expect("freezes");
    let (open, locked) = (RoundState::Open, RoundState::Locked);
    rounds::advance(&mut tx, &round(), open, locked, i64::MAX)
        .await
        .expect("locks");
    tx.commit().await.expect("commit");
}

pub(super) async fn resolve_and_score(world: &World) {
    let resolution = Resolution {
        outcome: Outcome::Direction(Direction::Up),
        reason: String::new(),
        p0: Some("60000.5".parse().expect("a price")),
        p1: Some("60001".parse().expect("a price")),
        return_e12: 8_333,
        evidence: "{\"venues\": []}".to_owned(),
        evidence_hash: format!("0x{}", "ab".repeat(32)),
        resolved_us: 1,
    };
    let mut tx = world.app.db.begin().await.expect("begin");
    prices::write_resolution(&mut tx, &round(), &resolution)
        .await
        .expect("written");
    let (from, to) = (RoundState::Evidenced, RoundState::Resolved);
    rounds::advance(&mut tx, &round(), from, to, i64::MAX)
        .await
        .expect("resolves");
    let resolved = rounds::get(&mut tx, &round()).await.expect("reads");
    let counted = predictions::counted(&mut tx, &round())
        .await
        .expect("reads");
    scores::score(&mut tx, &resolved, &resolution, &counted, &[])
        .await
        .expect("scores");
    tx.commit().await.expect("commit");
}

#[tokio::test]
async fn predictions_are_secret_until_the_round_is_resolved() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let (stranger, _) = world.bot("bob").await;
    let own = format!("/rounds/{ROUND}/predictions/{model}");
    let body = json!({"p": 0.612_345});
    let put = world.send(Method::PUT, &own, Some(&key), Some(&body)).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text);
    assert_hidden(&world, &model, &stranger).await;
    lock_and_count(&world, &model).await;
    assert_hidden(&world, &model, &stranger).await;
    world
        .advance(RoundState::Locked, RoundState::Committed)
        .await;
    assert_hidden(&world, &model, &stranger).await;
    world
        .advance(RoundState::Committed, RoundState::Evidenced)
        .await;
    assert_hidden(&world, &model, &stranger).await;
    let mine = world.send(Method::GET, &own, Some(&key), None).await;
    assert!(mine.text.contains(SECRET), "the owner sees it all the time");
    resolve_and_score(&world).await;
    let detail = world.get(&format!("/rounds/{ROUND}")).await;
    assert_eq!(detail.json["entries"][0]["p"], 0.612_345);
    assert_eq!(detail.json["entries"][0]["correct"], true);
    assert_eq!(detail.json["p0"], "60000.50");
    assert_eq!(detail.json["outcome"], "up");
    assert_eq!(detail.json["totals"]["models"], 1);
    let shown = world.get(&own).await;
    assert_eq!(
        (&shown.json["signature"], &shown.json["posted_ppm"]),
        (&put.json["signature"], &put.json["posted_ppm"]),
        "now everybody sees the receipt"
    );
    world
        .get(&format!("/rounds/{ROUND}/aggregate"))
        .await
        .is_problem(404, "no-aggregate");
}

#[tokio::test]
async fn a_scored_round_shows_in_lists_and_its_evidence_is_byte_exact() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let own = format!("/rounds/{ROUND}/predictions/{model}");
    world
        .send(Method::PUT, &own, Some(&key), Some(&json!({"p": 0.4})))
        .await;
    lock_and_count(&world, &model).await;
    world
        .advance(RoundState::Locked, RoundState::Committed)
        .await;
    world
        .advance(RoundState::Committed, RoundState::Evidenced)
        .await;
    world
        .get(&format!("/rounds/{ROUND}/evidence"))
        .await
        .is_problem(403, "not-yet-resolved");
    resolve_and_score(&world).await;
    let evidence = world.get(&format!("/rounds/{ROUND}/evidence")).await;
    assert_eq!(evidence.text, "{\"venues\": []}");
    let listed = world
        .get("/rounds?state=resolved&tournament=btc-usd-5m")
        .await;
    assert_eq!(listed.json["rounds"][0]["outcome"], "up");
    let outcomes = world.get("/tournaments/btc-usd-5m/outcomes?limit=1").await;
    assert_eq!(outcomes.json["outcomes"][0]["round"], ROUND);
    let history = world.get(&format!("/models/{model}/history")).await;
    let first = &history.json["rounds"][0];
    assert_eq!(
        (&first["correct"], &first["delta_sum"]),
        (&json!(false), &json!("0"))
    );
    let board = world.get("/leaderboard?tournament=btc-usd-5m").await;
    assert_eq!(board.json["standings"][0]["model"], model);
    assert_eq!(board.json["total"], 1);
    let behind = "/leaderboard?tournament=btc-usd-5m&skip=1&limit=1";
    let behind = world.get(behind).await;
    assert_eq!(behind.json, json!({"standings": [], "total": 1}));
    let page = world.get("/aggregates?tournament=btc-usd-5m&limit=1").await;
    let next = page.json["next_before"]
        .as_str()
        .expect("one was looked at");
    let rest = format!("/aggregates?tournament=btc-usd-5m&limit=1&before={next}");
    let rest = world.get(&rest).await;
    assert_eq!(rest.json, json!({"aggregates": [], "next_before": null}));
    let rest = format!("/tournaments/btc-usd-5m/outcomes?before={next}");
    let rest = world.get(&rest).await;
    assert_eq!(rest.json, json!({"outcomes": [], "next_before": null}));
}

/// A void round has no outcome; what was predicted is shown once its interval has passed.
#[tokio::test]
async fn a_void_round_keeps_its_secret_until_its_interval_has_passed() {
    let world = World::new().await;
    let (key, model) = world.bot("ada").await;
    let own = format!("/rounds/{ROUND}/predictions/{model}");
    world
        .send(
            Method::PUT,
            &own,
            Some(&key),
            Some(&json!({"p": 0.612_345})),
        )
        .await;
    let mut tx = world.app.db.begin().await.expect("begin");
    rounds::void(&mut tx, &round(), RoundState::Open, "a test")
        .await
        .expect("void");
    tx.commit().await.expect("commit");
    world.get(&own).await.is_problem(403, "not-yet-resolved");
    let end_us = world.get(&format!("/rounds/{ROUND}")).await.json["end_us"].as_i64();
    world.wall.set(end_us.expect("a moment"));
    let shown = world.get(&own).await;
    assert_eq!(
        shown.json["posted_ppm"],
        Probability::from_f64(0.612_345).expect("valid").ppm()
    );
}
