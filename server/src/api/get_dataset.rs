//! `GET /datasets/{version}`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::response::{IntoResponse, Response};
use datasets::Version;

use super::etag::FOR_EVER;
use super::problem::{Problem, UnknownDataset};
use crate::app::App;

/// The manifest of a published version, byte for byte: every file with its size, its SHA-256 and
/// its rows. `newest` names the newest version. The file at `path` of the version `V` is
/// `/datasets/files/V/path` of the server, whole or by ranges.
#[utoipa::path(
    get,
    path = "/datasets/{version}",
    tag = "datasets",
    params(("version" = String, Path, description = "`1.1.0-20240305`, or `newest`")),
    responses(
        (status = 200, description = "The manifest", body = Object, content_type = "application/json"),
        UnknownDataset
    )
)]
pub(super) async fn get_dataset(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let unknown = || Problem::unknown_dataset(&name);
    let (release, kept) = if name == "newest" {
        let newest = app.releases.newest().await?.ok_or_else(unknown)?;
        (newest, HeaderValue::from_static("no-cache"))
    } else {
        let version: Version = name.parse().map_err(|_| unknown())?;
        (app.releases.release(version).await?, FOR_EVER)
    };
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (ETAG, format!("\"{}\"", release.sha256)),
    ];
    let kept = [(CACHE_CONTROL, kept)];
    Ok((headers, kept, release.json.clone()).into_response())
}
