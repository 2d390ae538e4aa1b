//! From an accepted model over a runner's answers to its diagnostics, over a published dataset.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{World, round};
use crate::accounts::{self, Scope};
use crate::app::testing::NOW_US;
use crate::jobs::diagnose_model::Diagnoses;
use crate::jobs::publish_dataset;
use crate::models::{self, Model};

/// Accepted hosted models: name, owner, content.
const MODELS: [(&str, &str, &[u8]); 3] = [
    ("first", "ada", b"one"),
    ("second", "ada", b"two"),
    ("copy", "bob", b"one"),
];

/// The models and the key of their first owner.
async fn accepted(world: &World) -> (Vec<Model>, String) {
    let key = world.key("ada", &[Scope::Read]).await;
    let folder = models::artifacts_dir(&world.app.settings.data_dir);
    let mut tx = world.app.db.begin().await.expect("begin");
    let (ada, _) = accounts::by_key(&mut tx, &key).await.expect("ada");
    let bob = accounts::create(&mut tx, 1, "bob", "", false).await;
    let bob = bob.expect("an account").id;
    let mut all = Vec::new();
    for (name, owner, bytes) in MODELS {
        let owner = if owner == "ada" { &ada.id } else { &bob };
        let tournament = round().tournament().clone();
        let model = models::upload(&mut tx, &folder, 1, owner, &tournament, name, bytes, false);
        let model = model.await.expect("new");
        models::set_checked(&mut tx, &model.id, true, "", "")
            .await
            .expect("checked");
        all.push(model);
    }
    tx.commit().await.expect("commit");
    (all, key)
}

async fn diagnostics(world: &World, model: &Model, key: Option<&str>) -> Value {
    let path = format!("/models/{}/diagnostics", model.id);
    let answer = world.send(Method::GET, &path, key, None).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json
}

/// What a model answers to row `row`.
fn said(model: &str, row: usize) -> f64 {
    let place = f64::from(u32::try_from(row).expect("few"));
    let pace = if model.ends_with("second") { 1.3 } else { 0.7 };
    0.5 + 0.05 * (place * pace).sin()
}

/// A runner that answers every job there is; answers how many.
async fn answer_all(world: &World, key: &str) -> usize {
    for count in 0.. {
        let hello = json!({"runner": "r1", "wait_ms": 0});
        let next = "/runner/jobs/next";
        let job = world
            .send(Method::POST, next, Some(key), Some(&hello))
            .await;
        if job.status == StatusCode::NO_CONTENT {
            return count;
        }
        assert_eq!(job.json["kind"], "diagnose", "{}", job.text);
        assert_eq!(job.json["deadline_us"], Value::Null);
        let rows = job.json["features"]["rows"].as_u64().expect("a number");
        let rows = usize::try_from(rows).expect("few");
        assert!(rows > 1_000, "six days of rounds: {rows}");
        let model = job.json["models"][0]["model"].as_str().expect("an id");
        let p: Vec<f64> = (0..rows).map(|row| said(model, row)).collect();
        let lease = job.json["lease"].as_str().expect("a lease");
        let body = json!({"runner": "r1", "results": [{"model": model, "status": "ok", "p": p}]});
        let path = format!("/runner/jobs/{lease}/results");
        let done = world
            .send(Method::POST, &path, Some(key), Some(&body))
            .await;
        assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text);
    }
    unreachable!("the loop has no other end")
}

