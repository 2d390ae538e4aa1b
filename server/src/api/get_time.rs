//! `GET /time`: the clock that deadlines are measured by.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::timestamp::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;

/// The market clock.
#[derive(Serialize, ToSchema)]
pub(super) struct TimeBody {
    /// Market microseconds since 1970-01-01 UTC.
    now_us: i64,
    /// The same as RFC 3339.
    now_at: String,
    /// Market seconds per wall second: 1, or more in a replay.
    speed: f64,
}

/// The server's market clock: all deadlines are moments of it.
#[utoipa::path(get, path = "/time", tag = "service", responses((status = 200, body = TimeBody)))]
pub(super) async fn get_time(State(app): State<Arc<App>>) -> Json<TimeBody> {
    let now_us = app.market.now_us();
    Json(TimeBody {
        now_us,
        now_at: rfc3339(now_us),
        speed: app.market.speed(),
    })
}
