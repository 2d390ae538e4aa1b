//! The public HTTP API as the bot uses it: JSON in, JSON out, refusals as errors.
//!
//! Owns retries and the server's clock. Never repeats a request that could act twice.

use std::time::{Duration, Instant};

use anyhow::Context;
use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::{integer, pause};

const ATTEMPTS: u32 = 6;
const FIRST_PAUSE_S: f64 = 0.1;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Problem details (RFC 9457): why the server refused and what to do.
#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) code: String,
    detail: String,
    remedy: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} {}", self.code, self.detail, self.remedy)
    }
}

impl std::error::Error for Problem {}

/// One server and one key.
pub(crate) struct Api {
    pub(crate) http: reqwest::Client,
    pub(crate) server: String,
    pub(crate) key: String,
    pub(crate) random: StdRng,
}

impl Api {
    /// The answer to `body`, or to nothing. GET and PUT are repeated after failures that may pass,
    /// with jitter, so that bots which failed together do not come back together.
    pub(crate) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let attempts = if method == Method::POST { 1 } else { ATTEMPTS };
        let mut ceiling_s = FIRST_PAUSE_S;
        for _ in 1..attempts {
            match self.ask_once(&method, path, body).await {
                Ok((status, _)) if is_passing(status) => {}
                Ok((status, text)) => return read(path, status, &text),
                Err(_) => {}
            }
            pause(ceiling_s * self.random.random::<f64>()).await;
            ceiling_s *= 2.0;
        }
        let (status, text) = self.ask_once(&method, path, body).await?;
        read(path, status, &text)
    }

    async fn ask_once(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, String)> {
        let url = format!("{}/api/v1{path}", self.server.trim_end_matches('/'));
        let mut request = self.http.request(method.clone(), &url);
        request = request.bearer_auth(&self.key).timeout(TIMEOUT);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await;
        let answer = answer.with_context(|| format!("{url} did not answer"))?;
        Ok((answer.status(), answer.text().await?))
    }
}

/// The server's market clock, carried on by our monotonic one.
pub(crate) struct Clock {
    market_us: i64,
    pub(crate) speed: f64,
    read_at: Instant,
}

impl Clock {
    /// The server's time belongs somewhere between question and answer; the middle is closest.
    #[expect(
        clippy::disallowed_methods,
        reason = "a bot stands outside: this is its own clock"
    )]
    pub(crate) async fn read(api: &mut Api) -> anyhow::Result<Self> {
        let asked = Instant::now();
        let time = api.ask(Method::GET, "/time", None).await?;
        let read_at = asked + asked.elapsed() / 2;
        let speed = time["speed"].as_f64().context("/time has no speed")?;
        Ok(Self {
            market_us: integer(&time, "now_us")?,
            speed,
            read_at,
        })
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "some seconds, in microseconds"
    )]
    pub(crate) fn now_us(&self) -> i64 {
        self.market_us + (self.read_at.elapsed().as_secs_f64() * self.speed * 1e6) as i64
    }
}

fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

fn read(path: &str, status: StatusCode, text: &str) -> anyhow::Result<Value> {
    let wrong = || format!("{path} answered {status} and not as a Foretoken server does");
    if status.is_success() {
        return serde_json::from_str(text).with_context(wrong);
    }
    Err(serde_json::from_str::<Problem>(text)
        .with_context(wrong)?
        .into())
}
