//! The wire of runners.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use domain::ModelId;
use serde_json::{Value, json};

use super::{ROUND, World, round};
use crate::accounts::{self, Scope};
use crate::app::testing::NOW_US;
use crate::models::{self, Model, ModelState};
use crate::{predictions, runners};

const NEXT: &str = "/runner/jobs/next";

/// Two hosted models of one account, still to be checked.
pub(super) async fn hosted(world: &World) -> Vec<Model> {
    let mut tx = world.app.db.begin().await.expect("begin");
    let owner = accounts::create(&mut tx, 1, "owner", "", false)
        .await
        .expect("account")
        .id;
    let folder = models::artifacts_dir(&world.app.settings.data_dir);
    let tournament = round().tournament().clone();
    let mut all = Vec::new();
    for name in ["a", "b"] {
        let bytes = name.as_bytes();
        let model =
            models::upload(&mut tx, &folder, 1, &owner, &tournament, name, bytes, false).await;
        all.push(model.expect("new"));
    }
    tx.commit().await.expect("commit");
    all
}

pub(super) async fn state(world: &World, id: &ModelId) -> (ModelState, String) {
    let mut conn = world.app.db.read().await.expect("read");
    let model = models::get(&mut conn, id).await.expect("reads");
    (model.state, model.reason)
}

pub(super) async fn next(world: &World, key: &str, runner: &str) -> super::Answer {
    let body =
        json!({"runner": runner, "wait_ms": 0, "version": "1", "runtime": "r", "sandbox": "s"});
    world.send(Method::POST, NEXT, Some(key), Some(&body)).await
}

pub(super) async fn answer(
    world: &World,
    key: &str,
    lease: &Value,
    results: Value,
) -> super::Answer {
    let lease = lease.as_str().expect("a lease");
    let body = json!({"runner": "r1", "results": results});
    let path = format!("/runner/jobs/{lease}/results");
    world
        .send(Method::POST, &path, Some(key), Some(&body))
        .await
}

pub(super) async fn publish_run(world: &World, models: &[Model]) {
    let mut tx = world.app.db.begin().await.expect("begin");
    let until_us = NOW_US + 200_000_000;
    runners::publish_run(&mut tx, 1, &round(), until_us, &[0.5, 1.5], 2, models)
        .await
        .expect("published");
    tx.commit().await.expect("commit");
    world.app.runner_wake.notify_waiters();
}

#[tokio::test]
async fn a_check_and_a_run_go_all_the_way() {
    let world = World::new().await;
    let key = world.key("ops", &[Scope::Run]).await;
    let models = hosted(&world).await;
    assert_eq!(
        next(&world, &key, "r1").await.status,
        StatusCode::NO_CONTENT
    );
    for model in &models {
        let mut tx = world.app.db.begin().await.expect("begin");
        let block = [0.0, 1.0, 2.0, 3.0];
        runners::publish_check(&mut tx, 1, model, &block, 2, 2)
            .await
            .expect("published");
        tx.commit().await.expect("commit");
        let job = next(&world, &key, "r1").await.json;
        assert_eq!(
            (&job["kind"], &job["features"]["rows"]),
            (&json!("check"), &json!(2))
        );
        let p = if model.name == "a" {
            json!([0.4, 0.6])
        } else {
            json!([0.4, null])
        };
        let result = json!([{"model": model.id.as_str(), "status": "ok", "detail": "", "p": p}]);
        let done = answer(&world, &key, &job["lease"], result).await;
        assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text);
    }
    assert_eq!(state(&world, &models[0].id).await.0, ModelState::Active);
    let (refused, reason) = state(&world, &models[1].id).await;
    assert_eq!(refused, ModelState::Refused);
    assert!(reason.starts_with("bad-output"), "{reason}");
    publish_run(&world, &models[..1]).await;
    let job = next(&world, &key, "r1").await.json;
    assert_eq!(
        (&job["kind"], &job["round"]),
        (&json!("run"), &json!(ROUND))
    );
    assert_eq!(job["wall_budget_ms"], 200_000);
    assert_eq!(job["models"][0]["artifact"], models[0].artifact);
    let id = models[0].id.as_str();
    let result = json!([{"model": id, "status": "ok", "detail": "", "p": [0.6200005],
                         "cpu_ms": 3, "wall_ms": 4, "load_ms": 1, "run_ms": 2}]);
    let done = answer(&world, &key, &job["lease"], result.clone()).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text);
    let mut conn = world.app.db.read().await.expect("read");
    let receipt = predictions::received(&mut conn, &round(), &models[0].id)
        .await
        .expect("reads");
    let receipt = receipt.expect("submitted");
    assert_eq!((receipt.posted_ppm, receipt.stake), (Some(620_000), None));
    answer(&world, &key, &job["lease"], result)
        .await
        .is_problem(409, "lease-lost");
}

