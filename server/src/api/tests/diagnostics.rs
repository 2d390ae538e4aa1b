//! The wire of diagnoses: the runner's job, its answers, and who sees what of the report.

use axum::http::{Method, StatusCode};
use domain::{Direction, Probability};
use scorer::matrix::Matrix;
use serde_json::{Value, json};

use super::{World, round};
use crate::accounts::{self, Scope};
use crate::app::testing::NOW_US;
use crate::diagnostics::{self, Era, Material, Report};
use crate::models::{self, Model};
use crate::runners;

const NEXT: &str = "/runner/jobs/next";
const DATASET: &str = "1.1.0-20240303";

/// An accepted hosted model of ada with a queued diagnosis over two rows; ada's key.
async fn queued(world: &World) -> (Model, String) {
    let key = world.key("ada", &[Scope::Read]).await;
    let folder = models::artifacts_dir(&world.app.settings.data_dir);
    let mut tx = world.app.db.begin().await.expect("begin");
    let (ada, _) = accounts::by_key(&mut tx, 1, &key, [127, 0, 0, 1].into())
        .await
        .expect("ada");
    let tournament = round().tournament().clone();
    let model = models::upload(
        &mut tx,
        &folder,
        1,
        &ada.id,
        &tournament,
        "net",
        b"x",
        false,
    );
    let model = model.await.expect("new");
    models::set_checked(&mut tx, &model.id, true, "", "")
        .await
        .expect("checked");
    let rows = [0.5, 1.5];
    let job = runners::publish_diagnosis(&mut tx, NOW_US, &model, DATASET, &rows, 1).await;
    let job = job.expect("published");
    diagnostics::queue(&mut tx, NOW_US, &model, DATASET, &job)
        .await
        .expect("queued");
    tx.commit().await.expect("commit");
    (model, key)
}

async fn known(world: &World, model: &Model, key: Option<&str>) -> Value {
    let path = format!("/models/{}/diagnostics", model.id);
    let answer = world.send(Method::GET, &path, key, None).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json
}

async fn next(world: &World, key: &str) -> Value {
    let hello = json!({"runner": "r1", "wait_ms": 0});
    let job = world
        .send(Method::POST, NEXT, Some(key), Some(&hello))
        .await;
    assert_eq!(job.status, StatusCode::OK, "{}", job.text);
    job.json
}

async fn answer(world: &World, key: &str, job: &Value, mut result: Value) {
    result["model"] = job["models"][0]["model"].clone();
    let lease = job["lease"].as_str().expect("a lease");
    let body = json!({"runner": "r1", "results": [result]});
    let path = format!("/runner/jobs/{lease}/results");
    let done = world
        .send(Method::POST, &path, Some(key), Some(&body))
        .await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text);
}

/// What the job of the server makes of two answers.
async fn evaluate(world: &World, model: &Model) {
    let mut tx = world.app.db.begin().await.expect("begin");
    let answered = diagnostics::answered(&mut tx, 1).await.expect("reads");
    let outcomes = [Direction::Up, Direction::Down];
    let eras: Vec<Era> = (0..)
        .zip(answered[0].answers.iter().zip(outcomes))
        .map(|(n, (p, outcome))| Era {
            start_us: n * 300_000_000,
            p: *p,
            outcome,
        })
        .collect();
    let material = Material {
        features: Matrix::zeros(2, 1),
        names: vec!["flat".to_owned()],
        pools: Vec::new(),
        rivals: Vec::new(),
        eras,
    };
    let report = Report::make(&material).expect("a report");
    let id = &model.id;
    diagnostics::set_eras(&mut tx, id, DATASET, &material.eras)
        .await
        .expect("kept");
    diagnostics::finish(&mut tx, NOW_US, id, DATASET, &report)
        .await
        .expect("finished");
    tx.commit().await.expect("commit");
}

#[tokio::test]
async fn a_diagnosis_goes_over_the_wire_and_single_answers_are_the_owners() {
    let world = World::new().await;
    let runner = world.key("ops", &[Scope::Run]).await;
    let (model, ada) = queued(&world).await;
    let waiting = known(&world, &model, None).await;
    assert_eq!(
        (&waiting["state"], &waiting["dataset"]),
        (&json!("queued"), &json!(DATASET))
    );
    let job = next(&world, &runner).await;
    assert_eq!(
        (&job["kind"], &job["deadline_us"]),
        (&json!("diagnose"), &Value::Null)
    );
    assert_eq!(job["features"]["rows"], 2);
    assert_eq!(known(&world, &model, None).await["state"], "running");
    answer(
        &world,
        &runner,
        &job,
        json!({"status": "ok", "p": [0.6, 0.5]}),
    )
    .await;
    assert_eq!(known(&world, &model, None).await["state"], "running");
    evaluate(&world, &model).await;

    let public = known(&world, &model, None).await;
    assert_eq!(
        (&public["state"], &public["reason"]),
        (&json!("done"), &Value::Null)
    );
    let report = &public["report"];
    // 0.25 less 0.16 and 0.25 less 0.25.
    let mean = report["skill_half"]["mean"].as_f64().expect("a mean");
    assert!((mean - 0.045).abs() < 1e-9, "{mean}");
    assert_eq!(report["eras"], Value::Null);
    assert_eq!(
        report["max_feature_exposure"],
        Value::Null,
        "a flat feature"
    );
    assert_eq!(
        (&report["crowd"], &report["compared"]),
        (&Value::Null, &json!(0))
    );
    let owned = known(&world, &model, Some(&ada)).await;
    let eras = owned["report"]["eras"].as_array().expect("eras");
    let p = Probability::from_ppm(600_000).expect("valid").to_f64();
    assert_eq!((eras.len(), &eras[0]["p"]), (2, &json!(p)));
    let stranger = known(&world, &model, Some(&runner)).await;
    assert_eq!(stranger["report"]["eras"], Value::Null);
}

#[tokio::test]
async fn a_model_that_does_not_answer_fails_and_a_fault_of_ours_is_tried_again() {
    let world = World::new().await;
    let runner = world.key("ops", &[Scope::Run]).await;
    let (model, _) = queued(&world).await;
    let job = next(&world, &runner).await;
    let ours = json!({"status": "platform-error", "detail": "no process"});
    answer(&world, &runner, &job, ours).await;
    world.wall.set(NOW_US + 11_000_000);
    assert_eq!(known(&world, &model, None).await["state"], "queued");
    let again = next(&world, &runner).await;
    assert_eq!(again["lease"], job["lease"]);
    let theirs = json!({"status": "limit-cpu", "detail": "more than 10 s"});
    answer(&world, &runner, &again, theirs).await;
    let failed = known(&world, &model, None).await;
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["reason"], "limit-cpu: more than 10 s");
    let mut conn = world.app.db.read().await.expect("read");
    let still = models::get(&mut conn, &model.id).await.expect("reads");
    assert_eq!(
        still.state,
        models::ModelState::Active,
        "nobody is punished"
    );
}

#[tokio::test]
async fn external_models_have_none_and_unknown_ones_no_diagnostics() {
    let world = World::new().await;
    let (_, model) = world.bot("ada").await;
    let answer = world.get(&format!("/models/{model}/diagnostics")).await;
    assert_eq!(answer.json["state"], "none");
    let reason = "only hosted models are run over the validation part";
    assert_eq!(answer.json["reason"], reason);
    let unknown = world.get("/models/nobody/diagnostics").await;
    unknown.is_problem(404, "unknown-model");
}
