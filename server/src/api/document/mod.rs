//! The OpenAPI document: what the handlers say, and what no handler can say of itself: how keys are
//! sent, the refusals that stand in front of every endpoint, examples of whole bodies.
//!
//! Works on the document as JSON. Must never describe what the server does not do.

mod example;
mod refusals;

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use super::etag;

/// The methods of a path item.
pub(super) const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// The whole document.
pub(super) fn finished(document: &OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["components"]["securitySchemes"]["key"] = json!({
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "ftk_<id>_<secret>_<checksum>",
        "description": "An API key: `Authorization: Bearer ftk_…`.",
    });
    document["servers"] = json!([{ "url": "/", "description": "This server" }]);
    let schemas = document["components"]["schemas"].clone();
    each_operation(&mut document, |path, method, operation| {
        complete(operation, path, method, &schemas);
    });
    document
}

/// Calls `change` with the path, the method and the operation of each.
pub(super) fn each_operation(document: &mut Value, mut change: impl FnMut(&str, &str, &mut Value)) {
    // Never by `[…]`: asking for a member that is not there would write null.
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, item) in paths.into_iter().flatten() {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                change(path, method, operation);
            }
        }
    }
}

fn complete(operation: &mut Value, path: &str, method: &str, schemas: &Value) {
    let summary = operation["summary"].as_str().unwrap_or_default().to_owned();
    if operation["description"].is_null() {
        operation["description"] = Value::from(summary.clone());
    }
    refusals::add(operation, path, method);
    if method == "get" && !etag::is_of_the_moment(path) {
        operation["responses"]["304"] =
            json!({ "description": "`If-None-Match` names what would be sent" });
    }
    let parameters = operation.get_mut("parameters");
    let parameters = parameters.and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        if parameter["example"].is_null() {
            parameter["example"] = example::parameter(&name, path, &parameter["schema"], schemas);
        }
    }
    let content = operation.pointer_mut("/requestBody/content");
    if let Some(content) = content.and_then(Value::as_object_mut) {
        give_examples(content, schemas);
    }
    let responses = operation.get_mut("responses");
    let responses = responses.and_then(Value::as_object_mut);
    for (status, response) in responses.into_iter().flatten() {
        let is_empty = response["description"].as_str().is_none_or(str::is_empty);
        if is_empty && status.starts_with('2') {
            response["description"] = Value::from(summary.clone());
        }
        let content = response.get_mut("content");
        if let Some(content) = content.and_then(Value::as_object_mut) {
            give_examples(content, schemas);
        }
    }
}

/// JSON bodies have an example; bytes have none that a person could read.
fn give_examples(content: &mut Map<String, Value>, schemas: &Value) {
    for (kind, media) in content {
        let has_one = !media["example"].is_null() || !media["examples"].is_null();
        if !has_one && kind.ends_with("json") {
            media["example"] = example::of(&media["schema"], "", schemas, 0);
        }
    }
}