#[tokio::test]
async fn a_late_or_failed_model_is_noted_and_harms_no_other() {
    let world = World::new().await;
    let key = world.key("ops", &[Scope::Run]).await;
    let models = hosted(&world).await;
    let mut tx = world.app.db.begin().await.expect("begin");
    models::set_checked(&mut tx, &models[0].id, true, "", "")
        .await
        .expect("checked");
    tx.commit().await.expect("commit");
    publish_run(&world, &models).await;
    let job = next(&world, &key, "r1").await.json;
    let (a, b) = (models[0].id.as_str(), models[1].id.as_str());
    let results = json!([
        {"model": a, "status": "ok", "detail": "", "p": [0.5]},
        {"model": b, "status": "ok", "detail": "", "p": [0.5]},
    ]);
    let done = answer(&world, &key, &job["lease"], results).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text);
    let mut conn = world.app.db.read().await.expect("read");
    let noted = runners::results_of_round(&mut conn, &round())
        .await
        .expect("reads");
    assert_eq!(noted[0].detail, "");
    assert!(
        noted[1].detail.starts_with("not counted: "),
        "{}",
        noted[1].detail
    );
}

#[tokio::test]
async fn blobs_are_for_runners_only() {
    let world = World::new().await;
    let key = world.key("ops", &[Scope::Run]).await;
    let weak = world.key("weak", &[Scope::Predict]).await;
    let models = hosted(&world).await;
    publish_run(&world, &models).await;
    let job = next(&world, &key, "r1").await.json;
    let features = job["features"]["digest"].as_str().expect("a digest");
    for (digest, length) in [(features, 8), (models[0].artifact.as_str(), 1)] {
        let path = format!("/runner/blobs/{digest}");
        let blob = world.send(Method::GET, &path, Some(&key), None).await;
        assert_eq!(
            (blob.status, blob.headers["content-length"].to_str().ok()),
            (StatusCode::OK, Some(length.to_string().as_str()))
        );
        let refused = world.send(Method::GET, &path, Some(&weak), None).await;
        refused.is_problem(403, "scope-missing");
    }
    for odd in [&"0".repeat(64), "..%2F..%2Fkeys", "x"] {
        let path = format!("/runner/blobs/{odd}");
        world
            .send(Method::GET, &path, Some(&key), None)
            .await
            .is_problem(404, "unknown-blob");
    }
}

#[tokio::test]
async fn a_waiting_runner_wakes_when_a_job_is_published() {
    let world = World::new().await;
    let key = world.key("ops", &[Scope::Run]).await;
    let models = hosted(&world).await;
    let body = json!({"runner": "r1", "wait_ms": 20_000});
    let waiting = world.send(Method::POST, NEXT, Some(&key), Some(&body));
    let publishing = publish_run(&world, &models);
    let both = async { tokio::join!(waiting, publishing) };
    let (job, ()) = tokio::time::timeout(Duration::from_secs(10), both)
        .await
        .expect("in time");
    assert_eq!(job.status, StatusCode::OK, "{}", job.text);
    assert_eq!(job.json["models"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn leases_and_names_are_kept_apart() {
    let world = World::new().await;
    let key = world.key("ops", &[Scope::Run]).await;
    let other = world.key("other", &[Scope::Run]).await;
    let models = hosted(&world).await;
    publish_run(&world, &models).await;
    let job = next(&world, &key, "r1").await.json;
    next(&world, &other, "r1")
        .await
        .is_problem(409, "runner-name-taken");
    next(&world, &key, "r 1")
        .await
        .is_problem(422, "runner-name-invalid");
    let empty = json!([]);
    answer(&world, &other, &job["lease"], empty.clone())
        .await
        .is_problem(409, "runner-name-taken");
    answer(&world, &key, &json!("none"), empty)
        .await
        .is_problem(404, "unknown-lease");
    let odd = json!([{"model": models[0].id.as_str(), "status": "fine"}]);
    answer(&world, &key, &job["lease"], odd)
        .await
        .is_problem(422, "status-unknown");
}

/// Two runners answer the same job: the first answer of each model counts, the second harms nothing.
#[tokio::test]
async fn a_slow_runner_and_a_second_one_may_both_answer() {
    let world = World::new().await;
    let key = world.key("ops", &[Scope::Run]).await;
    let models = hosted(&world).await;
    let mut tx = world.app.db.begin().await.expect("begin");
    for model in &models {
        models::set_checked(&mut tx, &model.id, true, "", "")
            .await
            .expect("checked");
    }
    tx.commit().await.expect("commit");
    publish_run(&world, &models).await;
    let job = next(&world, &key, "r1").await.json;
    world.wall.set(NOW_US + 100_000_000);
    assert_eq!(
        next(&world, &key, "r1").await.status,
        StatusCode::NO_CONTENT,
        "r1 is at it"
    );
    let second = next(&world, &key, "r2").await;
    assert_eq!(second.json["lease"], job["lease"]);
    let (a, b) = (models[0].id.as_str(), models[1].id.as_str());
    let first = json!([{"model": a, "status": "ok", "detail": "", "p": [0.4]}]);
    let done = answer(&world, &key, &job["lease"], first).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text);
    let both = json!({"runner": "r2", "results": [
        {"model": a, "status": "ok", "detail": "", "p": [0.6]},
        {"model": b, "status": "ok", "detail": "", "p": [0.6]},
    ]});
    let lease = job["lease"].as_str().expect("a lease");
    let path = format!("/runner/jobs/{lease}/results");
    let done = world
        .send(Method::POST, &path, Some(&key), Some(&both))
        .await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text);
    let mut conn = world.app.db.read().await.expect("read");
    let mut posted = Vec::new();
    for model in &models {
        let receipt = predictions::received(&mut conn, &round(), &model.id)
            .await
            .expect("reads");
        posted.push(receipt.expect("submitted").posted_ppm);
    }
    assert_eq!(posted, [Some(400_000), Some(600_000)]);
}
