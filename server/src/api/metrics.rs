//! `GET /metrics`: what the process counted, how settlement stands and how the feeds do, in the text
//! form of Prometheus.

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use super::{feed_metrics, runner_metrics, settlement_metrics};
use crate::app::App;

/// One recorder a process, as `metrics` has it.
static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Seconds.
const BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// Installs the recorder; called once, at the start of the process. A second call changes nothing.
///
/// # Errors
/// When another recorder is installed already.
pub fn install() -> Result<(), BuildError> {
    if HANDLE.get().is_some() {
        return Ok(());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets(&BUCKETS)?
        .install_recorder()?;
    // Whoever lost a race against another call has failed above.
    let _ = HANDLE.set(handle);
    Ok(())
}

/// What the process counted, how settlement stands and how the feeds do, Prometheus text.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "service",
    responses((status = 200, description = "Prometheus text", body = String, content_type = "text/plain"))
)]
pub(super) async fn get_metrics(State(app): State<Arc<App>>) -> Response {
    let mut text = HANDLE
        .get()
        .map(PrometheusHandle::render)
        .unwrap_or_default();
    match settlement_metrics::text(&app).await {
        Ok(settlement) => text.push_str(&settlement),
        // The rest is still worth having; what is absent is an alert of its own.
        Err(error) => tracing::error!(%error, "the metrics of settlement could not be read"),
    }
    match feed_metrics::text(&app).await {
        Ok(feeds) => text.push_str(&feeds),
        Err(error) => tracing::error!(%error, "the metrics of the feeds could not be read"),
    }
    match runner_metrics::text(&app).await {
        Ok(runners) => text.push_str(&runners),
        Err(error) => tracing::error!(%error, "the metrics of the runners could not be read"),
    }
    let form = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (form, text).into_response()
}
