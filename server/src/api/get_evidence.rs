//! `GET /rounds/{id}/evidence`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use super::etag::FOR_EVER;
use super::extract::round_id;
use super::get_prediction::not_yet_resolved;
use super::problem::{NotYetResolved, Problem, UnknownRound};
use crate::app::App;
use crate::{prices, rounds};

/// The price evidence of a round, byte for byte as it was hashed: keccak256 of the body is the
/// round's `evidence_hash`, which the header `etag` carries too.
#[utoipa::path(
    get,
    path = "/rounds/{id}/evidence",
    tag = "rounds",
    params(("id" = String, Path, description = "Round id")),
    responses(
        (status = 200, description = "The record that was decided", body = Object, content_type = "application/json"),
        UnknownRound,
        NotYetResolved
    )
)]
pub(super) async fn get_evidence(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = round_id(&id)?;
    let mut conn = app.db.read().await?;
    rounds::get(&mut conn, &id).await?;
    let resolution = prices::resolution(&mut conn, &id).await?;
    let resolution = resolution.ok_or_else(|| not_yet_resolved(&id.to_string(), "The evidence"))?;
    let mut response = resolution.evidence.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    // A round is resolved once.
    headers.insert(header::CACHE_CONTROL, FOR_EVER);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", resolution.evidence_hash)) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}
