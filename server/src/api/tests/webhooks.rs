//! Webhooks against a receiver on this machine.

use std::net::SocketAddr;
use std::sync::Mutex;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::timestamp::SECOND_US;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;

use super::events::Live;
use super::*;
use crate::events::Told;
use crate::jobs::deliver_webhooks;

/// A request as the receiver got it.
#[derive(Clone, Debug)]
struct Got {
    headers: HeaderMap,
    body: String,
}

/// Answers with the given statuses in turn, the last one for ever.
struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

type Shared = (Arc<Mutex<Vec<Got>>>, Arc<Mutex<Vec<u16>>>);

async fn take(State((got, statuses)): State<Shared>, headers: HeaderMap, body: String) -> Response {
    got.lock().expect("whole").push(Got { headers, body });
    let mut statuses = statuses.lock().expect("whole");
    let status = match statuses.len() {
        1 => statuses[0],
        _ => statuses.remove(0),
    };
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("location", "/elsewhere")], "x".repeat(3_000)).into_response()
}

impl Receiver {
    async fn answering(statuses: &[u16]) -> Self {
        let got = Arc::new(Mutex::new(Vec::new()));
        let statuses = Arc::new(Mutex::new(statuses.to_vec()));
        let router = Router::new()
            .route("/hook", post(take))
            .route("/elsewhere", post(take))
            .with_state((Arc::clone(&got), statuses));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, got }
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().expect("whole").clone()
    }
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("text")
    }

    /// Whether one of the signatures is the secret's, as a receiver would check it.
    fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a secret"));
        let mut mac =
            Hmac::<sha2::Sha256>::new_from_slice(&key.expect("base64")).expect("any length");
        let (id, time) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        mac.update(format!("{id}.{time}.{}", self.body).as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let mut signatures = self.header("webhook-signature").split(' ');
        signatures.any(|signature| signature == expected)
    }
}

async fn world() -> (Live, String) {
    let live = Live::with(|settings| settings.webhooks_to_private = true).await;
    let key = live.world.key("ada", &[Scope::Admin]).await;
    (live, key)
}

async fn new_webhook(live: &Live, key: &str, body: &Value) -> (String, String) {
    let answer = live
        .world
        .send(Method::POST, "/webhooks", Some(key), Some(body))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let text = |name: &str| answer.json[name].as_str().expect("text").to_owned();
    (text("id"), text("secret"))
}

/// Looks once everything that was told so far has been read.
async fn look(live: &Live, newest: i64) -> usize {
    live.has_read(newest).await;
    deliver_webhooks::look(&live.world.app)
        .await
        .expect("looks")
}

async fn log(live: &Live, key: &str, id: &str) -> Vec<Value> {
    let path = format!("/webhooks/{id}/deliveries");
    let answer = live.world.send(Method::GET, &path, Some(key), None).await;
    answer.json["deliveries"]
        .as_array()
        .expect("a list")
        .clone()
}

#[tokio::test]
async fn a_message_is_signed_and_sent_again_under_its_id_until_it_is_taken() {
    let (live, key) = world().await;
    let receiver = Receiver::answering(&[500, 302, 200]).await;
    let wish = json!({"url": receiver.url(), "types": ["round.locked"]});
    let (id, secret) = new_webhook(&live, &key, &wish).await;
    live.tell(&[Told::locked(&round()), Told::scored(&round())])
        .await;
    assert_eq!(look(&live, 2).await, 1);
    assert_eq!(look(&live, 2).await, 0, "it is left alone for a while");
    let noted = &log(&live, &key, &id).await[0];
    assert_eq!(
        (&noted["state"], &noted["status"]),
        (&json!("waiting"), &json!(500))
    );
    assert_eq!(
        noted["answer"].as_str().map(str::len),
        Some(1_024),
        "and no more"
    );
    for (tries, error) in [(2, "redirects are not followed"), (3, "")] {
        live.world
            .wall
            .set(live.world.wall.now_us() + 60 * SECOND_US);
        assert_eq!(look(&live, 2).await, 1);
        let noted = &log(&live, &key, &id).await[0];
        assert_eq!(noted["attempts"], tries);
        let said = noted["error"].as_str().expect("text");
        assert!(
            said.contains(error) && said.is_empty() == error.is_empty(),
            "{said}"
        );
    }
    let got = receiver.got();
    assert_eq!(got.len(), 3, "the redirect was not followed");
    for one in &got {
        assert!(one.is_signed_by(&secret));
        assert_eq!(one.header("webhook-id"), "evt_1");
        assert_eq!(one.header("content-type"), "application/json");
        let body: Value = serde_json::from_str(&one.body).expect("JSON");
        assert_eq!(
            (&body["type"], &body["round"]),
            (&json!("round.locked"), &json!(ROUND))
        );
    }
    let times: Vec<&str> = got
        .iter()
        .map(|one| one.header("webhook-timestamp"))
        .collect();
    assert!(
        times[0] < times[1] && times[1] < times[2],
        "each attempt has its own moment"
    );
    let log = log(&live, &key, &id).await;
    assert_eq!((log.len(), &log[0]["state"]), (1, &json!("delivered")));
    let hook = live
        .world
        .send(Method::GET, &format!("/webhooks/{id}"), Some(&key), None)
        .await;
    assert_eq!(
        (&hook.json["state"], &hook.json["failing_since"]),
        (&json!("active"), &Value::Null)
    );
    assert!(hook.json.get("secret").is_none(), "shown once");
    live.end().await;
}

