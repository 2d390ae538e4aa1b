//! Validators and caching of answers: what a client has already is not sent again, and nobody keeps
//! an answer that was for somebody else.
//!
//! Stands inside of the compression, so that tags are of the plain bytes. Must never tag a stream, a
//! refusal, or an answer that is only true at its moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};

/// Larger answers are sent untagged: hashing them costs more than it saves.
const TAGGED_BYTES: u64 = 4 << 20;

/// Answers that are only true at their moment.
const OF_THE_MOMENT: [&str; 6] = [
    "/time",
    "/health",
    "/feeds",
    "/metrics",
    "/rounds/next",
    "/runners",
];

/// A year: what never changes under its address.
pub(super) const FOR_EVER: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");

/// Set by whoever looks at the key of a request: its answer is for that key alone.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyLookedAt(Arc<AtomicBool>);

impl KeyLookedAt {
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Tags the answers to GET, answers 304 to who has them, and says how long they may be kept.
pub(super) async fn with_etag(mut request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.extensions().get::<MatchedPath>().cloned();
    let is_of_the_moment = path.is_some_and(|path| is_of_the_moment(path.as_str()));
    let known = request.headers().get_all(IF_NONE_MATCH).into_iter();
    let known: Vec<HeaderValue> = known.cloned().collect();
    let key = KeyLookedAt::default();
    request.extensions_mut().insert(key.clone());
    let mut response = next.run(request).await;
    let is_for_one = key.0.load(Ordering::Relaxed);
    let headers = response.headers_mut();
    if is_for_one {
        headers.append(VARY, HeaderValue::from_static("authorization"));
    }
    if !is_read || is_of_the_moment || response.status() != StatusCode::OK {
        keep_for(&mut response, "no-store");
        return response;
    }
    keep_for(
        &mut response,
        if is_for_one {
            "private, no-cache"
        } else {
            "no-cache"
        },
    );
    let response = tagged(response).await;
    let tag = response.headers().get(ETAG);
    if tag.is_some_and(|tag| known.iter().any(|list| names(list, tag))) {
        return not_modified(response);
    }
    response
}

/// An answer that was compressed on its way has other bytes than its strong tag promises.
pub(super) async fn weakened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let is_encoded = headers.contains_key(CONTENT_ENCODING);
    let strong = headers
        .get(ETAG)
        .filter(|tag| tag.as_bytes().first() == Some(&b'"'));
    if let Some(strong) = strong.filter(|_| is_encoded) {
        let weak = [b"W/", strong.as_bytes()].concat();
        if let Ok(weak) = HeaderValue::from_bytes(&weak) {
            headers.insert(ETAG, weak);
        }
    }
    response
}

/// Whether a GET of this path answers anew each time, without a tag.
pub(super) fn is_of_the_moment(path: &str) -> bool {
    let path = path.strip_prefix(super::PREFIX).unwrap_or(path);
    OF_THE_MOMENT.contains(&path)
}

/// What a handler said itself stays.
fn keep_for(response: &mut Response, how: &'static str) {
    let headers = response.headers_mut();
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static(how));
}

/// With the tag of its handler, or a weak one over its bytes where they are JSON and not too many.
async fn tagged(response: Response) -> Response {
    let headers = response.headers();
    let is_json = |kind: &HeaderValue| kind.as_bytes().starts_with(b"application/json");
    let size = response.body().size_hint().exact();
    let is_short = size.is_some_and(|size| size <= TAGGED_BYTES);
    if headers.contains_key(ETAG) || !headers.get(CONTENT_TYPE).is_some_and(is_json) || !is_short {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        // The body is in memory: it cannot break off.
        return Response::from_parts(parts, Body::empty());
    };
    let hash = hex::encode(&Sha256::digest(&bytes)[..16]);
    if let Ok(tag) = HeaderValue::from_str(&format!("W/\"{hash}\"")) {
        parts.headers.insert(ETAG, tag);
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// Whether a list of tags, as `If-None-Match` has them, names `tag`; weak or strong is the same here.
fn names(list: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(list), Ok(tag)) = (list.to_str(), tag.to_str()) else {
        return false;
    };
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tag = plain(tag);
    list.split(',')
        .any(|one| one.trim() == "*" || plain(one) == tag)
}

/// The headers without the bytes.
fn not_modified(response: Response) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    forget_content(&mut parts.headers);
    Response::from_parts(parts, Body::empty())
}

fn forget_content(headers: &mut HeaderMap) {
    headers.remove(CONTENT_TYPE);
    headers.remove(CONTENT_LENGTH);
}
