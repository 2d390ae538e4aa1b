//! Pages for people, rendered on the server: one page per file, each with a private view whose
//! numbers are already text. Handlers read through the slices' verbs and write nothing.
//!
//! Never loads anything from elsewhere: style, script and icon are embedded, charts are inline SVG,
//! and the content security policy forbids the rest.

mod assets;
mod axis;
mod bars;
mod byte_range;
mod chart;
mod error;
mod frame;
mod histogram;
mod limit;
mod reliability_chart;
mod round_row;
mod standings;
mod text;

mod batches;
mod dataset_charts;
mod dataset_file;
mod datasets;
mod diagnostic_charts;
mod docs;
mod docs_schema;
mod feed_sources;
mod feeds;
mod home;
mod leaderboard;
mod live;
mod model;
mod model_calibration;
mod model_charts;
mod model_diagnostics;
mod model_summary;
mod model_trading;
mod operator;
mod operator_intents;
mod receipts;
mod record;
mod round;
mod round_evidence;
mod round_explained;
mod round_predictions;
mod run;
mod runners;
mod tournament;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router, middleware};

use crate::app::App;
use standings::Standings;

pub use limit::within_limits;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// The pages, with a page of their own for unknown addresses.
pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home::page))
        .route("/live", get(live::fragment))
        .route("/tournaments/{id}", get(tournament::page))
        .route("/rounds/{id}", get(round::page))
        .route("/rounds/{round}/runs/{model}", get(run::page))
        .route("/models/{id}", get(model::page))
        .route("/models/{id}/diagnostics", get(model_diagnostics::page))
        .route("/models/{id}/receipts", get(receipts::page))
        .route("/leaderboard", get(leaderboard::page))
        .route("/datasets", get(datasets::page))
        .route("/datasets/files/{*path}", get(dataset_file::file))
        .route("/feeds", get(feeds::page))
        .route("/batches", get(batches::page))
        .route("/runners", get(runners::page))
        .route("/operator", get(operator::page))
        .route("/record/{*path}", get(record::file))
        .route("/static/{file}", get(assets::file))
        .fallback(error::unknown_page)
        .layer(Extension(Arc::<Standings>::default()))
        .layer(middleware::map_response(with_headers))
}

/// The reference of the API, `GET /docs`, made from its OpenAPI document.
///
/// # Errors
/// When the page cannot be rendered.
pub fn reference(document: &serde_json::Value) -> Result<Router<Arc<App>>, askama::Error> {
    let router = docs::router(document)?;
    Ok(router.layer(middleware::map_response(with_headers)))
}

async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    let fresh = HeaderValue::from_static("no-cache");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(POLICY);
    headers.entry(X_CONTENT_TYPE_OPTIONS).or_insert(nosniff);
    headers
        .entry(REFERRER_POLICY)
        .or_insert(HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(fresh);
    response
}
