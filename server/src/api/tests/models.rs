//! Registering, uploading, reading and retiring models.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::json;

use super::{Answer, World};
use crate::accounts::Scope;
use crate::models::ARTIFACT_LIMIT;

async fn upload(world: &World, key: &str, query: &str, form: &str, bytes: Body) -> Answer {
    let request = Request::post(format!("/api/v1/models/upload?{query}"))
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .header(header::CONTENT_TYPE, form)
        .body(bytes);
    world.request(request.expect("a request")).await
}

#[tokio::test]
async fn an_uploaded_model_waits_for_its_check() {
    let world = World::new().await;
    let key = world.key("ada", &[Scope::Upload]).await;
    let (form, query) = (
        "application/octet-stream",
        "tournament=btc-usd-5m&name=Net%201",
    );
    let up = upload(&world, &key, query, form, Body::from("onnx")).await;
    assert_eq!(up.status, StatusCode::CREATED, "{}", up.text);
    assert_eq!(
        (&up.json["state"], &up.json["hosting"]),
        (&json!("checking"), &json!("hosted"))
    );
    let digest = up.json["artifact"].as_str().expect("a digest");
    let path = world
        .app
        .settings
        .data_dir
        .join("artifacts")
        .join(format!("{digest}.onnx"));
    assert_eq!(std::fs::read(path).expect("the artifact"), b"onnx");
    let taken = upload(&world, &key, query, form, Body::from("other")).await;
    taken.is_problem(409, "model-name-taken");
    let id = up.json["id"].as_str().expect("an id");
    let detail = world.get(&format!("/models/{id}")).await;
    assert_eq!(
        (&detail.json["stake"], &detail.json["name"]),
        (&json!(null), &json!("Net 1"))
    );
    let mine = world
        .send(Method::GET, "/models?mine=true", Some(&key), None)
        .await;
    assert_eq!(mine.json["models"][0]["id"], *id);
    let gone = world
        .send(Method::DELETE, &format!("/models/{id}"), Some(&key), None)
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(
        world.get(&format!("/models/{id}")).await.json["state"],
        "retired"
    );
}

#[tokio::test]
async fn uploads_that_break_a_rule_are_refused_and_leave_no_file() {
    let world = World::new().await;
    let key = world.key("ada", &[Scope::Upload]).await;
    let form = "application/octet-stream";
    let good = "tournament=btc-usd-5m&name=net";
    let empty = upload(&world, &key, good, form, Body::empty()).await;
    empty.is_problem(422, "artifact-empty");
    let typed = upload(&world, &key, good, "application/json", Body::from("x")).await;
    typed.is_problem(415, "content-type-wrong");
    let nowhere = upload(
        &world,
        &key,
        "tournament=none&name=net",
        form,
        Body::from("x"),
    )
    .await;
    nowhere.is_problem(404, "unknown-tournament");
    let named = upload(
        &world,
        &key,
        "tournament=btc-usd-5m&name=%3Cb%3E",
        form,
        Body::from("x"),
    );
    named.await.is_problem(422, "model-name-invalid");
    let half = upload(&world, &key, "name=net", form, Body::from("x")).await;
    half.is_problem(400, "query-invalid");
    let length = usize::try_from(ARTIFACT_LIMIT).expect("fits") + 1;
    let large = upload(&world, &key, good, form, Body::from(vec![0; length])).await;
    large.is_problem(413, "body-too-large");
    let folder = world.app.settings.data_dir.join("artifacts");
    let left = std::fs::read_dir(folder).map_or(0, Iterator::count);
    assert_eq!(left, 0);
}

#[tokio::test]
async fn strangers_cannot_retire_a_model() {
    let world = World::new().await;
    let (_, model) = world.bot("ada").await;
    let (bob, _) = world.bot("bob").await;
    let path = format!("/models/{model}");
    let refused = world.send(Method::DELETE, &path, Some(&bob), None).await;
    refused.is_problem(403, "not-owner");
}
