//! Style and scripts, embedded and named by their content, so that browsers keep them for ever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::error::WebError;

struct Asset {
    path: String,
    kind: &'static str,
    body: &'static str,
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    asset(
        "style",
        "css",
        "text/css; charset=utf-8",
        include_str!("static/style.css"),
    )
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    asset(
        "live",
        "js",
        "text/javascript; charset=utf-8",
        include_str!("static/live.js"),
    )
});
static ICON: LazyLock<Asset> = LazyLock::new(|| {
    asset(
        "icon",
        "svg",
        "image/svg+xml",
        include_str!("static/icon.svg"),
    )
});

fn asset(name: &str, extension: &str, kind: &'static str, body: &'static str) -> Asset {
    let digest = hex::encode(Sha256::digest(body.as_bytes()));
    let short = digest.get(..12).unwrap_or(&digest);
    Asset {
        path: format!("/static/{name}-{short}.{extension}"),
        kind,
        body,
    }
}

/// Path of the style sheet.
pub(super) fn style() -> &'static str {
    &STYLE.path
}

/// Path of the script that keeps countdowns and live parts fresh.
pub(super) fn script() -> &'static str {
    &SCRIPT.path
}

/// Path of the icon.
pub(super) fn icon() -> &'static str {
    &ICON.path
}

/// `GET /static/{file}`.
pub(super) async fn file(Path(name): Path<String>) -> Result<Response, WebError> {
    let wanted = format!("/static/{name}");
    let known = [&STYLE, &SCRIPT, &ICON];
    let found = known.iter().find(|asset| asset.path == wanted);
    let asset = found.ok_or_else(|| WebError::not_found("file", &name))?;
    let headers = [
        (CONTENT_TYPE, asset.kind),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, asset.body).into_response())
}
