//! The whole HTTP application: API, pages, what every answer carries, and how connections are
//! served.

mod connection;
mod listener;
#[cfg(test)]
mod reference_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, header};
use axum::{Router, middleware};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::app::App;
use crate::{api, web};

/// No page needs more than this: no inline script, nothing from elsewhere, no framing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// The router of the serving process.
///
/// # Panics
/// When memory is out: the reference page is rendered here, once.
pub fn router(app: Arc<App>) -> Router {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    let limited = middleware::from_fn_with_state(Arc::clone(&app), web::within_limits);
    let reference = web::reference(&api::openapi()).expect("a page in memory can be written");
    let router = Router::new()
        .merge(api::router(&app))
        .merge(web::router().merge(reference).layer(limited))
        .with_state(app);
    fixed.into_iter().fold(
        router,
        |router, (name, value): (HeaderName, &'static str)| {
            let value = HeaderValue::from_static(value);
            router.layer(SetResponseHeaderLayer::if_not_present(name, value))
        },
    )
}

/// Serves the application until `stop`; requests that are being answered then are answered.
///
/// # Errors
/// When connections cannot be taken any more.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let router = router(Arc::clone(&app));
    listener::serve(listener, router, &app.limits, stop).await
}
