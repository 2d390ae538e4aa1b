//! Keys in addresses: refused before anything else sees the address, since servers, proxies and
//! browsers write addresses down.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::accounts::may_hold_key;

/// Refuses a request whose path or query holds what looks like a key, whole or cut. It stands
/// outside of the log.
pub(super) async fn refuse_keys(request: Request, next: Next) -> Response {
    let uri = request.uri();
    if !holds_key(uri.path()) && !uri.query().is_some_and(holds_key) {
        return next.run(request).await;
    }
    Problem::new(
        StatusCode::BAD_REQUEST,
        "key-in-url",
        "An API key is in the address",
        "The path or the query holds what looks like an API key; the request was not looked at.",
        "Send the key in the header `Authorization: Bearer …` alone. Others may have seen this one \
         on its way: make another with `POST /api/v1/keys/{id}/rotate` and revoke it.",
    )
    .into_response()
}

fn holds_key(encoded: &str) -> bool {
    // Nothing is decoded in the usual case.
    if !encoded.contains('%') {
        return may_hold_key(encoded);
    }
    may_hold_key(&decoded(encoded))
}

/// Each `%41` as its byte; what is no UTF-8 afterwards is replaced.
fn decoded(encoded: &str) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let escaped = after
            .get(..2)
            .filter(|_| *byte == b'%')
            .and_then(|digits| hex::decode(digits).ok());
        match escaped {
            Some(one) => {
                bytes.extend(one);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::holds_key;

    #[test]
    fn keys_are_seen_whole_cut_and_encoded() {
        for text in [
            "key=ftk_0123456789ab_00",
            "key=%66tk_0123456789ab",
            "a=1&b=Bearer+ftk%5F0123456789ab",
            "/api/v1/keys/ftk_0123456789ab_cd",
            "key=ftk_0123%zz&x=ftk_01234567",
        ] {
            assert!(holds_key(text), "{text}");
        }
        for text in [
            "",
            "key=ftk_",
            "tournament=btc-usd-5m",
            "name=ftk_x%20y",
            "%",
            "a=%f",
        ] {
            assert!(!holds_key(text), "{text}");
        }
    }
}
