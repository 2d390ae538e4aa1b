//! `POST /models/upload`: a hosted model from an ONNX file.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use domain::TournamentId;
use futures::StreamExt;
use serde::Deserialize;
use tokio::sync::Semaphore;
use utoipa::IntoParams;

use super::extract::{ApiQuery, Caller, tournament_id};
use super::model_body::ModelBody;
use super::problem::{KeyProblems, ModelNameProblems, Problem};
use crate::accounts::Scope;
use crate::app::App;
use crate::models::{self, ARTIFACT_LIMIT, Artifact, Incoming, ModelError};
use crate::rounds;

/// Uploads at once: each may hold 64 MB of disk that nothing names yet.
static PLACES: Semaphore = Semaphore::const_new(8);

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UploadQuery {
    /// The tournament that the model enters.
    tournament: String,
    /// 1 to 40 letters, digits, spaces and . _ - + ( ) #; unique in the tournament.
    name: String,
}

/// Upload an ONNX file as the request's body, at most 64 MB. The model is `checking` until a runner
/// has tried it in the sandbox. A refused or paused model of the same name takes the new file.
#[utoipa::path(
    post,
    path = "/models/upload",
    tag = "models",
    params(UploadQuery),
    request_body(content = [u8], content_type = "application/octet-stream"),
    responses(
        (status = 201, body = ModelBody),
        (status = 400, description = "Problem: `query-invalid` or `body-broken`"),
        (status = 413, description = "Problem: `body-too-large`"),
        (status = 415, description = "Problem: `content-type-wrong`"),
        (status = 503, description = "Problem: `busy`"),
        KeyProblems,
        ModelNameProblems
    ),
    security(("key" = []))
)]
pub(super) async fn post_model_upload(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<UploadQuery>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<ModelBody>), Problem> {
    caller.require(Scope::Upload)?;
    check_headers(&headers)?;
    let tournament = tournament_id(&query.tournament)?;
    let account = &caller.account.id;
    check_place(&app, &caller, &tournament, &query.name).await?;
    let _place = PLACES.try_acquire().map_err(|_| busy())?;
    let artifact = receive(&app, body).await?;
    let now_us = app.wall.now_us();
    let mut tx = app.db.begin().await?;
    let name = &query.name;
    let model = models::register_hosted(
        &mut tx,
        now_us,
        account,
        &tournament,
        name,
        &artifact,
        false,
    )
    .await?;
    tx.commit().await?;
    app.timetable_wake.notify_one();
    Ok((StatusCode::CREATED, Json(ModelBody::from(&model))))
}

/// Everything that can refuse the upload is asked before its body is read.
async fn check_place(
    app: &App,
    caller: &Caller,
    tournament: &TournamentId,
    name: &str,
) -> Result<(), Problem> {
    let mut conn = app.db.read().await?;
    rounds::tournament(&mut conn, tournament).await?;
    models::check_place(&mut conn, &caller.account.id, tournament, name).await?;
    Ok(())
}

pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    if text(header::CONTENT_TYPE) != "application/octet-stream" {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content-type-wrong",
            "The body is not declared as bytes",
            "An upload needs the content type application/octet-stream.",
            "Send the header `Content-Type: application/octet-stream`.",
        ));
    }
    let length: u64 = text(header::CONTENT_LENGTH).parse().unwrap_or(0);
    if length > ARTIFACT_LIMIT {
        return Err(ModelError::ArtifactTooLarge.into());
    }
    Ok(())
}

/// To disk chunk by chunk: an upload never lies in memory whole.
async fn receive(app: &App, body: Body) -> Result<Artifact, Problem> {
    let mut incoming = Incoming::begin(&models::artifacts_dir(&app.settings.data_dir)).await?;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        incoming.write(&chunk.map_err(|_| broken())?).await?;
    }
    Ok(incoming.finish().await?)
}

pub(super) fn broken() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "body-broken",
        "The upload broke off",
        "The body ended before it was whole; nothing was stored.",
        "Send the file again.",
    )
}

fn busy() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        "Too many uploads at once",
        "The server takes eight uploads at once; nothing was stored.",
        "Send the file again in a few seconds.",
    )
}
