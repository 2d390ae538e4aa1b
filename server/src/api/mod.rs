//! The HTTP API under `/api/v1`: one endpoint per file. Handlers parse, call verbs, answer.
//!
//! Never writes SQL and never decides about money. Errors become responses in `problem` alone; the
//! OpenAPI document is made from the handlers.

mod client_address;
mod document;
mod extract;
mod key_in_url;
mod limit;
pub mod metrics;
mod metrics_page;
mod pace;
mod problem;
mod request_form;
mod trace;

mod account_body;
mod aggregate_body;
mod amount;
mod event_feed;
mod event_query;
mod model_body;
mod notice_body;
mod prediction_body;
mod receipt_body;
mod round_body;
mod signed_body;
mod signed_prediction;
pub(crate) mod source_body;
mod tournament_body;
mod webhook_body;

mod delete_key;
mod delete_model;
mod delete_session_key;
mod delete_webhook;
mod feed_metrics;
mod get_account;
mod get_dataset;
mod get_events;
mod get_events_socket;
mod get_evidence;
pub(crate) mod get_feeds;
mod get_health;
mod get_leaderboard;
mod get_model;
mod get_model_diagnostics;
mod get_model_history;
mod get_model_summary;
mod get_prediction;
mod get_round;
mod get_round_aggregate;
mod get_run;
mod get_runner_blob;
mod get_signing_domain;
mod get_source_receipt;
mod get_time;
mod get_tournament;
mod get_webhook;
mod list_aggregates;
mod list_batches;
mod list_datasets;
mod list_keys;
mod list_models;
mod list_outcomes;
mod list_receipts;
mod list_recent_events;
mod list_rounds;
mod list_runners;
mod list_session_keys;
mod list_tournaments;
mod list_webhook_deliveries;
mod list_webhooks;
mod post_account;
mod post_account_wallet;
mod post_key;
mod post_key_rotation;
mod post_model;
mod post_model_upload;
mod post_predictions;
mod post_runner_heartbeat;
mod post_runner_next;
mod post_runner_registration;
mod post_runner_results;
mod post_session_key;
mod post_signed_key;
mod post_wallet_link;
mod post_webhook;
mod post_webhook_enabling;
mod post_webhook_rotation;
mod post_webhook_test;
mod put_prediction;
mod run_answers;
mod runner_metrics;
mod settlement_metrics;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Json, Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::trace::TraceLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

const PREFIX: &str = "/api/v1";
/// Most bytes of a body that is no upload.
const BODY_LIMIT: usize = 1 << 20;
/// Longer than a runner may wait for a job.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// For 64 MB over a slow line.
const UPLOAD_TIME_LIMIT: Duration = Duration::from_secs(300);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Foretoken",
        description = "Prediction tournaments with stakes. Every refusal is a problem (RFC 9457) \
                       with a stable `code` and a `remedy`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(problem::ProblemBody)),
    tags(
        (name = "service", description = "Clock and state of the server"),
        (name = "tournaments", description = "Rules and outcomes"),
        (name = "rounds", description = "Rounds, their evidence and their results"),
        (name = "predictions", description = "Posting predictions"),
        (name = "models", description = "Entering tournaments; scores and payouts"),
        (name = "accounts", description = "Accounts, keys, wallets and session keys"),
        (name = "datasets", description = "What to train on, in versions that never change"),
        (name = "events", description = "What happens, as streams and for those who poll"),
        (name = "webhooks", description = "What happens, as signed requests to an address of yours"),
        (name = "runner", description = "For processes that execute hosted models")
    )
)]
struct Document;

/// The API under `/api/v1`, and `/metrics`. Its answers carry no security headers: the server sets
/// them for the API and the pages together.
pub fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let (quick, _) = quick().split_for_parts();
    let (slow, _) = slow().split_for_parts();
    let (streams, _) = streams().split_for_parts();
    let document = openapi();
    let limited = middleware::from_fn_with_state(Arc::clone(app), limit::within_limits);
    let quick = quick
        .route("/openapi.json", get(async move || Json(document)))
        .layer(middleware::from_fn(request_form::small_enough))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(|request, next| {
            trace::within(TIME_LIMIT, request, next)
        }));
    let slow = slow.layer(middleware::from_fn(|request, next| {
        trace::within(UPLOAD_TIME_LIMIT, request, next)
    }));
    let api = quick
        .merge(slow)
        .merge(streams)
        .fallback(trace::unknown_route)
        .method_not_allowed_fallback(trace::wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(pace::at_a_pace))
        .layer(limited.clone())
        .layer(middleware::from_fn(request_form::well_formed))
        .layer(CatchPanicLayer::custom(trace::panicked))
        .layer(middleware::from_fn(trace::with_route))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(trace::span)
                .on_response(trace::note_response),
        )
        .layer(middleware::from_fn(key_in_url::refuse_keys))
        .layer(middleware::from_fn(trace::with_request_id));
    Router::new()
        .nest(PREFIX, api)
        .route("/metrics", get(metrics::get_metrics).layer(limited))
}

