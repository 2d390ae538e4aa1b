//! `GET /source-receipts/{sha256}`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::etag::FOR_EVER;
use super::problem::{Problem, UnknownReceipt};
use crate::app::App;
use crate::prices::observations;

/// The bytes that a numeric source sent, byte for byte: their SHA-256 is what a receipt in a round's
/// evidence names, and the receipt says how the value is read from them. They are somebody else's
/// bytes: take them for data, whatever they say that they are.
#[utoipa::path(
    get,
    path = "/source-receipts/{sha256}",
    tag = "rounds",
    params(("sha256" = String, Path, description = "64 lower-case hexadecimal digits")),
    responses(
        (status = 200, description = "The bytes", body = [u8], content_type = "application/octet-stream"),
        UnknownReceipt
    )
)]
pub(super) async fn get_source_receipt(
    State(app): State<Arc<App>>,
    Path(sha256): Path<String>,
) -> Result<Response, Problem> {
    let mut conn = app.db.read().await?;
    let body = observations::body(&mut conn, &sha256).await?;
    let Some(body) = body else {
        return Err(unknown(&sha256));
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"receipt.json\"",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CACHE_CONTROL, FOR_EVER);
    Ok(response)
}

fn unknown(sha256: &str) -> Problem {
    let shown: String = sha256.chars().take(80).collect();
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown-receipt",
        "There is no such receipt of a source",
        format!("No source sent bytes with the digest {shown:?}."),
        "Ask for a `sha256` of the `receipts` in a round's evidence: 64 lower-case hexadecimal digits.",
    )
}
