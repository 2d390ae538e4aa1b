//! Around every request: an id, one span, one line in the log, counters, a time limit, and an
//! answer even when a handler panics. No header, query or body is ever logged: keys travel there.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, OriginalUri, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Span;

use super::problem::Problem;

/// Names a request in the log and in its answer.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Carried from the request to the line in the log.
#[derive(Clone)]
struct Route {
    method: Method,
    path: String,
}

/// Gives every request an id: the caller's when it is a plain word, else one of ours.
pub(super) async fn with_request_id(mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .filter(|value| is_word(value))
        .cloned()
        .unwrap_or_else(new_id);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Notes on the answer which route gave it; inside of whatever counts answers.
pub(super) async fn with_route(request: Request, next: Next) -> Response {
    let path = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str);
    let route = Route {
        method: request.method().clone(),
        path: path.to_owned(),
    };
    let mut response = next.run(request).await;
    response.extensions_mut().insert(route);
    response
}

/// The span of a request: method, path without the query, id.
pub(super) fn span(request: &Request<Body>) -> Span {
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id)
}

/// One line and the counters of a request.
pub(super) fn note_response(response: &Response, took: Duration, _span: &Span) {
    let status = response.status().as_u16();
    let (method, path) = match response.extensions().get::<Route>() {
        Some(route) => (route.method.to_string(), route.path.clone()),
        None => (String::from("none"), String::from("none")),
    };
    metrics::counter!("http_requests_total", "method" => method.clone(), "path" => path.clone(), "status" => status.to_string())
        .increment(1);
    metrics::histogram!("http_request_duration_seconds", "method" => method, "path" => path)
        .record(took.as_secs_f64());
    tracing::debug!(status, took_us = took.as_micros(), "answered");
}

/// Ends a request that takes longer than `limit`.
pub(super) async fn within(limit: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "timeout",
            "The request took too long",
            format!(
                "The request was not answered within {} s; what it asked for may have been done.",
                limit.as_secs()
            ),
            "Ask for the state of what you sent before you send it again.",
        )
        .into_response(),
    }
}

/// The answer when a handler panicked.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the layer hands the panic over"
)]
pub(super) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message");
    Problem::internal(&std::io::Error::other(said.to_owned())).into_response()
}

/// No route.
pub(super) async fn unknown_route(OriginalUri(uri): OriginalUri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown-route",
        "There is no such address",
        format!("Nothing is at {}.", uri.path()),
        "`GET /api/v1/openapi.json` lists every address.",
    )
}

/// A route, but not with this method.
pub(super) async fn wrong_method(OriginalUri(uri): OriginalUri, method: Method) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong-method",
        "The address does not take this method",
        format!("{} does not take {method}.", uri.path()),
        "The header `allow` of this answer names the methods; `GET /api/v1/openapi.json` has all.",
    )
}

fn is_word(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=64).contains(&bytes.len())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn new_id() -> HeaderValue {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let text = format!("{:x}-{number:x}", std::process::id());
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("unnamed"))
}
