//! Webhooks against a receiver on this machine.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::timestamp::SECOND_US;
use domain::{RoundId, WallClock};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::accounts::{self, Scope};
use crate::app::{App, testing};
use crate::events::{self, Told};
use crate::jobs::deliver_webhooks;

const ROUND: &str = "btc-usd-5m-20240305T1200Z";

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

/// A server whose events are read.
struct World {
    app: Arc<App>,
    wall: WallClock,
    _folder: tempfile::TempDir,
}

/// What came back.
struct Answer {
    status: StatusCode,
    json: Value,
}

impl Answer {
    fn is_problem(&self, status: u16, code: &str) {
        let said = (self.status.as_u16(), &self.json["code"]);
        assert_eq!(said, (status, &code.into()), "{}", self.json);
    }
}

impl World {
    async fn new(to_private: bool) -> Self {
        let change = |settings: &mut crate::settings::ServeSettings| {
            settings.webhooks_to_private = to_private;
        };
        let (app, wall, folder) = testing::app_changed(change).await;
        let reading = Arc::clone(&app);
        tokio::spawn(async move { reading.events.run(&reading.db, reading.stop.clone()).await });
        app.events.newest().await;
        Self {
            app,
            wall,
            _folder: folder,
        }
    }

    async fn key(&self, name: &str, scope: Scope) -> String {
        let mut tx = self.app.db.begin().await.expect("begins");
        let account = accounts::create(&mut tx, 1, name, "", false).await;
        let (account, random) = (account.expect("an account"), self.app.random_bytes());
        let key = accounts::create_key(&mut tx, 1, &account.id, &[scope], random).await;
        tx.commit().await.expect("commits");
        key.expect("a key")
    }

    async fn send(&self, method: Method, path: &str, key: &str, body: Option<&Value>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())));
        let router = crate::http::router(Arc::clone(&self.app));
        let answer = router.oneshot(request.expect("a request")).await;
        let (parts, body) = answer.expect("infallible").into_parts();
        let bytes = to_bytes(body, 1 << 20).await.expect("a body");
        Answer {
            status: parts.status,
            json: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }

    async fn new_webhook(&self, key: &str, body: &Value) -> (String, String) {
        let answer = self.send(Method::POST, "/webhooks", key, Some(body)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.json);
        let text = |name: &str| answer.json[name].as_str().expect("text").to_owned();
        (text("id"), text("secret"))
    }

    async fn tell(&self, told: &[Told]) {
        let mut tx = self.app.db.begin().await.expect("begins");
        let appended = events::append(&mut tx, self.app.market.now_us(), told).await;
        appended.expect("tells");
        tx.commit().await.expect("commits");
        self.app.events.wake();
    }

    /// Looks once everything that was told so far has been read.
    async fn look(&self, newest: i64) -> usize {
        let mut news = self.app.events.listen();
        let seen = news.wait_for(|known| *known >= Some(newest));
        let seen = tokio::time::timeout(Duration::from_secs(20), seen).await;
        seen.expect("in time").expect("lives");
        deliver_webhooks::look(&self.app).await.expect("looks")
    }

    async fn log(&self, key: &str, id: &str) -> Vec<Value> {
        let path = format!("/webhooks/{id}/deliveries");
        let answer = self.send(Method::GET, &path, key, None).await;
        answer.json["deliveries"]
            .as_array()
            .expect("a list")
            .clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.app.stop.cancel();
    }
}

fn round() -> RoundId {
    ROUND.parse().expect("an id")
}

#[tokio::test]
async fn a_message_is_signed_and_sent_again_under_its_id_until_it_is_taken() {
    let world = World::new(true).await;
    let key = world.key("ada", Scope::Admin).await;
    let receiver = Receiver::answering(&[500, 302, 200]).await;
    let wish = json!({"url": receiver.url(), "types": ["round.locked"]});
    let (id, secret) = world.new_webhook(&key, &wish).await;
    world
        .tell(&[Told::locked(&round()), Told::scored(&round())])
        .await;
    assert_eq!(world.look(2).await, 1);
    assert_eq!(world.look(2).await, 0, "it is left alone for a while");
    let noted = &world.log(&key, &id).await[0];
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
        world.wall.set(world.wall.now_us() + 60 * SECOND_US);
        assert_eq!(world.look(2).await, 1);
        let noted = &world.log(&key, &id).await[0];
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
    let log = world.log(&key, &id).await;
    assert_eq!((log.len(), &log[0]["state"]), (1, &json!("delivered")));
    let hook = world
        .send(Method::GET, &format!("/webhooks/{id}"), &key, None)
        .await;
    assert_eq!(
        (&hook.json["state"], &hook.json["failing_since"]),
        (&json!("active"), &Value::Null)
    );
    assert!(hook.json.get("secret").is_none(), "shown once");
}

