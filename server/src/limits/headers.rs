//! What a caller is told of its limits: `RateLimit-Policy` and `RateLimit` as the IETF draft
//! "RateLimit header fields for HTTP" has them, and `Retry-After`.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::bucket::Standing;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Writes `"read-per-key";q=240;w=12` (240 requests at once come back in 12 s) and
/// `"read-per-key";r=239;t=1` (239 are left, all are there again in 1 s).
pub fn write_headers(standing: &Standing, headers: &mut HeaderMap) {
    let name = &standing.policy;
    let policy = format!("\"{name}\";q={};w={}", standing.quota, standing.window_s);
    let limit = format!(
        "\"{name}\";r={};t={}",
        standing.remaining, standing.full_in_s
    );
    for (header, text) in [(POLICY, policy), (LIMIT, limit)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(header, value);
        }
    }
}

/// Writes how long to wait, whole seconds, rounded up, at least one.
pub fn write_retry_after(wait: Duration, headers: &mut HeaderMap) {
    let seconds = wait.as_millis().div_ceil(1_000).max(1);
    if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
        headers.insert(header::RETRY_AFTER, value);
    }
}
