//! Refusals that any endpoint may give, and the document that lists them.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::json;

use super::{ROUND, World};
use crate::accounts::{self, Scope};

#[tokio::test]
async fn keys_are_asked_for_checked_and_revoked_at_once() {
    let world = World::new().await;
    let body = json!({"tournament": "btc-usd-5m", "name": "x"});
    let post =
        async |key: Option<&str>| world.send(Method::POST, "/models", key, Some(&body)).await;
    let missing = post(None).await;
    missing.is_problem(401, "key-missing");
    let remedy = missing.json["remedy"].as_str().expect("text");
    assert!(remedy.contains("foretoken admin key create") && remedy.contains("Authorization"));
    assert!(missing.headers.contains_key(header::WWW_AUTHENTICATE));
    post(Some("ftk_x")).await.is_problem(401, "key-malformed");
    let weak = world.key("weak", &[Scope::Read]).await;
    post(Some(&weak)).await.is_problem(403, "scope-missing");
    let key = world.key("ada", &[Scope::Upload]).await;
    assert_eq!(post(Some(&key)).await.status, StatusCode::CREATED);
    let id = key.split('_').nth(1).expect("an id");
    let mut tx = world.app.db.begin().await.expect("begin");
    accounts::revoke_key(&mut tx, 1, id).await.expect("revoked");
    tx.commit().await.expect("commit");
    let revoked = post(Some(&key)).await;
    revoked.is_problem(401, "key-revoked");
    assert!(!revoked.text.contains(&key), "a key is never repeated");
}

#[tokio::test]
async fn unknown_addresses_methods_and_bodies_are_problems() {
    let world = World::new().await;
    let nothing = world.get("/nothing").await;
    nothing.is_problem(404, "unknown-route");
    assert_eq!(nothing.json["detail"], "Nothing is at /api/v1/nothing.");
    let wrong = world.send(Method::DELETE, "/time", None, None).await;
    wrong.is_problem(405, "wrong-method");
    assert!(wrong.headers.contains_key(header::ALLOW));
    world
        .get("/tournaments/none")
        .await
        .is_problem(404, "unknown-tournament");
    world
        .get("/tournaments/N%20o")
        .await
        .is_problem(404, "unknown-tournament");
    world
        .get("/models/none")
        .await
        .is_problem(404, "unknown-model");
    for query in [
        "limit=0",
        "limit=501",
        "limit=x",
        "state=odd",
        "before=soon",
        "unknown=1",
    ] {
        world
            .get(&format!("/rounds?{query}"))
            .await
            .is_problem(400, "query-invalid");
    }
    world
        .get("/models?mine=true")
        .await
        .is_problem(401, "key-missing");
    let key = world.key("ada", &[Scope::Upload]).await;
    let raw = |form: Option<&str>, body: Vec<u8>| {
        let mut request =
            Request::post("/api/v1/models").header(header::AUTHORIZATION, format!("Bearer {key}"));
        if let Some(form) = form {
            request = request.header(header::CONTENT_TYPE, form);
        }
        request.body(Body::from(body)).expect("a request")
    };
    let json_form = Some("application/json");
    world
        .request(raw(json_form, b"{".to_vec()))
        .await
        .is_problem(400, "body-not-json");
    world
        .request(raw(None, b"{}".to_vec()))
        .await
        .is_problem(415, "content-type-wrong");
    let large = vec![b' '; (1 << 20) + 1];
    world
        .request(raw(json_form, large))
        .await
        .is_problem(413, "body-too-large");
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let world = World::new().await;
    let ours = world.get("/time").await;
    assert!(ours.headers.contains_key("x-request-id"));
    let named = |id: &str| {
        let request = Request::get("/api/v1/none").header("x-request-id", id);
        request.body(Body::empty()).expect("a request")
    };
    let kept = world.request(named("mine-1")).await;
    assert_eq!(kept.headers["x-request-id"], "mine-1");
    let replaced = world.request(named("no words")).await;
    assert_ne!(replaced.headers["x-request-id"], "no words");
}

