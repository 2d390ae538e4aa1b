//! HTTP with the server. Every answer has a size limit and every request a time limit.

use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url};

use super::wire::{
    HeartbeatRequest, Lease, ModelResult, NextRequest, Registered, RegistrationRequest,
    ResultsRequest, Wish,
};
use super::{Own, machine::Machine};
use crate::confine::SandboxLevel;
use crate::digest::Digest;
use crate::environment::Environment;
use crate::outcome::one_line;
use crate::runtime::Runtime;

/// How long the server may hold a request for a job. Short, because a stopping runner waits for
/// it: a job that arrives in the last moment is still done.
const WAIT: Duration = Duration::from_secs(1);

/// For the answer itself, on top of the wait.
const ANSWER: Duration = Duration::from_secs(10);

/// For a whole artifact; the job's own budget ends most downloads earlier.
const DOWNLOAD: Duration = Duration::from_secs(120);

/// Largest description of a job.
const LEASE_BYTES_MAX: usize = 4 << 20;

/// The server, as a runner with its key sees it.
#[derive(Debug)]
pub struct Server {
    client: Client,
    base: Url,
    key: String,
    hello: NextRequest,
    environment: Environment,
}

/// What can go wrong with the server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("{0:?} is no server address: write http://HOST:PORT or https://HOST")]
    Address(String),
    #[error("the key holds characters that no key has: copy it again, without spaces or quotes")]
    KeyText,
    #[error("HTTP cannot be used on this machine ({0})")]
    Http(String),
    #[error(
        "the server {server} refused the key (401): make a runner key on its runner page, or with \
         `foretoken admin`, and give it with --key"
    )]
    KeyRefused { server: String },
    #[error("the server {server} cannot be reached ({reason})")]
    Unreachable { server: String, reason: String },
    #[error("the server {server} answered {status} to {what}: {body}")]
    Refused {
        server: String,
        status: StatusCode,
        what: String,
        body: String,
    },
    #[error("the server {server} answered something unknown to {what} ({reason})")]
    Unreadable {
        server: String,
        what: String,
        reason: String,
    },
    #[error("blob {expected} has the digest {found}: the server's copy is damaged")]
    WrongDigest { expected: Digest, found: Digest },
    #[error("blob {digest} is larger than {most} bytes")]
    TooLarge { digest: Digest, most: u64 },
}

impl ServerError {
    /// Whether asking again with the same key and name cannot help.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::KeyRefused { .. } => true,
            Self::Refused { status, .. } => matches!(
                *status,
                StatusCode::BAD_REQUEST
                    | StatusCode::FORBIDDEN
                    | StatusCode::CONFLICT
                    | StatusCode::UNPROCESSABLE_ENTITY
            ),
            _ => false,
        }
    }

    /// Whether the server does not know what was named.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND)
    }
}

/// What an error answer says: its own words when it is a problem document, else its start.
fn explanation(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Problem {
        detail: String,
        #[serde(default)]
        remedy: String,
    }
    match serde_json::from_slice(body) {
        Ok(Problem { detail, remedy }) => one_line(&format!("{detail} {remedy}"), 600),
        Err(_) => one_line(&String::from_utf8_lossy(body), 300),
    }
}