#[tokio::test]
async fn accepted_models_are_diagnosed_over_the_validation_part() {
    let world = World::new().await;
    let runner = world.key("ops", &[Scope::Run]).await;
    let (models, ada) = accepted(&world).await;
    let mut diagnoses = Diagnoses::default();
    diagnoses.tick(&world.app).await.expect("nothing to do");
    let none = diagnostics(&world, &models[0], None).await;
    assert_eq!(
        (&none["state"], &none["report"]),
        (&json!("none"), &Value::Null)
    );
    assert_eq!(none["reason"], "no dataset is published yet");

    let app = &world.app;
    publish_dataset::publish(&app.db, &app.releases, NOW_US, true)
        .await
        .expect("published");
    assert_eq!(
        diagnostics(&world, &models[0], None).await["state"],
        "queued"
    );
    diagnoses.tick(app).await.expect("queued");
    assert_eq!(answer_all(&world, &runner).await, MODELS.len());
    assert_eq!(
        diagnostics(&world, &models[0], None).await["state"],
        "running"
    );
    diagnoses.tick(app).await.expect("evaluated");
    diagnoses.tick(app).await.expect("nothing more to do");
    assert_eq!(
        answer_all(&world, &runner).await,
        0,
        "a version is run once"
    );

    let public = diagnostics(&world, &models[0], None).await;
    assert_eq!(
        (&public["state"], &public["reason"]),
        (&json!("done"), &Value::Null)
    );
    let report = &public["report"];
    assert_eq!(
        report["eras"],
        Value::Null,
        "single answers are the owner's"
    );
    assert_eq!(report["compared"], 2);
    assert_eq!(report["days"].as_array().map(Vec::len), Some(6));
    assert_eq!(report["exposures"].as_array().map(Vec::len), Some(12));
    assert_eq!(
        report["max_feature_exposure"].as_f64(),
        report["exposures"][0]["correlation"].as_f64().map(f64::abs)
    );
    let crowd = &report["crowd"];
    assert_eq!(
        (&crowd["source"], &crowd["models"]),
        (&json!("models"), &json!(1))
    );
    let own = &report["own_models"];
    assert_eq!(
        (own.as_array().map(Vec::len), &own[0]["name"]),
        (Some(1), &json!("second"))
    );
    assert_eq!(own[0]["model"], models[1].id.as_str());
    let clones = &report["likely_clones"];
    assert_eq!(
        (clones.as_array().map(Vec::len), &clones[0]["name"]),
        (Some(1), &json!("copy"))
    );
    assert_eq!(
        (&clones[0]["model"], &clones[0]["is_same_graph"]),
        (&Value::Null, &json!(true))
    );

    let owned = diagnostics(&world, &models[0], Some(&ada)).await;
    let eras = owned["report"]["eras"].as_array().expect("eras");
    assert_eq!(
        eras.len(),
        usize::try_from(report["skill_half"]["rounds"].as_u64().expect("n")).expect("few")
    );
    let sum: f64 = eras.iter().filter_map(|era| era["skill"].as_f64()).sum();
    let mean = sum / f64::from(u32::try_from(eras.len()).expect("few"));
    let told = report["skill_half"]["mean"].as_f64().expect("a mean");
    assert!((mean - told).abs() < 1e-12, "{mean} {told}");
    let other = diagnostics(&world, &models[2], Some(&ada)).await;
    assert_eq!(other["report"]["eras"], Value::Null, "another account's");
}

#[tokio::test]
async fn a_model_that_does_not_answer_fails_with_the_reason() {
    let world = World::new().await;
    let runner = world.key("ops", &[Scope::Run]).await;
    let (models, _) = accepted(&world).await;
    let app = &world.app;
    publish_dataset::publish(&app.db, &app.releases, NOW_US, true)
        .await
        .expect("published");
    Diagnoses::default().tick(app).await.expect("queued");
    let hello = json!({"runner": "r1", "wait_ms": 0});
    let job = world
        .send(
            Method::POST,
            "/runner/jobs/next",
            Some(&runner),
            Some(&hello),
        )
        .await;
    let id = job.json["models"][0]["model"].as_str().expect("an id");
    let path = format!(
        "/runner/jobs/{}/results",
        job.json["lease"].as_str().expect("a lease")
    );
    for (status, detail, state) in [
        ("platform-error", "no process", "queued"),
        ("limit-cpu", "more than 10 s", "failed"),
    ] {
        let result = json!({"model": id, "status": status, "detail": detail});
        let body = json!({"runner": "r1", "results": [result]});
        let done = world
            .send(Method::POST, &path, Some(&runner), Some(&body))
            .await;
        assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text);
        world.wall.set(NOW_US + 11_000_000);
        let model = models
            .iter()
            .find(|model| model.id.as_str() == id)
            .expect("ours");
        let known = diagnostics(&world, model, None).await;
        assert_eq!(known["state"], state, "{known}");
        if state == "failed" {
            assert_eq!(known["reason"], "limit-cpu: more than 10 s");
        } else {
            // Our own fault: the job is lent again, and may be answered.
            let again = world.send(
                Method::POST,
                "/runner/jobs/next",
                Some(&runner),
                Some(&hello),
            );
            assert_eq!(again.await.json["lease"], job.json["lease"]);
        }
    }
}

#[tokio::test]
async fn external_models_have_none_and_unknown_ones_no_diagnostics() {
    let world = World::new().await;
    let (_, model) = world.bot("ada").await;
    let answer = world.get(&format!("/models/{model}/diagnostics")).await;
    assert_eq!(answer.json["state"], "none");
    assert_eq!(
        answer.json["reason"],
        "only hosted models are run over the validation part"
    );
    world
        .get("/models/nobody/diagnostics")
        .await
        .is_problem(404, "unknown-model");
}