#[tokio::test]
async fn the_service_tells_its_clock_its_health_and_its_counts() {
    let world = World::new().await;
    let time = world.get("/time").await;
    assert_eq!(time.json["now_us"], crate::app::testing::NOW_US);
    assert_eq!(time.json["speed"], 1.0);
    let health = world.get("/health").await;
    assert_eq!(
        (&health.json["status"], &health.json["database"]),
        (&json!("ok"), &json!("ok"))
    );
    crate::api::metrics::install().expect("the first recorder of this process");
    crate::api::metrics::install().expect("a second call changes nothing");
    world.get("/time").await;
    let metrics = world.get("/metrics").await;
    assert!(
        metrics
            .text
            .contains("path=\"/api/v1/time\",status=\"200\""),
        "{}",
        metrics.text
    );
    for line in [
        "foretoken_settlement_halted 0",
        "foretoken_settlement_halted_seconds 0.000",
        "foretoken_settlement_open_intents{action=\"propose\",state=\"sent\"} 0",
        "foretoken_settlement_oldest_open_intent_seconds 0.000",
        "foretoken_settlement_batches{state=\"rejected\"} 0",
        "# TYPE foretoken_settlement_fee_bumps_total counter",
        "foretoken_ledger_imbalance_units 0",
        "foretoken_rounds_void_total{reason=\"quorum\"} 0",
    ] {
        assert!(metrics.text.lines().any(|said| said == line), "{line}");
    }
    // Every sample has its name, help and type once, and a number.
    let heads = metrics
        .text
        .lines()
        .filter(|line| line.starts_with("# TYPE foretoken_"));
    let mut names: Vec<&str> = heads.filter_map(|line| line.split(' ').nth(2)).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[tokio::test]
async fn the_document_lists_every_endpoint_with_its_problems() {
    let world = World::new().await;
    let document = world.get("/openapi.json").await.json;
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|version| version.starts_with("3.1"))
    );
    let paths = document["paths"].as_object().expect("paths");
    assert!(
        paths.keys().all(|path| path.starts_with("/api/v1/")),
        "{:?}",
        paths.keys()
    );
    let put = &document["paths"]["/api/v1/rounds/{round}/predictions/{model}"]["put"];
    for status in [
        "200", "400", "401", "403", "404", "405", "409", "413", "422", "500", "504",
    ] {
        assert!(put["responses"][status].is_object(), "{status}");
    }
    let problem = &put["responses"]["409"]["content"]["application/problem+json"]["schema"];
    assert_eq!(problem["$ref"], "#/components/schemas/Problem");
    let schemas = document["components"]["schemas"]
        .as_object()
        .expect("schemas");
    for name in ["Problem", "Receipt", "Prediction", "RoundDetailBody"] {
        assert!(schemas.contains_key(name), "{name} of {:?}", schemas.keys());
    }
    let text = document.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().expect("a name");
        assert!(schemas.contains_key(name), "{name} is named and missing");
    }
}

#[tokio::test]
async fn tournaments_and_pages_of_rounds() {
    let world = World::new().await;
    let all = world.get("/tournaments").await;
    assert_eq!(all.json["tournaments"].as_array().map(Vec::len), Some(2));
    let one = world.get("/tournaments/btc-usd-5m").await;
    assert_eq!(one.json["stake"]["a"], 0.35);
    assert!(
        one.json["rule_hash"]
            .as_str()
            .is_some_and(|hash| hash.len() == 64)
    );
    let open = world.get("/rounds?state=open").await;
    assert_eq!(open.json["rounds"][0]["id"], ROUND);
    let page = world.get("/rounds?tournament=btc-usd-5m&limit=1").await;
    let before = page.json["next_before"]
        .as_str()
        .expect("another page")
        .to_owned();
    let next = world
        .get(&format!(
            "/rounds?tournament=btc-usd-5m&limit=1&before={before}"
        ))
        .await;
    let start = |answer: &super::Answer| answer.json["rounds"][0]["start_us"].as_i64();
    assert!(start(&next) < start(&page), "{} {}", page.text, next.text);
}
