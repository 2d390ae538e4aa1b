//! `GET /record/{path}`: the files of the public record, byte for byte, and nothing else.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::RoundId;

use super::error::WebError;
use crate::app::App;
use crate::record::format::{BatchFile, batch_path, digest, is_fixed};
use crate::record::{RecordError, Source};
use crate::settlement::{Batch, BatchState};

/// A year: what is fixed never changes under its name.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `GET /record/{path}`. The etag is the keccak256 of the bytes.
pub(super) async fn file(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let source = Source::Folder(app.settings.record_dir.clone());
    let bytes = match source.bytes(&path).await {
        Err(RecordError::Missing { .. } | RecordError::Path(_)) => {
            return Err(WebError::not_found("record file", &path));
        }
        bytes => bytes.map_err(anyhow::Error::from)?,
    };
    let tag = format!("\"{}\"", digest(&bytes));
    let cache = if is_fixed(&path) {
        FOR_EVER
    } else {
        "no-cache"
    };
    let kind = if path.ends_with(".json") {
        "application/json"
    } else {
        "text/plain; charset=utf-8"
    };
    let known = headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let fixed = [
        (ETAG, tag),
        (CACHE_CONTROL, cache.to_owned()),
        (CONTENT_TYPE, kind.to_owned()),
    ];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, fixed).into_response());
    }
    Ok((fixed, bytes).into_response())
}

/// The address of a batch's file; none before it is published.
pub(super) fn batch_href(batch: &Batch) -> Option<String> {
    if batch.state == BatchState::Planned {
        return None;
    }
    let vault = batch.vault.parse().ok()?;
    let path = batch_path(vault, batch.seq, batch.attempt);
    Some(format!("/record/{path}"))
}

/// The address of a round's file in its newest batch; none before that is published.
pub(super) async fn round_href(
    app: &App,
    batch: Option<&Batch>,
    round: &RoundId,
) -> Option<String> {
    let href = batch_href(batch?)?;
    let source = Source::Folder(app.settings.record_dir.clone());
    let path = href.strip_prefix("/record/")?;
    // A record that cannot be read is no reason to show no page.
    let file: BatchFile = source.json(path).await.ok()?;
    let listed = file.rounds.into_iter().find(|one| one.round == *round)?;
    Some(format!("/record/{}", listed.at.file))
}