#[tokio::test]
async fn own_events_go_to_their_owner_and_a_test_message_says_how_it_went() {
    let (live, key) = world().await;
    let receiver = Receiver::answering(&[204]).await;
    let (id, old) = new_webhook(&live, &key, &json!({"url": receiver.url()})).await;
    let body = json!({"tournament": "btc-usd-5m", "name": "net"});
    let model = live
        .world
        .send(Method::POST, "/models", Some(&key), Some(&body))
        .await;
    assert_eq!(model.status, StatusCode::CREATED, "{}", model.text);
    live.tell(&[Told::locked(&round())]).await;
    assert_eq!(look(&live, 1).await, 2);
    let ids: Vec<String> = receiver
        .got()
        .iter()
        .map(|one| one.header("webhook-id").to_owned())
        .collect();
    assert_eq!(ids, ["evt_1_prediction.absent_btc-usd-5m-net", "evt_1"]);

    let rotated = format!("/webhooks/{id}/rotate");
    let rotated = live
        .world
        .send(Method::POST, &rotated, Some(&key), None)
        .await;
    let new = rotated.json["secret"].as_str().expect("a secret");
    let test = format!("/webhooks/{id}/test");
    let tried = live.world.send(Method::POST, &test, Some(&key), None).await;
    assert_eq!(
        (&tried.json["state"], &tried.json["status"]),
        (&json!("delivered"), &json!(204))
    );
    assert_eq!(tried.json["type"], "webhook.test");
    let last = receiver.got().pop().expect("a message");
    assert!(
        last.is_signed_by(&old) && last.is_signed_by(new),
        "both for a day"
    );
    assert_eq!(log(&live, &key, &id).await.len(), 3);
    let other = live.world.key("bob", &[Scope::Admin]).await;
    for (method, path) in [
        (Method::GET, format!("/webhooks/{id}")),
        (Method::GET, format!("/webhooks/{id}/deliveries")),
        (Method::DELETE, format!("/webhooks/{id}")),
        (Method::POST, test.clone()),
        (Method::POST, format!("/webhooks/{id}/rotate")),
        (Method::POST, format!("/webhooks/{id}/enable")),
    ] {
        let foreign = live.world.send(method, &path, Some(&other), None).await;
        foreign.is_problem(404, "unknown-webhook");
    }
    let path = format!("/webhooks/{id}");
    let gone = live
        .world
        .send(Method::DELETE, &path, Some(&key), None)
        .await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    live.tell(&[Told::scored(&round())]).await;
    assert_eq!(look(&live, 2).await, 0);
    live.end().await;
}

#[tokio::test]
async fn private_addresses_are_refused_when_taken_and_when_sent() {
    let live = Live::new().await;
    let key = live.world.key("ada", &[Scope::Admin]).await;
    let receiver = Receiver::answering(&[200]).await;
    for url in [
        receiver.url(),
        "https://127.0.0.1/x".to_owned(),
        "https://[::1]/".to_owned(),
    ] {
        let body = json!({"url": url});
        let refused = live
            .world
            .send(Method::POST, "/webhooks", Some(&key), Some(&body))
            .await;
        refused.is_problem(422, "webhook-url-refused");
    }
    for (body, status, code) in [
        (
            json!({"url": "https://a.example", "types": ["x"]}),
            422,
            "body-invalid",
        ),
        (
            json!({"url": "https://a.example", "more": 1}),
            422,
            "body-invalid",
        ),
        (
            json!({"url": "https://a.example", "tournaments": ["doge"]}),
            404,
            "unknown-tournament",
        ),
    ] {
        let refused = live
            .world
            .send(Method::POST, "/webhooks", Some(&key), Some(&body))
            .await;
        refused.is_problem(status, code);
    }
    let reader = live.world.key("bob", &[Scope::Read]).await;
    let refused = live
        .world
        .send(Method::GET, "/webhooks", Some(&reader), None)
        .await;
    refused.is_problem(403, "scope-missing");
    // A name says only at the moment of sending where it leads.
    let port = receiver.address.port();
    let body = json!({"url": format!("https://localhost:{port}/hook")});
    let (id, _) = new_webhook(&live, &key, &body).await;
    let path = format!("/webhooks/{id}/test");
    let tried = live.world.send(Method::POST, &path, Some(&key), None).await;
    assert_eq!(
        (&tried.json["state"], &tried.json["status"]),
        (&json!("failed"), &Value::Null)
    );
    let error = tried.json["error"].as_str().expect("text");
    assert!(error.contains("localhost has no public address"), "{error}");
    assert!(receiver.got().is_empty());
    live.end().await;
}
