//! What a page answers when it cannot be shown: a page of the same layout that says what to do.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse, Response};
use scorer::trading::RuleError;

use super::frame::Frame;
use crate::accounts::AccountError;
use crate::models::ModelError;
use crate::rounds::RoundError;

/// Why a page cannot be shown.
#[derive(Debug)]
pub(super) enum WebError {
    /// There is no such thing.
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// The name asked for.
        name: String,
    },
    /// The address asks for what cannot be.
    Asked(String),
    /// Too many pages for one address, or too many readers at once.
    Crowded(StatusCode),
    /// Something of ours failed.
    Failed(anyhow::Error),
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorView {
    frame: Frame,
    heading: &'static str,
    text: String,
    advice: &'static str,
}

impl WebError {
    pub(super) fn not_found(what: &'static str, name: &str) -> Self {
        Self::NotFound {
            what,
            name: name.chars().take(120).collect(),
        }
    }
}

/// A path segment that is an id; anything else is a page that does not exist.
pub(super) struct Id<T>(pub(super) T);

impl<S: Send + Sync, T: std::str::FromStr> FromRequestParts<S> for Id<T> {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, WebError> {
        let missing = |name: &str| WebError::not_found("page", name);
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|_| missing(parts.uri.path()))?;
        text.parse().map(Self).map_err(|_| missing(&text))
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let (status, heading, text, advice) = match self {
            Self::NotFound { what, name } => (
                StatusCode::NOT_FOUND,
                "Not found",
                format!("There is no {what} “{name}” here."),
                "Check the address for typing mistakes, or start from one of these pages.",
            ),
            Self::Asked(text) => (
                StatusCode::BAD_REQUEST,
                "This address cannot be read",
                text,
                "Go back and correct the value, or start from one of these pages.",
            ),
            Self::Crowded(status) => (
                status,
                "Too many requests",
                "More pages were asked for than this server gives out at once.".to_owned(),
                "Wait a few seconds and load the page again.",
            ),
            Self::Failed(error) => {
                tracing::error!(error = format!("{error:#}"), "a page failed");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "This page failed",
                    "The server could not read what this page needs. The failure was logged."
                        .to_owned(),
                    "Try again in a moment; predictions, rounds and stakes are not affected by a page.",
                )
            }
        };
        let view = ErrorView {
            frame: Frame::without_clock(heading),
            heading,
            text,
            advice,
        };
        match view.render() {
            Ok(html) => (status, Html(html)).into_response(),
            Err(_) => (status, heading).into_response(),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for WebError {
    fn from(error: E) -> Self {
        let error = error.into();
        if let Some(rejection) = error.downcast_ref::<QueryRejection>() {
            return Self::Asked(format!("{}.", rejection.body_text()));
        }
        if let Some(rule) = error.downcast_ref::<RuleError>() {
            return Self::Asked(format!("{rule}."));
        }
        if let Some(RoundError::UnknownRound(name)) = error.downcast_ref() {
            return Self::not_found("round", name);
        }
        if let Some(RoundError::UnknownTournament(name)) = error.downcast_ref() {
            return Self::not_found("tournament", name);
        }
        if let Some(ModelError::UnknownModel(id)) = error.downcast_ref() {
            return Self::not_found("model", id.as_str());
        }
        if let Some(AccountError::UnknownAccount(id)) = error.downcast_ref() {
            return Self::not_found("account", id.as_str());
        }
        Self::Failed(error)
    }
}

/// A page for every address that no route knows.
pub(super) async fn unknown_page(uri: axum::http::Uri) -> WebError {
    WebError::not_found("page", uri.path())
}
