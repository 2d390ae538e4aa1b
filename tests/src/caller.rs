//! Somebody who calls the API: with a key or without, as a bot or a script would.

use std::time::Duration;

use anyhow::Context;
use reqwest::{Method, RequestBuilder, header};
use serde_json::{Value, json};

use crate::wait;

/// A request may take this long.
const LIMIT: Duration = Duration::from_secs(20);
/// A round in a wanted state is there by then.
const ROUND_LIMIT: Duration = Duration::from_secs(90);

/// A caller of one server.
#[derive(Clone)]
pub struct Caller {
    http: reqwest::Client,
    url: String,
    key: Option<String>,
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The header `content-type`.
    pub content_type: String,
    /// The body.
    pub text: String,
}

impl Caller {
    /// A caller of the server at `url`.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(url: &str, key: Option<&str>) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(LIMIT)
            .no_proxy()
            .build()?;
        Ok(Self {
            http,
            url: url.to_owned(),
            key: key.map(str::to_owned),
        })
    }

    /// The same caller with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..self.clone()
        }
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Fetches an address below the server, `/rounds/…` or `/api/v1/rounds`.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send(self.request(Method::GET, path)).await
    }

    /// Fetches JSON from the API.
    ///
    /// # Errors
    /// When the server does not answer with 200 and JSON.
    pub async fn json(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.get(&format!("/api/v1/{path}")).await?;
        anyhow::ensure!(
            answer.status == 200,
            "{path}: {} {}",
            answer.status,
            answer.text
        );
        answer.json()
    }

    /// Sends JSON to the API.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn send_json(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        self.send(self.request(method, &format!("/api/v1/{path}")).json(body))
            .await
    }

    /// Posts a prediction.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn predict(&self, round: &str, model: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send_json(
            Method::PUT,
            &format!("rounds/{round}/predictions/{model}"),
            body,
        )
        .await
    }

    /// Registers an external model and answers its id.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn register(&self, tournament: &str, name: &str) -> anyhow::Result<String> {
        let body = json!({"tournament": tournament, "name": name});
        self.send_json(Method::POST, "models", &body)
            .await?
            .created_id()
    }

    /// Uploads an ONNX file and answers the model's id.
    ///
    /// # Errors
    /// When the upload is refused.
    pub async fn upload(
        &self,
        tournament: &str,
        name: &str,
        onnx: Vec<u8>,
    ) -> anyhow::Result<String> {
        let path = format!("/api/v1/models/upload?tournament={tournament}&name={name}");
        let bytes = self.request(Method::POST, &path).body(onnx);
        let request = bytes.header(header::CONTENT_TYPE, "application/octet-stream");
        self.send(request).await?.created_id()
    }

    /// Asks for the report card of an ONNX file.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn check(&self, onnx: Vec<u8>) -> anyhow::Result<Answer> {
        let bytes = self.request(Method::POST, "/api/v1/check").body(onnx);
        let request = bytes.header(header::CONTENT_TYPE, "application/octet-stream");
        self.send(request).await
    }

    /// Waits for a round of the tournament in one of the shown states; answers its id.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn round_in(&self, tournament: &str, states: &str) -> anyhow::Result<String> {
        let path = format!("rounds?tournament={tournament}&state={states}&limit=1");
        wait::until(
            &format!("a round that is {states}"),
            ROUND_LIMIT,
            async || {
                let page = self.json(&path).await?;
                Ok(page
                    .pointer("/rounds/0/id")
                    .and_then(Value::as_str)
                    .map(str::to_owned))
            },
        )
        .await
    }

    /// An open round with at least half its time left, so that a few requests fit in.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn fresh_round(&self, tournament: &str) -> anyhow::Result<String> {
        let path = format!("rounds?tournament={tournament}&state=open&limit=1");
        wait::until("a round that has just opened", ROUND_LIMIT, async || {
            let now_us = integer(&self.json("time").await?, "now_us")?;
            let page = self.json(&path).await?;
            let Some(round) = page.pointer("/rounds/0") else {
                return Ok(None);
            };
            let (opens_us, deadline_us) =
                (integer(round, "opens_us")?, integer(round, "deadline_us")?);
            let is_fresh = now_us - opens_us < (deadline_us - opens_us) / 2;
            let id = round.get("id").and_then(Value::as_str).filter(|_| is_fresh);
            Ok(id.map(str::to_owned))
        })
        .await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Answer> {
        let response = request.send().await?;
        let status = response.status().as_u16();
        let header = response.headers().get(header::CONTENT_TYPE);
        let content_type = header
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        Ok(Answer {
            status,
            content_type,
            text: response.text().await?,
        })
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.text).with_context(|| format!("{} {}", self.status, self.text))
    }

    /// Asserts a refusal: its status, its code, and that it says what happened and what to do.
    ///
    /// # Panics
    /// When it is another answer.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) -> Value {
        let shown = format!("{} {}: {}", self.status, self.content_type, self.text);
        assert_eq!(self.status, status, "{shown}");
        assert_eq!(self.content_type, "application/problem+json", "{shown}");
        let body = self.json().unwrap_or_default();
        assert_eq!(
            body.get("code").and_then(Value::as_str),
            Some(code),
            "{shown}"
        );
        for part in ["title", "detail", "remedy"] {
            let text = body.get(part).and_then(Value::as_str).unwrap_or_default();
            assert!(text.len() > 8, "`{part}` says nothing: {shown}");
        }
        body
    }

    fn created_id(&self) -> anyhow::Result<String> {
        anyhow::ensure!(self.status == 201, "{} {}", self.status, self.text);
        let body = self.json()?;
        let id = body.get("id").and_then(Value::as_str);
        id.map(str::to_owned).context("what was created has an id")
    }
}

/// An integer member of a JSON object.
///
/// # Errors
/// When it is missing.
pub fn integer(object: &Value, name: &str) -> anyhow::Result<i64> {
    let found = object.get(name).and_then(Value::as_i64);
    found.with_context(|| format!("no integer `{name}` in {object}"))
}
