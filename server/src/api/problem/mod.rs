//! Problem details (RFC 9457): the one place where errors become responses.
//!
//! Every refusal has a stable `code`, says what happened to which thing, and what to do next.
//! What went wrong inside is logged here, once, and never shown.

mod documented;
mod from_accounts;
mod from_errors;
mod seals;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::accounts::without_keys;

pub(super) use documented::{
    AccountProblems, BodyProblems, CandleProblems, CheckProblems, FeatureProblems, KeyProblems,
    LeaseProblems, ModelNameProblems, NewKeyProblems, NewWebhookProblems, NotASocket,
    NotYetResolved, OriginRefused, PostPredictionsProblems, PredictionProblems, QueryProblems,
    RotationProblems, RunnerProblems, SessionKeyProblems, SignedAccountProblems, SignedKeyProblems,
    StakeProblems, UnknownDataset, UnknownKey, UnknownModel, UnknownPrediction, UnknownReceipt,
    UnknownRound, UnknownSessionKey, UnknownTournament, UnknownWebhook, WalletLinkProblems,
};

/// A refusal on its way out. Boxed, so that a `Result` stays small.
#[derive(Debug)]
pub(super) struct Problem(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    remedy: String,
    more: Map<String, Value>,
    cause: Option<String>,
}

/// Problem details (RFC 9457) with two more members: a stable `code` and a `remedy`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// `urn:foretoken:problem:<code>`.
    #[schema(example = "urn:foretoken:problem:unknown-round")]
    #[serde(rename = "type")]
    kind: String,
    /// The same for every problem of this code.
    #[schema(example = "There is no such round")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What happened to which thing.
    #[schema(example = "No round is called btc-usd-5m-20240305T1201Z.")]
    detail: String,
    /// Stable; made for programs.
    #[schema(example = "unknown-round")]
    code: &'static str,
    /// What to do next.
    #[schema(example = "`GET /api/v1/rounds?state=open` lists the rounds that take predictions.")]
    remedy: String,
    /// Further members of some codes, such as `missed_ms` of `late`.
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Problem {
    /// A refusal that is the caller's to mend.
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self(Box::new(Parts {
            status,
            code,
            title,
            detail: detail.into(),
            remedy: remedy.into(),
            more: Map::new(),
            cause: None,
        }))
    }

    /// A failure of ours; `cause` goes to the log only.
    pub(super) fn internal(cause: &dyn std::error::Error) -> Self {
        let mut problem = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The server failed",
            "Something failed on our side; nothing that this answer does not confirm was done.",
            "Try again in a moment. If it stays, tell the operator the `x-request-id` of this answer.",
        );
        problem.0.cause = Some(cause.to_string());
        problem
    }

    /// With a further member.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.more.insert(name.to_owned(), value.into());
        self
    }

    /// Whether the failure is ours, so that the same request may succeed later.
    pub(super) fn is_ours(&self) -> bool {
        self.0.status.is_server_error()
    }

    /// What happened, for a note about one of many.
    pub(super) fn detail(&self) -> &str {
        &self.0.detail
    }
}

impl Problem {
    /// As it is shown; what went wrong inside is logged here.
    pub(super) fn into_body(self) -> ProblemBody {
        let parts = *self.0;
        // What came is sometimes repeated in what is said: never a key.
        let detail = without_keys(&parts.detail).into_owned();
        if let Some(cause) = &parts.cause {
            let cause = without_keys(cause);
            tracing::error!(code = parts.code, %cause, "a request failed");
        }
        ProblemBody {
            kind: format!("urn:foretoken:problem:{}", parts.code),
            title: parts.title,
            status: parts.status.as_u16(),
            detail,
            code: parts.code,
            remedy: parts.remedy,
            more: parts.more,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.0.status;
        let mut response = (status, Json(self.into_body())).into_response();
        let headers = response.headers_mut();
        let problem_json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem_json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"foretoken\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
