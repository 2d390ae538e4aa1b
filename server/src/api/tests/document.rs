//! The OpenAPI document is complete and tells the truth.

use std::collections::BTreeSet;

use super::*;
use crate::api::document::METHODS;

/// Streams and long polls have no answer to wait for.
const ENDLESS: [&str; 3] = [
    "/api/v1/events",
    "/api/v1/events/ws",
    "/api/v1/runner/jobs/next",
];

/// Path, method and operation of each.
fn operations(document: &Value) -> Vec<(&str, &'static str, &Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in METHODS {
            if item[method].is_object() {
                found.push((path.as_str(), method, &item[method]));
            }
        }
    }
    found
}

fn said(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() > 3)
}

/// What an operation fails to say.
fn missing(path: &str, operation: &Value) -> Vec<String> {
    let mut missing = Vec::new();
    let mut must = |holds: bool, what: String| {
        if !holds {
            missing.push(what);
        }
    };
    must(said(&operation["operationId"]), "operationId".to_owned());
    must(said(&operation["summary"]), "summary".to_owned());
    must(said(&operation["description"]), "description".to_owned());
    must(said(&operation["tags"][0]), "tag".to_owned());
    let parameters = operation["parameters"].as_array();
    let parameters: Vec<&Value> = parameters.into_iter().flatten().collect();
    for one in &parameters {
        let name = one["name"].as_str().unwrap_or_default();
        must(said(&one["description"]), format!("description of {name}"));
        must(!one["example"].is_null(), format!("example of {name}"));
        must(one["schema"].is_object(), format!("schema of {name}"));
    }
    for part in path.split('/').filter_map(|part| part.strip_prefix('{')) {
        let name = part.trim_end_matches('}');
        let is_there = parameters.iter().any(|one| one["name"] == name);
        must(is_there, format!("path parameter {name}"));
    }
    let body = operation.get("requestBody");
    must(
        body.is_none_or(|body| body["content"].is_object()),
        "body".to_owned(),
    );
    let mut wanted = vec!["400", "405", "414", "429", "500", "503", "504"];
    if let Some(content) = operation["requestBody"]["content"].as_object() {
        wanted.extend(["408", "413"]);
        for (kind, media) in content {
            let has_one = !media["example"].is_null() || !kind.ends_with("json");
            must(has_one, format!("example of the body, {kind}"));
        }
    }
    let responses = operation["responses"].as_object().expect("responses");
    for status in wanted {
        must(responses.contains_key(status), format!("problem {status}"));
    }
    for (status, response) in responses {
        must(
            said(&response["description"]),
            format!("description of {status}"),
        );
        let content = response["content"].as_object();
        for (kind, media) in content.into_iter().flatten() {
            let is_json = kind.ends_with("json");
            must(
                !is_json || !media["example"].is_null(),
                format!("example of {status}"),
            );
            must(
                !is_json || media["schema"].is_object(),
                format!("schema of {status}"),
            );
        }
        let is_problem = response["description"]
            .as_str()
            .is_some_and(|text| text.starts_with("Problem: `"));
        if status.starts_with(['4', '5']) && status != "431" {
            must(content.is_some(), format!("content of {status}"));
            let is_other = (path, status.as_str()) == ("/api/v1/health", "503");
            must(is_problem || is_other, format!("codes of {status}"));
        }
    }
    missing
}

#[test]
fn every_operation_says_what_a_program_must_know() {
    let document = crate::api::openapi();
    assert!(
        document["openapi"]
            .as_str()
            .is_some_and(|v| v.starts_with("3.1"))
    );
    let operations = operations(&document);
    assert!(operations.len() > 30, "{}", operations.len());
    let mut ids = BTreeSet::new();
    let mut wrong = Vec::new();
    for (path, method, operation) in operations {
        let found = missing(path, operation);
        wrong.extend(
            found
                .into_iter()
                .map(|what| format!("{method} {path}: {what}")),
        );
        if !ids.insert(operation["operationId"].as_str()) {
            wrong.push(format!("{method} {path}: its operationId is another's"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Sends the document's own example.
async fn example(
    world: &World,
    path: &str,
    method: &str,
    operation: &Value,
    key: Option<&str>,
) -> Answer {
    let mut address = path.to_owned();
    let mut query = Vec::new();
    let parameters = operation["parameters"].as_array();
    for one in parameters.into_iter().flatten() {
        let name = one["name"].as_str().expect("a name");
        let value = match &one["example"] {
            Value::String(text) => text.replace(' ', "%20").replace(',', "%2C"),
            other => other.to_string(),
        };
        match one["in"].as_str() {
            Some("path") => address = address.replace(&format!("{{{name}}}"), &value),
            Some("query") if one["required"] == true => query.push(format!("{name}={value}")),
            _ => {}
        }
    }
    if !query.is_empty() {
        address = format!("{address}?{}", query.join("&"));
    }
    let mut request = Request::builder()
        .method(method.to_ascii_uppercase().as_str())
        .uri(address);
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
    }
    let content = operation["requestBody"]["content"].as_object();
    let body = match content.and_then(|content| content.iter().next()) {
        Some((kind, media)) => {
            request = request.header(header::CONTENT_TYPE, kind);
            Body::from(match media["example"].is_null() {
                true => "bytes".to_owned(),
                false => media["example"].to_string(),
            })
        }
        None => Body::empty(),
    };
    world.request(request.body(body).expect("a request")).await
}

#[tokio::test]
async fn an_operation_asks_for_a_key_exactly_where_the_document_says_so() {
    let world = World::new().await;
    let key = world.key("ada", &[Scope::Admin, Scope::Run]).await;
    let document = crate::api::openapi();
    let mut wrong = Vec::new();
    for (path, method, operation) in operations(&document) {
        if ENDLESS.contains(&path) {
            continue;
        }
        let ways = operation["security"].as_array();
        let ways: Vec<&Value> = ways.into_iter().flatten().collect();
        let is_open = ways.is_empty() || ways.iter().any(|way| way["key"].is_null());
        let bare = example(&world, path, method, operation, None).await;
        if (bare.json["code"] == "key-missing") == is_open {
            wrong.push(format!("{method} {path}: without a key {}", bare.status));
        }
        let keyed = example(&world, path, method, operation, Some(&key)).await;
        for answer in [bare, keyed] {
            let status = answer.status.as_str();
            let documented = &operation["responses"][status];
            if !documented.is_object() || status == "500" {
                wrong.push(format!("{method} {path}: {status} {}", answer.text));
                continue;
            }
            let kind = answer.headers.get(header::CONTENT_TYPE);
            let kind = kind.map_or("", |kind| kind.to_str().expect("text"));
            let kind = kind.split(';').next().unwrap_or_default();
            let content = documented["content"].as_object();
            let is_named =
                content.map_or(answer.text.is_empty(), |content| content.contains_key(kind));
            if !is_named {
                wrong.push(format!("{method} {path}: {status} is {kind:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
