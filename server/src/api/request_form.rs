//! What an address may look like. Everything behind this may trust that paths and queries are text
//! of a sensible length without control characters; databases and logs differ about the rest.

use axum::extract::Request;
use axum::http::{StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::BODY_LIMIT;
use super::extract::{bad_query, body_too_large};
use super::problem::Problem;

/// Longest path and query together, bytes.
const LONGEST: usize = 4_096;

/// Refuses an address that cannot be meant.
pub(super) async fn well_formed(request: Request, next: Next) -> Response {
    match check(request.uri()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Refuses a body that is said to be too large before any of it is waited for.
pub(super) async fn small_enough(request: Request, next: Next) -> Response {
    let said = request.headers().get(header::CONTENT_LENGTH);
    let length = said.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_LIMIT) {
        return body_too_large().into_response();
    }
    next.run(request).await
}

fn check(uri: &Uri) -> Result<(), Problem> {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    if path.len().saturating_add(query.len()) > LONGEST {
        return Err(Problem::new(
            StatusCode::URI_TOO_LONG,
            "uri-too-long",
            "The address is too long",
            format!("The path and the query have more than {LONGEST} bytes."),
            "Send less in the address.",
        ));
    }
    if !is_plain_text(path) {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "path-invalid",
            "The path cannot be read",
            "The path, decoded, has control characters or is no UTF-8.",
            "`GET /api/v1/openapi.json` lists every address.",
        ));
    }
    if !is_plain_text(query) {
        return Err(bad_query(
            "The query, decoded, has control characters or is no UTF-8.".to_owned(),
            "Send text; the parameters are in `/api/v1/openapi.json`.".to_owned(),
        ));
    }
    Ok(())
}

/// Whether the text is UTF-8 without control characters after each `%41` has become its byte.
fn is_plain_text(encoded: &str) -> bool {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let bytes = encoded.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escaped = match byte {
            b'%' => digit(bytes.get(at + 1)).zip(digit(bytes.get(at + 2))),
            _ => None,
        };
        let (value, length) = match escaped {
            Some((high, low)) => (u8::try_from(high * 16 + low).unwrap_or(0), 3),
            None => (*byte, 1),
        };
        decoded.push(value);
        at += length;
    }
    let text = std::str::from_utf8(&decoded);
    text.is_ok_and(|text| !text.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_text_gets_through() {
        for fine in [
            "/api/v1/time",
            "/a%2Fb",
            "/%C3%A9",
            "/100%",
            "/%zz",
            "a=b+c&d=%20",
        ] {
            assert!(is_plain_text(fine), "{fine}");
        }
        for wrong in [
            "/%00",
            "/a%0d%0aSet-Cookie:x",
            "/%ff",
            "/%C3",
            "x=%7F",
            "/%c2%85",
        ] {
            assert!(!is_plain_text(wrong), "{wrong}");
        }
    }
}
