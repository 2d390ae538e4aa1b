//! Who may ask how much: counts every request before anything is looked up for it, tells the caller
//! where it stands, and keeps readers from crowding out predictions.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;

use super::PREFIX;
use super::client_address::ClientAddress;
use super::problem::Problem;
use crate::app::App;
use crate::limits::{
    Class, Client, Kept, Place, Standing, Verdict, write_headers, write_retry_after,
};
use crate::wall::pause;

/// A refusal takes this long and nothing else: whoever sends again at once is slowed down before it
/// costs the others anything, and whoever waits as told does not notice.
const REFUSAL: Duration = Duration::from_millis(100);
/// Reading these never waits for its turn: they read nothing.
const ALWAYS_SERVED: [&str; 3] = ["/time", "/openapi.json", "/metrics"];

/// Counts the request, and lets it go on or not.
pub(super) async fn within_limits(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    ClientAddress::note(&app.settings.trusted_proxies, &mut request);
    let route = request.extensions().get::<MatchedPath>();
    let route = route.and_then(|route| route.as_str().strip_prefix(PREFIX));
    let class = Class::of(request.method().as_str(), route);
    let waits = class == Class::Read && route.is_some_and(|path| !ALWAYS_SERVED.contains(&path));
    let client = Client {
        address: ClientAddress::of(request.extensions()).0,
        key: bearer(request.headers()),
    };
    let standing = match app.limits.check(class, &client) {
        Verdict::Unlimited => None,
        Verdict::Allowed(standing) => Some(standing),
        Verdict::Refused(standing, wait) => {
            pause(REFUSAL).await;
            return rate_limited(class, &standing, wait);
        }
    };
    let stream = match class {
        Class::Stream => match app.limits.open_stream(&client) {
            Some(place) => Some(place),
            None => return too_many_streams(),
        },
        _ => None,
    };
    let kept = request.extensions().get::<Kept>().cloned();
    let turn = match waits {
        true => match app.limits.reader().await {
            Some(turn) => Some(turn),
            None => return overloaded(),
        },
        false => None,
    };
    let mut response = next.run(request).await;
    drop(turn);
    if let Some(standing) = standing {
        write_headers(&standing, response.headers_mut());
    }
    match stream {
        Some(place) => hold(response, place, kept),
        None => response,
    }
}

/// The text after `Bearer`, if the header is there and has that form.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// The stream's place is free again when its body ends or, after a change of protocol, its
/// connection.
fn hold(response: Response, place: Place, kept: Option<Kept>) -> Response {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        if let Some(kept) = kept {
            kept.keep(place);
        }
        return response;
    }
    response.map(|body| {
        let chunks = body.into_data_stream().map(move |chunk| {
            let _held = &place;
            chunk
        });
        Body::from_stream(chunks)
    })
}

fn rate_limited(class: Class, standing: &Standing, wait: Duration) -> Response {
    metrics::counter!("http_rate_limited_total", "class" => class.name()).increment(1);
    let (quota, window_s) = (standing.quota, standing.window_s);
    let problem = Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate-limited",
        "Too many requests",
        format!(
            "The limit `{}` lets {quota} requests through in {window_s} s.",
            standing.policy
        ),
        "Wait as many seconds as `Retry-After` says. `RateLimit` in every answer tells how many \
         requests are left.",
    );
    let mut response = problem.into_response();
    write_headers(standing, response.headers_mut());
    write_retry_after(wait, response.headers_mut());
    response
}

fn too_many_streams() -> Response {
    metrics::counter!("http_rate_limited_total", "class" => "streams").increment(1);
    let problem = Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too-many-streams",
        "Too many open streams",
        "This key or address has as many open streams as it may.",
        "Close one, or read all tournaments from a single stream.",
    );
    let mut response = problem.into_response();
    write_retry_after(Duration::from_secs(10), response.headers_mut());
    response
}

fn overloaded() -> Response {
    metrics::counter!("http_overloaded_total").increment(1);
    let problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "overloaded",
        "Too many readers at once",
        "The request waited for its turn and nothing was read: predictions come first.",
        "Ask again in a few seconds; `GET /api/v1/time` always answers.",
    );
    let mut response = problem.into_response();
    write_retry_after(Duration::from_secs(2), response.headers_mut());
    response
}
