//! The wire of the fleet: registration, heartbeats, the public list, metrics.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::World;
use crate::accounts::Scope;
use crate::runners::fleet;

const REGISTER: &str = "/runner/registrations";
const BEAT: &str = "/runner/heartbeats";

fn machine(name: &str) -> Value {
    json!({"runner": name, "version": "1", "runtime": "ort", "sandbox": "full", "device": "cuda",
           "cores": 8, "memory_mb": 16_000, "workers": 4,
           "benchmark": {"models_per_s": 12.5, "tree_ms": 1.25, "dense_ms": 0.5}})
}

#[tokio::test]
async fn a_runner_registers_beats_drains_and_is_listed() {
    let world = World::new().await;
    let key = world.key("ops", &[Scope::Run]).await;
    let beat = json!({"runner": "r1", "free_workers": 3, "load": 0.5, "draining": false});
    let early = world
        .send(Method::POST, BEAT, Some(&key), Some(&beat))
        .await;
    early.is_problem(404, "unknown-runner");
    let body = machine("r1");
    let answer = world
        .send(Method::POST, REGISTER, Some(&key), Some(&body))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json, json!({"heartbeat_ms": 2_000, "drain": false}));
    let answer = world
        .send(Method::POST, BEAT, Some(&key), Some(&beat))
        .await;
    assert_eq!(answer.json, json!({"drain": false}));
    let listed = world.get("/runners").await.json;
    let runner = &listed["runners"][0];
    let expected = [
        ("name", json!("r1")),
        ("live", json!(true)),
        ("draining", json!(false)),
        ("device", json!("cuda")),
        ("profile", json!("gpu-v1")),
        ("models_per_s", json!(12.5)),
        ("tree_ms", json!(1.25)),
        ("free_workers", json!(3)),
        ("reputation", json!(0.5)),
    ];
    for (name, value) in expected {
        assert_eq!(runner[name], value, "{name} of {runner}");
    }
    let mut tx = world.app.db.begin().await.expect("begin");
    let asked = fleet::ask_to_drain(&mut tx, world.wall.now_us(), "r1", true).await;
    asked.expect("asks");
    tx.commit().await.expect("commit");
    let answer = world
        .send(Method::POST, BEAT, Some(&key), Some(&beat))
        .await;
    assert_eq!(answer.json, json!({"drain": true}));
    let later_us = world.wall.now_us() + fleet::LIVE_US;
    world.wall.set(later_us);
    let runner = world.get("/runners").await.json["runners"][0].clone();
    assert_eq!(
        (&runner["live"], &runner["draining"]),
        (&json!(false), &json!(true))
    );
}

#[tokio::test]
async fn names_scopes_and_numbers_are_checked() {
    let world = World::new().await;
    let key = world.key("ops", &[Scope::Run]).await;
    let other = world.key("other", &[Scope::Run]).await;
    let weak = world.key("weak", &[Scope::Predict]).await;
    let body = machine("r1");
    let refused = world
        .send(Method::POST, REGISTER, Some(&weak), Some(&body))
        .await;
    refused.is_problem(403, "scope-missing");
    let odd = machine("r 1");
    let refused = world
        .send(Method::POST, REGISTER, Some(&key), Some(&odd))
        .await;
    refused.is_problem(422, "runner-name-invalid");
    world
        .send(Method::POST, REGISTER, Some(&key), Some(&body))
        .await;
    let stolen = world
        .send(Method::POST, REGISTER, Some(&other), Some(&body))
        .await;
    stolen.is_problem(409, "runner-name-taken");
    let beat = json!({"runner": "r1", "free_workers": 1});
    let stolen = world
        .send(Method::POST, BEAT, Some(&other), Some(&beat))
        .await;
    stolen.is_problem(409, "runner-name-taken");
    let mut wild = machine("r2");
    wild["workers"] = json!(1_000_000);
    wild["device"] = json!("abacus");
    wild["benchmark"]["models_per_s"] = json!(1e300);
    let answer = world
        .send(Method::POST, REGISTER, Some(&key), Some(&wild))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let listed = world.get("/runners").await.json;
    let runner = &listed["runners"][1];
    assert_eq!(
        (&runner["workers"], &runner["device"]),
        (&json!(1_024), &json!("cpu"))
    );
    assert_eq!(runner["models_per_s"], json!(100_000.0));
}
