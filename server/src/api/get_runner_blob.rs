//! `GET /runner/blobs/{sha256}`: artifacts and feature blocks for runners.

use std::path::Path as FilePath;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::extract::Caller;
use super::problem::{KeyProblems, Problem};
use crate::accounts::Scope;
use crate::app::App;
use crate::{models, runners};

const CHUNK: usize = 64 * 1024;

/// The bytes of an artifact, or of a feature block: float32, little-endian, row-major.
#[utoipa::path(
    get,
    path = "/runner/blobs/{sha256}",
    tag = "runner",
    params(("sha256" = String, Path, description = "64 lower-case hexadecimal digits")),
    responses(
        (status = 200, description = "The bytes", body = [u8], content_type = "application/octet-stream"),
        (status = 404, description = "Problem: `unknown-blob`"),
        KeyProblems
    ),
    security(("key" = []))
)]
pub(super) async fn get_runner_blob(
    State(app): State<Arc<App>>,
    Path(sha256): Path<String>,
    caller: Caller,
) -> Result<Response, Problem> {
    caller.require(Scope::Run)?;
    // Only digits get through: the text becomes part of a file's name.
    if sha256.len() != 64
        || !sha256
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Err(unknown(&sha256));
    }
    let features = {
        let mut conn = app.db.read().await?;
        runners::feature_bytes(&mut conn, &sha256).await?
    };
    if let Some(bytes) = features {
        return Ok(answer(Body::from(bytes), &sha256, None));
    }
    let path = models::artifact_path(&models::artifacts_dir(&app.settings.data_dir), &sha256);
    match open(&path).await {
        Ok(Some((file, length))) => Ok(answer(streamed(file), &sha256, Some(length))),
        Ok(None) => Err(unknown(&sha256)),
        Err(error) => Err(Problem::internal(&error)),
    }
}

async fn open(path: &FilePath) -> std::io::Result<Option<(File, u64)>> {
    let file = match File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.metadata().await?.len();
    Ok(Some((file, length)))
}

fn streamed(file: File) -> Body {
    Body::from_stream(stream::try_unfold(file, |mut file| async move {
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(chunk), file)))
    }))
}

fn answer(body: Body, digest: &str, length: Option<u64>) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    let form = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, form);
    let forever = HeaderValue::from_static("private, max-age=31536000, immutable");
    headers.insert(header::CACHE_CONTROL, forever);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{digest}\"")) {
        headers.insert(header::ETAG, tag);
    }
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

fn unknown(sha256: &str) -> Problem {
    let shown: String = sha256.chars().take(80).collect();
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown-blob",
        "There is no such artifact or feature block",
        format!("Nothing has the digest {shown:?}."),
        "Ask for the `digest` and `artifact` of the job: 64 lower-case hexadecimal digits.",
    )
}
