//! The refusals that stand in front of every endpoint: the address, the limits, the key, the body,
//! the time.

use serde_json::{Value, json};

use crate::api::etag;
use crate::limits::Class;

const PROBLEM: &str = "#/components/schemas/Problem";

/// Adds to an operation what stands in front of it, and gives every refusal its body.
pub(super) fn add(operation: &mut Value, path: &str, method: &str) {
    let route = path.strip_prefix(crate::api::PREFIX);
    let class = Class::of(&method.to_ascii_uppercase(), route);
    let mut common = vec![
        ("400", vec!["path-invalid", "query-invalid", "key-in-url"]),
        ("405", vec!["wrong-method"]),
        ("414", vec!["uri-too-long"]),
        ("429", vec!["rate-limited"]),
        ("500", vec!["internal"]),
        ("503", vec!["overloaded"]),
        ("504", vec!["timeout"]),
    ];
    if class == Class::Stream {
        common.push(("429", vec!["too-many-streams"]));
    }
    if !operation["requestBody"].is_null() {
        common.push(("408", vec!["request-timeout"]));
        common.push(("413", vec!["body-too-large"]));
    }
    let security = operation["security"].as_array();
    if security.is_some_and(|ways| ways.iter().any(|way| way["key"].is_array())) {
        let codes = vec![
            "key-missing",
            "key-malformed",
            "key-unknown",
            "key-revoked",
            "key-expired",
        ];
        common.push(("401", codes));
        common.push(("403", vec!["key-address-refused"]));
    }
    let responses = &mut operation["responses"];
    if method == "get" && !etag::is_of_the_moment(path) && responses["304"].is_null() {
        let says = "`If-None-Match` names what would be sent";
        responses["304"] = json!({ "description": says });
    }
    for (status, codes) in common {
        mention(&mut responses[status], &codes);
    }
    let responses = responses.as_object_mut();
    for (status, response) in responses.into_iter().flatten() {
        if status.starts_with(['4', '5']) {
            give_body(status, response);
        }
    }
    // The connection answers it before there is a request, so it has no body.
    let says = "The head has more than 64 headers or 32 KiB; without a body";
    operation["responses"]["431"] = json!({ "description": says });
}

/// Names the codes in the description, each once.
fn mention(response: &mut Value, codes: &[&str]) {
    let mut description = response["description"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for code in codes {
        let quoted = format!("`{code}`");
        if description.contains(&quoted) {
            continue;
        }
        let before = match description.as_str() {
            "" => "Problem: ",
            _ => ", ",
        };
        description.push_str(before);
        description.push_str(&quoted);
    }
    response["description"] = Value::from(description);
}

fn give_body(status: &str, response: &mut Value) {
    if response["content"].is_null() {
        let schema = json!({ "$ref": PROBLEM });
        response["content"] = json!({ "application/problem+json": { "schema": schema } });
    }
    if status == "429" {
        let whole = json!({ "type": "integer", "minimum": 1 });
        response["headers"]["Retry-After"] =
            json!({ "description": "Seconds to wait", "schema": whole });
    }
}
