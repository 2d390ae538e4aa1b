//! `GET /datasets/files/{path}`: the files that the manifest names, and nothing else.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::datasets::{folder, manifest};
use super::error::WebError;
use crate::app::App;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
const MANIFEST: &str = "manifest.json";

/// `GET /datasets/files/{path}`.
pub(super) async fn file(
    State(app): State<Arc<App>>,
    Path(wanted): Path<String>,
) -> Result<Response, WebError> {
    let unknown = || WebError::not_found("dataset file", &wanted);
    let manifest = manifest(&app).await?.ok_or_else(unknown)?;
    // The path that is opened is the manifest's own, never the visitor's.
    let listed = manifest.files.iter().find(|file| file.path == wanted);
    let (path, tag) = match listed {
        Some(file) => (file.path.as_str(), file.sha256.as_str()),
        None if wanted == MANIFEST => (MANIFEST, manifest.content_sha256.as_str()),
        None => return Err(unknown()),
    };
    let file = File::open(folder(&app).join(path)).await?;
    let length = file.metadata().await?.len();
    let kind = if path.ends_with(".json") {
        "application/json"
    } else {
        "application/vnd.apache.parquet"
    };
    let name = path.replace('/', "-");
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_LENGTH, length.to_string()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
        (ETAG, format!("\"{tag}\"")),
        (CACHE_CONTROL, "public, max-age=300".to_owned()),
    ];
    Ok((headers, Body::from_stream(stream::try_unfold(file, chunk))).into_response())
}

async fn chunk(mut file: File) -> std::io::Result<Option<(Bytes, File)>> {
    let mut buffer = vec![0; CHUNK];
    let read = file.read(&mut buffer).await?;
    buffer.truncate(read);
    Ok((read > 0).then(|| (Bytes::from(buffer), file)))
}
