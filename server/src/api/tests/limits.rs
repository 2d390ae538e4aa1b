//! What a caller sees of its limits, and bodies that do not come.

use std::time::Duration;

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};

use super::*;
use crate::api::pace;

#[tokio::test]
async fn a_flood_is_told_when_to_come_back_and_a_key_counts_for_itself() {
    let world = World::with_limits(LimitSettings::default()).await;
    let first = world.get("/tournaments").await;
    let header = |answer: &Answer, name: &str| {
        let value = answer.headers.get(name).map(|value| value.to_str());
        value.map(|value| value.expect("text").to_owned())
    };
    let policy = header(&first, "ratelimit-policy").expect("a policy");
    assert_eq!(policy, "\"read-per-address\";q=120;w=12");
    let left = header(&first, "ratelimit").expect("a standing");
    assert_eq!(left, "\"read-per-address\";r=119;t=1");
    for _ in 0..119 {
        let answer = world.get("/tournaments").await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let refused = world.get("/tournaments").await;
    refused.is_problem(429, "rate-limited");
    assert_eq!(header(&refused, "retry-after").as_deref(), Some("1"));
    let left = header(&refused, "ratelimit").expect("a standing");
    assert_eq!(left, "\"read-per-address\";r=0;t=12");
    // Other classes go on, and a key that was accepted once has limits of its own.
    let key = world.key("ada", &[Scope::Upload]).await;
    let body = serde_json::json!({"tournament": "btc-usd-5m", "name": "one"});
    let made = world.send(Method::POST, "/models", Some(&key), Some(&body));
    assert_eq!(made.await.status, StatusCode::CREATED);
    let read = world
        .send(Method::GET, "/tournaments", Some(&key), None)
        .await;
    let left = header(&read, "ratelimit").expect("a standing");
    assert_eq!(left, "\"read-per-key\";r=239;t=1");
    let false_key = format!("{}0", &key[..key.len() - 1]);
    let read = world.send(Method::GET, "/tournaments", Some(&false_key), None);
    read.await.is_problem(429, "rate-limited");
    world.wall.set(world.wall.now_us() + 1_000_000);
    assert_eq!(world.get("/tournaments").await.status, StatusCode::OK);
}

async fn answered(body: Body, grace: Duration) -> Response {
    let read = async |body: Body| match to_bytes(body, 1 << 24).await {
        Ok(bytes) => (StatusCode::OK, bytes.len().to_string()).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    };
    let router =
        Router::new()
            .route("/", axum::routing::post(read))
            .layer(axum::middleware::from_fn(move |request, next| {
                pace::paced(request, next, grace)
            }));
    let request = Request::post("/").body(body).expect("a request");
    router.oneshot(request).await.expect("infallible")
}

#[tokio::test]
async fn a_body_that_dribbles_ends_with_408_and_one_that_comes_is_read() {
    let grace = Duration::from_millis(100);
    let chunk = Bytes::from_static(&[7; 9_000]);
    let slowly = |chunks: usize, bytes: Bytes| {
        Body::from_stream(stream::iter(0..chunks).then(move |_| {
            let bytes = bytes.clone();
            async move {
                crate::wall::pause(Duration::from_millis(30)).await;
                Ok::<_, std::io::Error>(bytes)
            }
        }))
    };
    let dribble = answered(slowly(100, Bytes::from_static(b"x")), grace).await;
    assert_eq!(dribble.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(dribble.headers()[header::CONNECTION], "close");
    let body = to_bytes(dribble.into_body(), 1 << 16)
        .await
        .expect("a body");
    let problem: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(problem["code"], "request-timeout");
    let never = answered(
        Body::from_stream(stream::pending::<std::io::Result<Bytes>>()),
        grace,
    );
    assert_eq!(never.await.status(), StatusCode::REQUEST_TIMEOUT);
    // Longer than the grace, at a pace that earns it.
    let steady = answered(slowly(10, chunk), grace).await;
    assert_eq!(steady.status(), StatusCode::OK);
}
