//! `POST /check`: the report card of an ONNX file, for anybody. Nothing is stored.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;

use super::card_body::CardBody;
use super::post_model_upload::{broken, check_headers};
use super::problem::{CheckProblems, Problem};
use crate::app::App;
use crate::checks::CheckError;
use crate::models::{ARTIFACT_LIMIT, ModelError};

/// For 64 MB: who needs longer takes a place from others.
const READ_LIMIT: Duration = Duration::from_secs(60);
/// When a caller that found every place taken may try again, seconds.
const RETRY_AFTER_S: &str = "10";

/// Check an ONNX file, the request's body, at most 64 MB, as an upload would be: the same program, the
/// same sandbox, the same limits, on known random rows. Needs no account and stores nothing; a refused
/// model is answered 200 with `accepted` false and the reasons.
#[utoipa::path(
    post,
    path = "/check",
    tag = "models",
    request_body(content = [u8], content_type = "application/octet-stream"),
    responses((status = 200, body = CardBody), CheckProblems)
)]
pub(super) async fn post_check(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CardBody>, Response> {
    check_headers(&headers).map_err(Problem::into_response)?;
    let _place = app.checks.place().map_err(|error| refused(&error))?;
    let model = tokio::time::timeout(READ_LIMIT, receive(body)).await;
    let model = model.unwrap_or_else(|_| Err(too_slow()));
    let model = model.map_err(Problem::into_response)?;
    let card = app
        .checks
        .check(&model)
        .await
        .map_err(|error| refused(&error))?;
    let card = serde_json::from_slice(&card);
    card.map(Json)
        .map_err(|error| Problem::internal(&error).into_response())
}

/// Into memory, and nowhere else.
async fn receive(body: Body) -> Result<Vec<u8>, Problem> {
    let limit = usize::try_from(ARTIFACT_LIMIT).unwrap_or(usize::MAX);
    let mut model = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| broken())?;
        if model.len().saturating_add(chunk.len()) > limit {
            return Err(ModelError::ArtifactTooLarge.into());
        }
        model.extend_from_slice(&chunk);
    }
    if model.is_empty() {
        return Err(ModelError::EmptyArtifact.into());
    }
    Ok(model)
}

fn too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "request-timeout",
        "The body came too slowly",
        "The file was not here within 60 s; nothing was stored.",
        "Send it again over a faster line, or run `foretoken check MODEL.onnx` on your machine.",
    )
}

fn refused(error: &CheckError) -> Response {
    if matches!(error, CheckError::Busy) {
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Too many checks at once",
            "The server checks two files at once, and every place is taken; nothing was stored.",
            "Send the file again after the seconds of the header `retry-after`.",
        );
        return ([(header::RETRY_AFTER, RETRY_AFTER_S)], problem).into_response();
    }
    // What the runner said may name our folders: it is for the log alone.
    tracing::warn!(%error, "a check could not be done");
    let detail = match error {
        CheckError::NoRunner => "This server has no inference runner beside it.",
        CheckError::TimeLimit => "The check was not done within 60 s.",
        _ => "The inference runner of this server could not do the check.",
    };
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "check-unavailable",
        "This server cannot check files now",
        detail,
        "Run `foretoken check MODEL.onnx` on your machine, or upload the model: the check is the \
         same. The operator names the runner with `serve --runner PATH` and fetches ONNX Runtime \
         with `cargo xtask setup demo`.",
    )
    .into_response()
}