/// The OpenAPI document of everything under `/api/v1`.
pub(crate) fn openapi() -> serde_json::Value {
    let (_, mut paths) = quick().split_for_parts();
    let (_, slow) = slow().split_for_parts();
    paths.merge(slow);
    let (_, streams) = streams().split_for_parts();
    paths.merge(streams);
    document::finished(&Document::openapi().nest(PREFIX, paths))
}

fn quick() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(get_time::get_time))
        .routes(routes!(get_health::get_health))
        .routes(routes!(get_feeds::get_feeds))
        .routes(routes!(metrics::get_metrics))
        .routes(routes!(list_tournaments::list_tournaments))
        .routes(routes!(get_tournament::get_tournament))
        .routes(routes!(list_outcomes::list_outcomes))
        .routes(routes!(list_rounds::list_rounds))
        .routes(routes!(get_round::get_round))
        .routes(routes!(get_evidence::get_evidence))
        .routes(routes!(get_source_receipt::get_source_receipt))
        .routes(routes!(get_round_aggregate::get_round_aggregate))
        .routes(routes!(list_aggregates::list_aggregates))
        .routes(routes!(list_batches::list_batches))
        .routes(routes!(list_datasets::list_datasets))
        .routes(routes!(get_dataset::get_dataset))
        .routes(routes!(get_leaderboard::get_leaderboard))
        .routes(routes!(
            put_prediction::put_prediction,
            get_prediction::get_prediction
        ))
        .routes(routes!(post_predictions::post_predictions))
        .routes(routes!(list_models::list_models, post_model::post_model))
        .routes(routes!(get_model::get_model, delete_model::delete_model))
        .routes(routes!(get_model_history::get_model_history))
        .routes(routes!(get_model_summary::get_model_summary))
        .routes(routes!(get_model_diagnostics::get_model_diagnostics))
        .routes(routes!(post_account::post_account))
        .routes(routes!(post_account_wallet::post_account_wallet))
        .routes(routes!(get_account::get_account))
        .routes(routes!(post_wallet_link::post_wallet_link))
        .routes(routes!(get_signing_domain::get_signing_domain))
        .routes(routes!(list_keys::list_keys, post_key::post_key))
        .routes(routes!(post_signed_key::post_signed_key))
        .routes(routes!(delete_key::delete_key))
        .routes(routes!(post_key_rotation::post_key_rotation))
        .routes(routes!(
            list_session_keys::list_session_keys,
            post_session_key::post_session_key
        ))
        .routes(routes!(delete_session_key::delete_session_key))
        .routes(routes!(list_receipts::list_receipts))
        .routes(routes!(list_recent_events::list_recent_events))
        .routes(routes!(
            list_webhooks::list_webhooks,
            post_webhook::post_webhook
        ))
        .routes(routes!(
            get_webhook::get_webhook,
            delete_webhook::delete_webhook
        ))
        .routes(routes!(list_webhook_deliveries::list_webhook_deliveries))
        .routes(routes!(post_webhook_test::post_webhook_test))
        .routes(routes!(post_webhook_rotation::post_webhook_rotation))
        .routes(routes!(post_webhook_enabling::post_webhook_enabling))
        .routes(routes!(get_run::get_run))
        .routes(routes!(list_runners::list_runners))
        .routes(routes!(post_runner_registration::post_runner_registration))
        .routes(routes!(post_runner_heartbeat::post_runner_heartbeat))
        .routes(routes!(post_runner_next::post_runner_next))
        .routes(routes!(post_runner_results::post_runner_results))
}

/// Large bodies: more time, and no compression of what does not compress.
fn slow() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(post_model_upload::post_model_upload))
        .routes(routes!(get_runner_blob::get_runner_blob))
}

/// Answers without an end: no time limit, and no compression that would gather what is to be read at
/// once.
fn streams() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(get_events::get_events))
        .routes(routes!(get_events_socket::get_events_socket))
}
