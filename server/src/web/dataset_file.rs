//! `GET /datasets/files/{path}` and `/datasets/files/{version}/{path}`: the files that a version's
//! manifest names, and nothing else, whole or from any byte on.
//!
//! Must never hold a whole file in memory, and never open a path that a visitor wrote.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_LOCATION,
    CONTENT_RANGE, CONTENT_TYPE, ETAG,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use datasets::Version;
use datasets::export::MANIFEST;
use datasets::manifest::FileEntry;

use super::byte_range::{Wanted, wanted};
use super::error::WebError;
use crate::app::App;
use crate::releases::{Release, ReleaseError};

/// A year: a published version never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// One file of a release.
struct Found<'a> {
    release: &'a Release,
    path: &'a str,
    sha256: &'a str,
    length: u64,
    /// None for the manifest, which is in memory.
    entry: Option<&'a FileEntry>,
}

/// Both addresses; the one without a version is that of the newest.
pub(super) async fn file(
    State(app): State<Arc<App>>,
    Path(asked): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let unknown = || WebError::not_found("dataset file", &asked);
    let named = asked
        .split_once('/')
        .and_then(|(version, path)| Some((version.parse::<Version>().ok()?, path)));
    let (release, path) = match named {
        Some((version, path)) => match app.releases.release(version).await {
            Err(ReleaseError::UnknownVersion(_)) => return Err(unknown()),
            release => (release?, path),
        },
        None => {
            let newest = app.releases.newest().await?;
            (newest.ok_or_else(unknown)?, asked.as_str())
        }
    };
    let found = find(&release, path).ok_or_else(unknown)?;
    let cache = if named.is_some() {
        FOR_EVER
    } else {
        "no-cache"
    };
    let wanted = wanted(&headers, &format!("\"{}\"", found.sha256), found.length);
    answer(&app, &found, wanted, cache, method == Method::HEAD).await
}

/// The path that is opened is the manifest's own, never the visitor's.
fn find<'a>(release: &'a Release, asked: &str) -> Option<Found<'a>> {
    if asked == MANIFEST {
        return Some(Found {
            release,
            path: MANIFEST,
            sha256: &release.sha256,
            length: release.json.len() as u64,
            entry: None,
        });
    }
    let mut files = release.manifest.files.iter();
    let entry = files.find(|file| file.path == asked)?;
    Some(Found {
        release,
        path: &entry.path,
        sha256: &entry.sha256,
        length: entry.bytes as u64,
        entry: Some(entry),
    })
}

async fn answer(
    app: &App,
    found: &Found<'_>,
    wanted: Wanted,
    cache: &'static str,
    is_head: bool,
) -> Result<Response, WebError> {
    let version = found.release.manifest.version;
    let place = format!("/datasets/files/{version}/{}", found.path);
    let about = [
        (ETAG, format!("\"{}\"", found.sha256)),
        (CACHE_CONTROL, cache.to_owned()),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (CONTENT_LOCATION, place),
    ];
    let (status, range) = match wanted {
        Wanted::Nothing => return Ok((StatusCode::NOT_MODIFIED, about).into_response()),
        Wanted::Beyond => {
            let size = [(CONTENT_RANGE, format!("bytes */{}", found.length))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, about, size).into_response());
        }
        Wanted::Whole => (StatusCode::OK, 0..found.length),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
    };
    let kind = if found.path.ends_with(".json") {
        "application/json"
    } else {
        "application/vnd.apache.parquet"
    };
    let name = found.path.replace('/', "-");
    let content = [
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_LENGTH, (range.end - range.start).to_string()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    let part = (status == StatusCode::PARTIAL_CONTENT).then(|| {
        let last = range.end.saturating_sub(1);
        let text = format!("bytes {}-{last}/{}", range.start, found.length);
        [(CONTENT_RANGE, text)]
    });
    let body = match found.entry {
        _ if is_head => Body::empty(),
        Some(entry) => Body::from_stream(app.releases.read(entry, range).await?),
        None => Body::from(slice(&found.release.json, range)),
    };
    let mut response = (status, about, content, body).into_response();
    for (name, text) in part.into_iter().flatten() {
        response.headers_mut().insert(name, text.parse()?);
    }
    Ok(response)
}

fn slice(bytes: &Bytes, range: std::ops::Range<u64>) -> Bytes {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(place(range.start)..place(range.end))
}