impl Server {
    /// # Errors
    /// When `server` is no http or https address, or `key` cannot be a key.
    pub fn new(
        server: &str,
        key: String,
        name: String,
        runtime: &Runtime,
        sandbox: SandboxLevel,
    ) -> Result<Self, ServerError> {
        let wrong = || ServerError::Address(server.to_owned());
        let base = Url::parse(server).map_err(|_| wrong())?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong());
        }
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ServerError::KeyText);
        }
        // One runner talks to one server: no redirect may carry the key elsewhere.
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(WAIT + ANSWER)
            .build()
            .map_err(|error| ServerError::Http(root_cause(&error)))?;
        let hello = NextRequest {
            runner: name,
            wait_ms: u64::try_from(WAIT.as_millis()).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
            runtime: runtime.description(),
            sandbox: sandbox.name(),
        };
        Ok(Self {
            client,
            base,
            key,
            environment: Environment::of(runtime, hello.sandbox),
            hello,
        })
    }

    pub(super) fn base(&self) -> &str {
        self.base.as_str()
    }

    pub(super) fn runtime(&self) -> String {
        self.hello.runtime.clone()
    }

    pub(super) fn name(&self) -> &str {
        &self.hello.runner
    }

    /// Says what this runner is.
    pub(super) async fn register(&self, own: &Own) -> Result<Registered, ServerError> {
        let machine = Machine::this();
        let request = RegistrationRequest {
            runner: &self.hello.runner,
            version: self.hello.version,
            runtime: &self.hello.runtime,
            sandbox: self.hello.sandbox,
            device: own.device.name(),
            cores: machine.cores,
            memory_mb: machine.memory_mb,
            workers: own.workers,
            benchmark: own.benchmark,
        };
        let url = self.url(&["runner", "registrations"])?;
        let what = "the registration";
        let response = self
            .send(self.client.post(url).json(&request), what)
            .await?;
        self.small_answer(response, what).await
    }

    /// Says that it is alive.
    pub(super) async fn beat(&self, request: &HeartbeatRequest<'_>) -> Result<Wish, ServerError> {
        let url = self.url(&["runner", "heartbeats"])?;
        let what = "the heartbeat";
        let response = self.send(self.client.post(url).json(request), what).await?;
        self.small_answer(response, what).await
    }

    async fn small_answer<T: serde::de::DeserializeOwned>(
        &self,
        response: Response,
        what: &str,
    ) -> Result<T, ServerError> {
        let body = self.body(response, 4_096, what).await?;
        let body = body.ok_or_else(|| self.unreadable(what, "too long"))?;
        serde_json::from_slice(&body).map_err(|error| self.unreadable(what, &error.to_string()))
    }

    /// The next job; `None` when there was none for a while.
    pub(super) async fn next(&self) -> Result<Option<Lease>, ServerError> {
        let what = "the request for a job";
        let request = self.client.post(self.url(&["runner", "jobs", "next"])?);
        let response = self.send(request.json(&self.hello), what).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        let body = self.body(response, LEASE_BYTES_MAX, what).await?;
        let Some(body) = body else {
            return Err(self.unreadable(what, "too long"));
        };
        let lease = serde_json::from_slice(&body);
        lease
            .map(Some)
            .map_err(|error| self.unreadable(what, &error.to_string()))
    }

    /// The bytes with this digest, `most` at most.
    pub(super) async fn blob(&self, digest: Digest, most: u64) -> Result<Vec<u8>, ServerError> {
        let what = "the request for a blob";
        let name = digest.to_string();
        let request = self.client.get(self.url(&["runner", "blobs", &name])?);
        let request = request.timeout(DOWNLOAD);
        let response = self.send(request, what).await?;
        let most_here = usize::try_from(most).unwrap_or(usize::MAX);
        let bytes = self.body(response, most_here, what).await?;
        let bytes = bytes.ok_or(ServerError::TooLarge { digest, most })?;
        let found = Digest::of(&bytes);
        if found != digest {
            return Err(ServerError::WrongDigest {
                expected: digest,
                found,
            });
        }
        Ok(bytes)
    }

    pub(super) async fn post_results(
        &self,
        lease: &str,
        results: &[ModelResult],
    ) -> Result<(), ServerError> {
        let body = ResultsRequest {
            runner: &self.hello.runner,
            environment: &self.environment,
            results,
        };
        let url = self.url(&["runner", "jobs", lease, "results"])?;
        self.send(self.client.post(url).json(&body), "the results")
            .await?;
        Ok(())
    }

    fn url(&self, parts: &[&str]) -> Result<Url, ServerError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| ServerError::Address(self.base.to_string()))?
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(parts);
        Ok(url)
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        what: &str,
    ) -> Result<Response, ServerError> {
        let sent = request.bearer_auth(&self.key).send().await;
        let response = sent.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            return Err(ServerError::KeyRefused {
                server: self.base.to_string(),
            });
        }
        if status.is_success() {
            return Ok(response);
        }
        let body = self.body(response, 4_096, what).await?.unwrap_or_default();
        Err(ServerError::Refused {
            server: self.base.to_string(),
            status,
            what: what.to_owned(),
            body: explanation(&body),
        })
    }

    /// The whole body, or `None` when it is longer than `most`.
    async fn body(
        &self,
        mut response: Response,
        most: usize,
        what: &str,
    ) -> Result<Option<Vec<u8>>, ServerError> {
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > most => return Ok(None),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(Some(body)),
                Err(error) => return Err(self.unreadable(what, &root_cause(&error))),
            }
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> ServerError {
        ServerError::Unreachable {
            server: self.base.to_string(),
            reason: root_cause(error),
        }
    }

    fn unreadable(&self, what: &str, reason: &str) -> ServerError {
        ServerError::Unreadable {
            server: self.base.to_string(),
            what: what.to_owned(),
            reason: one_line(reason, 300),
        }
    }
}

/// The innermost reason: "connection refused" says more than "error sending request".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(cause) = inner.source() {
        inner = cause;
    }
    one_line(&inner.to_string(), 300)
}
