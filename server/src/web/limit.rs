//! How many pages one address may load.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::WebError;
use crate::app::App;
use crate::limits::{Class, Client, Verdict, write_headers, write_retry_after};
use crate::wall::pause;

/// A refusal takes this long.
const REFUSAL: Duration = Duration::from_millis(100);

/// Counts a page; style, scripts and files of the record and of datasets are not counted.
pub async fn within_limits(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_file = ["/static/", "/record/", "/datasets/files/"];
    if is_file.iter().any(|prefix| path.starts_with(prefix)) {
        return next.run(request).await;
    }
    let trusted = &app.settings.trusted_proxies;
    let address = trusted.client_of(request.headers(), request.extensions());
    let client = Client { address, key: None };
    match app.limits.check(Class::Page, &client) {
        Verdict::Refused(standing, wait) => {
            // As in the API: a flood is slowed down where it costs nothing.
            pause(REFUSAL).await;
            let mut response = WebError::Crowded(StatusCode::TOO_MANY_REQUESTS).into_response();
            write_headers(&standing, response.headers_mut());
            write_retry_after(wait, response.headers_mut());
            response
        }
        Verdict::Allowed(_) | Verdict::Unlimited => match app.limits.reader().await {
            Some(_turn) => next.run(request).await,
            None => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let mut response = WebError::Crowded(status).into_response();
                write_retry_after(Duration::from_secs(2), response.headers_mut());
                response
            }
        },
    }
}
