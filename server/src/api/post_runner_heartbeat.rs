//! `POST /runner/heartbeats`: a runner is alive.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{ApiJson, Caller};
use super::problem::{BodyProblems, KeyProblems, Problem, RunnerProblems};
use crate::accounts::Scope;
use crate::app::App;
use crate::runners::fleet::{self, Pulse};

/// How a runner is now.
#[derive(Deserialize, ToSchema)]
#[schema(as = RunnerHeartbeat)]
pub(super) struct HeartbeatBody {
    runner: String,
    /// Models that could start now.
    free_workers: i64,
    /// The machine's load average of a minute.
    #[serde(default)]
    load: f64,
    /// Whether it finishes what it has and takes nothing new.
    #[serde(default)]
    draining: bool,
}

/// What the operator wants of it.
#[derive(Serialize, ToSchema)]
#[schema(as = RunnerWish)]
pub(super) struct WishBody {
    /// Take nothing new.
    drain: bool,
}

/// A heartbeat of a registered runner.
#[utoipa::path(
    post,
    path = "/runner/heartbeats",
    tag = "runner",
    request_body = HeartbeatBody,
    responses((status = 200, body = WishBody), KeyProblems, BodyProblems, RunnerProblems),
    security(("key" = []))
)]
pub(super) async fn post_runner_heartbeat(
    State(app): State<Arc<App>>,
    caller: Caller,
    ApiJson(body): ApiJson<HeartbeatBody>,
) -> Result<Json<WishBody>, Problem> {
    caller.require(Scope::Run)?;
    #[expect(clippy::cast_possible_truncation, reason = "clamped")]
    let load_milli = (body.load.clamp(0.0, 1e6) * 1e3) as i64;
    let pulse = Pulse {
        free_workers: body.free_workers.max(0),
        load_milli,
        is_draining: body.draining,
    };
    let mut tx = app.db.begin().await?;
    let account = &caller.account.id;
    let drain = fleet::beat(&mut tx, app.wall.now_us(), &body.runner, account, pulse).await?;
    tx.commit().await?;
    Ok(Json(WishBody { drain }))
}
