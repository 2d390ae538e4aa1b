//! Runs of hosted models: their owner's at once, everybody's once the round is resolved.

use axum::http::{Method, StatusCode};
use domain::RoundState;
use serde_json::{Value, json};

use super::{ROUND, World, round};
use crate::accounts::Scope;
use crate::app::testing::NOW_US;
use crate::models::{self, Model};
use crate::receipts::{self, Given};
use crate::record::run::RunFile;
use crate::{accounts, predictions, runners};

/// float32 0.625, little-endian: what the model answers.
const SECRET: &str = "0000203f";

/// A hosted model of the account of `key` that is to run in the open round.
async fn to_run(world: &World, key: &str) -> Model {
    let mut tx = world.app.db.begin().await.expect("begin");
    let (owner, _) = accounts::by_key(&mut tx, 1, key, [127, 0, 0, 1].into())
        .await
        .expect("an account");
    let folder = models::artifacts_dir(&world.app.settings.data_dir);
    let tournament = round().tournament().clone();
    let model = models::upload(
        &mut tx,
        &folder,
        1,
        &owner.id,
        &tournament,
        "net",
        b"net",
        false,
    );
    let model = model.await.expect("new");
    models::set_checked(&mut tx, &model.id, true, "", "{}")
        .await
        .expect("checked");
    let hosted = [models::get(&mut tx, &model.id).await.expect("reads")];
    let row = [0.5, 1.5];
    runners::publish_run(&mut tx, 1, &round(), NOW_US + 200_000_000, &row, 2, &hosted)
        .await
        .expect("published");
    let given = Given {
        features: &row,
        names: &["one", "two"],
        columns: 2,
    };
    receipts::open(&mut tx, NOW_US, &round(), given, &hosted)
        .await
        .expect("opens");
    tx.commit().await.expect("commit");
    model
}

/// Answers as a runner does, and says what ran the model.
async fn answer(world: &World, key: &str, model: &Model, runner: &str, p: f64) {
    let hello = json!({"runner": runner, "wait_ms": 0});
    let next = "/runner/jobs/next";
    let job = world
        .send(Method::POST, next, Some(key), Some(&hello))
        .await;
    let lease = job.json["lease"].as_str();
    let lease = lease.unwrap_or_else(|| panic!("no lease for {runner}: {}", job.text));
    let environment = json!({
        "profile": "cpu-v1", "ort_version": "1.31.1", "library": "ab".repeat(32),
        "provider": "CPUExecutionProvider", "isa": "x86-64-v3", "sandbox": "full",
        "a field of a later runner": 1,
    });
    let body = json!({
        "runner": runner, "environment": environment,
        "results": [{"model": model.id.as_str(), "status": "ok", "p": [p], "cpu_ms": 4}],
    });
    let path = format!("/runner/jobs/{lease}/results");
    let done = world
        .send(Method::POST, &path, Some(key), Some(&body))
        .await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text);
}

