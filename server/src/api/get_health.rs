//! `GET /health`: whether the process can do its work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::timestamp::SECOND_US;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::chain;

/// Older than this, nothing locks or resolves (protocol.md §1).
const CHAIN_VIEW_LIMIT_US: i64 = 300 * SECOND_US;

/// The state of the process.
#[derive(Serialize, ToSchema)]
pub(super) struct HealthBody {
    /// `ok`, `degraded` (the chain view is over five minutes old) or `down`.
    status: &'static str,
    /// `ok` or `down`.
    database: &'static str,
    /// Age of the newest block that we have seen, market microseconds; null without a chain or
    /// before its first block.
    chain_view_age_us: Option<i64>,
    /// Whether prices come from a recording.
    is_replay: bool,
    /// The server's version.
    version: &'static str,
}

/// Whether the server can do its work. 503 when the database is gone.
#[utoipa::path(
    get,
    path = "/health",
    tag = "service",
    responses((status = 200, body = HealthBody), (status = 503, body = HealthBody))
)]
pub(super) async fn get_health(State(app): State<Arc<App>>) -> (StatusCode, Json<HealthBody>) {
    let view = chain_view_age_us(&app).await;
    let is_degraded = app.deployment.is_some()
        && view
            .as_ref()
            .is_ok_and(|age| age.is_none_or(|age| age > CHAIN_VIEW_LIMIT_US));
    let (code, status, database) = match (&view, is_degraded) {
        (Err(()), _) => (StatusCode::SERVICE_UNAVAILABLE, "down", "down"),
        (Ok(_), true) => (StatusCode::OK, "degraded", "ok"),
        (Ok(_), false) => (StatusCode::OK, "ok", "ok"),
    };
    let body = HealthBody {
        status,
        database,
        chain_view_age_us: view.unwrap_or(None),
        is_replay: app.settings.is_replay,
        version: env!("CARGO_PKG_VERSION"),
    };
    (code, Json(body))
}

async fn chain_view_age_us(app: &App) -> Result<Option<i64>, ()> {
    let failed = |error: &dyn std::error::Error| {
        tracing::warn!(cause = error.to_string(), "the health check failed");
    };
    let mut conn = app.db.read().await.map_err(|error| failed(&error))?;
    let head = chain::newest_head(&mut conn)
        .await
        .map_err(|error| failed(&error))?;
    Ok(head.map(|head| app.market.now_us() - head.time_s.saturating_mul(SECOND_US)))
}
