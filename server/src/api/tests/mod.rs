//! The real router over a real database; only the clock is moved by hand.

mod canary;
mod check;
mod diagnostics;
mod document;
mod etag;
mod event_socket;
mod events;
mod fleet;
mod life;
mod limits;
mod many_predictions;
mod model_verbs;
mod models;
mod opened_accounts;
mod own_keys;
mod predictions;
mod problems;
mod published;
mod reading;
mod runner;
mod runs;
mod seals;
mod secrecy;
mod signed_predictions;
mod strikes;
mod summary;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use domain::{RoundId, RoundState, WallClock};
use serde_json::Value;
use tower::ServiceExt;

use crate::accounts::{self, Scope};
use crate::app::{App, testing};
use crate::checks::Checker;
use crate::limits::LimitSettings;
use crate::rounds;
use crate::settings::ServeSettings;

/// Open in every world; its interval begins five minutes after the world's clock.
const ROUND: &str = "btc-usd-5m-20240305T1200Z";

/// A server with one open round.
struct World {
    app: Arc<App>,
    wall: WallClock,
    router: Router,
    _folder: tempfile::TempDir,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
    json: Value,
}

impl World {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with_limits(limits: LimitSettings) -> Self {
        Self::with(|settings| settings.limits = limits).await
    }

    /// A world with a runner that checks files.
    async fn with_runner(runner: Option<PathBuf>) -> Self {
        Self::with(|settings| settings.runner = runner).await
    }

    /// With settings that `change` has changed.
    async fn with(change: impl FnOnce(&mut ServeSettings)) -> Self {
        let (mut app, wall, folder) = testing::app_changed(change).await;
        let runner = app.settings.runner.clone();
        let only = Arc::get_mut(&mut app).expect("nobody else has it");
        only.checks = Checker::new(runner, Duration::from_millis(50));
        let mut tx = app.db.begin().await.expect("begin");
        let missing = rounds::missing(&mut tx, testing::NOW_US, None)
            .await
            .expect("missing");
        rounds::schedule(&mut tx, &missing)
            .await
            .expect("schedules");
        rounds::advance(
            &mut tx,
            &round(),
            RoundState::Scheduled,
            RoundState::Open,
            i64::MAX,
        )
        .await
        .expect("opens");
        tx.commit().await.expect("commit");
        let router = super::router(&app).with_state(Arc::clone(&app));
        Self {
            app,
            wall,
            router,
            _folder: folder,
        }
    }

    /// A key of a new account.
    async fn key(&self, name: &str, scopes: &[Scope]) -> String {
        let mut tx = self.app.db.begin().await.expect("begin");
        let account = accounts::create(&mut tx, 1, name, "", false)
            .await
            .expect("account");
        let random = self.app.random_bytes();
        let key = accounts::create_key(&mut tx, 1, &account.id, scopes, random).await;
        tx.commit().await.expect("commit");
        key.expect("a key")
    }

    /// A key of `name` and its external model.
    async fn bot(&self, name: &str) -> (String, String) {
        let key = self.key(name, &[Scope::Predict, Scope::Upload]).await;
        let body = serde_json::json!({"tournament": "btc-usd-5m", "name": name});
        let answer = self
            .send(Method::POST, "/models", Some(&key), Some(&body))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        let model = answer.json["id"].as_str().expect("an id").to_owned();
        (key, model)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"));
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.request(request.body(body).expect("a request")).await
    }

    /// Posts many predictions, under an idempotency key if there is one.
    async fn post_many(&self, key: &str, once: Option<&str>, body: &Value) -> Answer {
        let mut request = Request::post("/api/v1/predictions")
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(once) = once {
            request = request.header("idempotency-key", once);
        }
        let body = Body::from(body.to_string());
        self.request(request.body(body).expect("a request")).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None).await
    }

    async fn request(&self, request: Request<Body>) -> Answer {
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 24).await.expect("a body");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            status: parts.status,
            headers: parts.headers,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    /// The round's state goes from one to the next.
    async fn advance(&self, from: RoundState, to: RoundState) {
        let mut tx = self.app.db.begin().await.expect("begin");
        rounds::advance(&mut tx, &round(), from, to, i64::MAX)
            .await
            .expect("advances");
        tx.commit().await.expect("commit");
    }
}

impl Answer {
    /// The answer is this problem, complete and with the right type.
    fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status.as_u16(), &self.json["code"]),
            (status, &code.into()),
            "{}",
            self.text
        );
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/problem+json"
        );
        assert_eq!(self.json["status"], status);
        assert_eq!(self.json["type"], format!("urn:foretoken:problem:{code}"));
        for member in ["title", "detail", "remedy"] {
            assert!(
                self.json[member]
                    .as_str()
                    .is_some_and(|text| text.len() > 5),
                "{member}"
            );
        }
    }
}

fn round() -> RoundId {
    ROUND.parse().expect("an id")
}