#[tokio::test]
async fn a_run_is_its_owners_until_the_outcome_and_everybodys_after() {
    let world = World::new().await;
    let ops = world.key("ops", &[Scope::Run]).await;
    let key = world.key("ada", &[Scope::Read]).await;
    let stranger = world.key("bob", &[Scope::Read]).await;
    let model = to_run(&world, &key).await;
    let run = format!("/rounds/{ROUND}/runs/{}", model.id);
    let list = format!("/models/{}/receipts", model.id);
    let own = async |path: &str| world.send(Method::GET, path, Some(&key), None).await;
    own(&run).await.is_problem(404, "no-run");
    answer(&world, &ops, &model, "r1", 0.625).await;

    let detail = world.get(&format!("/rounds/{ROUND}")).await;
    let roots = &detail.json["runs"];
    assert!(
        roots["models_root"].is_string(),
        "they stand before T: {roots}"
    );
    let shown = own(&run).await;
    let whole: RunFile = serde_json::from_value(shown.json.clone()).expect("a run");
    let signers = [world.app.receipts.address()];
    assert_eq!(whole.differences(&signers), [] as [String; 0]);
    assert_eq!(whole.output, SECRET);
    assert_eq!(roots["models_root"], whole.models_root.to_string());
    assert_eq!(roots["input_root"], whole.receipt.input_root.to_string());
    assert_eq!((whole.receipt.sequence, whole.receipt.cpu_ms), (1, 4));
    let listed = own(&list).await.json;
    assert_eq!(listed["receipts"][0]["runtime"]["sandbox"], "full");
    assert_eq!(listed["receipts"][0]["run"], format!("/api/v1{run}"));

    let mut tx = world.app.db.begin().await.expect("begin");
    receipts::seal(&mut tx, NOW_US, &round(), [5; 32])
        .await
        .expect("seals");
    tx.commit().await.expect("commit");
    let states = [
        RoundState::Open,
        RoundState::Locked,
        RoundState::Committed,
        RoundState::Evidenced,
        RoundState::Resolved,
    ];
    for pair in states.windows(2) {
        for other in [None, Some(stranger.as_str())] {
            let hidden = world.send(Method::GET, &run, other, None).await;
            hidden.is_problem(403, "not-yet-resolved");
            let hidden = world.send(Method::GET, &list, other, None).await;
            assert_eq!(hidden.json["receipts"], json!([]), "{}", hidden.text);
        }
        let mine = own(&run).await.json;
        assert_eq!(mine["committed"], Value::Null, "it hides others too");
        world.advance(pair[0], pair[1]).await;
    }
    let shown = world.get(&run).await;
    let whole: RunFile = serde_json::from_value(shown.json).expect("a run");
    assert_eq!(whole.differences(&signers), [] as [String; 0]);
    assert!(whole.committed.is_some() && whole.receipt_proof.is_some());
    let listed = world.get(&format!("{list}?limit=1")).await.json;
    assert_eq!(listed["receipts"][0]["status"], "ok");
    assert_eq!(listed["next_before"], 1);
    let rest = world.get(&format!("{list}?before=1")).await.json;
    assert_eq!(
        (&rest["receipts"], &rest["next_before"]),
        (&json!([]), &json!(null))
    );
    let unknown = format!("/rounds/{ROUND}/runs/nobody");
    world.get(&unknown).await.is_problem(404, "unknown-model");
}

#[tokio::test]
async fn an_outvoted_lie_counts_no_more_and_its_receipt_is_corrected() {
    let world = World::new().await;
    let ops = world.key("ops", &[Scope::Run]).await;
    let key = world.key("ada", &[Scope::Read]).await;
    let model = to_run(&world, &key).await;
    let mut tx = world.app.db.begin().await.expect("begin");
    let all = [models::get(&mut tx, &model.id).await.expect("reads")];
    let wall_us = world.wall.now_us();
    runners::sample_run(&mut tx, wall_us, &round(), &all, &[7; 32], 1_000_000)
        .await
        .expect("chooses");
    tx.commit().await.expect("commit");
    let run = format!("/rounds/{ROUND}/runs/{}", model.id);
    let shown = async || {
        let shown = world.send(Method::GET, &run, Some(&key), None).await;
        let whole: RunFile = serde_json::from_value(shown.json).expect("a run");
        let signers = [world.app.receipts.address()];
        assert_eq!(whole.differences(&signers), [] as [String; 0]);
        let mut conn = world.app.db.read().await.expect("read");
        let counted = predictions::received(&mut conn, &round(), &model.id).await;
        let counted = counted.expect("reads").expect("submitted");
        (whole.receipt.runner, whole.output, counted.posted_ppm)
    };
    answer(&world, &ops, &model, "liar", 0.875).await;
    let lie = ("liar".to_owned(), "0000603f".to_owned(), Some(875_000));
    assert_eq!(shown().await, lie);
    answer(&world, &ops, &model, "second", 0.625).await;
    assert_eq!(shown().await, lie, "one word against another");
    answer(&world, &ops, &model, "third", 0.625).await;
    assert_eq!(
        shown().await,
        ("third".to_owned(), SECRET.to_owned(), Some(625_000))
    );
    let list = format!("/models/{}/receipts", model.id);
    let listed = world.send(Method::GET, &list, Some(&key), None).await.json;
    let runners = [
        &listed["receipts"][0]["runner"],
        &listed["receipts"][1]["runner"],
    ];
    assert_eq!(runners, [&json!("third"), &json!("liar")], "both stay");
}