#[tokio::test]
async fn own_events_go_to_their_owner_and_a_test_message_says_how_it_went() {
    let world = World::new(true).await;
    let key = world.key("ada", Scope::Admin).await;
    let receiver = Receiver::answering(&[204]).await;
    let (id, old) = world
        .new_webhook(&key, &json!({"url": receiver.url()}))
        .await;
    let body = json!({"tournament": "btc-usd-5m", "name": "net"});
    let model = world.send(Method::POST, "/models", &key, Some(&body)).await;
    assert_eq!(model.status, StatusCode::CREATED, "{}", model.json);
    world.tell(&[Told::locked(&round())]).await;
    assert_eq!(world.look(1).await, 2);
    let ids: Vec<String> = receiver
        .got()
        .iter()
        .map(|one| one.header("webhook-id").to_owned())
        .collect();
    assert_eq!(ids, ["evt_1_prediction.absent_btc-usd-5m-net", "evt_1"]);

    let rotated = format!("/webhooks/{id}/rotate");
    let rotated = world.send(Method::POST, &rotated, &key, None).await;
    let new = rotated.json["secret"].as_str().expect("a secret");
    let test = format!("/webhooks/{id}/test");
    let tried = world.send(Method::POST, &test, &key, None).await;
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
    assert_eq!(world.log(&key, &id).await.len(), 3);
    let other = world.key("bob", Scope::Admin).await;
    for (method, path) in [
        (Method::GET, format!("/webhooks/{id}")),
        (Method::GET, format!("/webhooks/{id}/deliveries")),
        (Method::DELETE, format!("/webhooks/{id}")),
        (Method::POST, test.clone()),
        (Method::POST, format!("/webhooks/{id}/rotate")),
        (Method::POST, format!("/webhooks/{id}/enable")),
    ] {
        let foreign = world.send(method, &path, &other, None).await;
        foreign.is_problem(404, "unknown-webhook");
    }
    let path = format!("/webhooks/{id}");
    let gone = world.send(Method::DELETE, &path, &key, None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    world.tell(&[Told::scored(&round())]).await;
    assert_eq!(world.look(2).await, 0);
}

#[tokio::test]
async fn private_addresses_are_refused_when_taken_and_when_sent() {
    let world = World::new(false).await;
    let key = world.key("ada", Scope::Admin).await;
    let receiver = Receiver::answering(&[200]).await;
    for url in [
        receiver.url(),
        "https://127.0.0.1/x".to_owned(),
        "https://[::1]/".to_owned(),
    ] {
        let body = json!({"url": url});
        let refused = world
            .send(Method::POST, "/webhooks", &key, Some(&body))
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
        let refused = world
            .send(Method::POST, "/webhooks", &key, Some(&body))
            .await;
        refused.is_problem(status, code);
    }
    let reader = world.key("bob", Scope::Read).await;
    let refused = world.send(Method::GET, "/webhooks", &reader, None).await;
    refused.is_problem(403, "scope-missing");
    // A name says only at the moment of sending where it leads.
    let port = receiver.address.port();
    let body = json!({"url": format!("https://localhost:{port}/hook")});
    let (id, _) = world.new_webhook(&key, &body).await;
    let path = format!("/webhooks/{id}/test");
    let tried = world.send(Method::POST, &path, &key, None).await;
    assert_eq!(
        (&tried.json["state"], &tried.json["status"]),
        (&json!("failed"), &Value::Null)
    );
    let error = tried.json["error"].as_str().expect("text");
    assert!(error.contains("localhost has no public address"), "{error}");
    assert!(receiver.got().is_empty());
}
