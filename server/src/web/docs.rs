//! `GET /docs`: every endpoint of the API on one page, made from the OpenAPI document when the
//! server starts. It needs no script and nothing from elsewhere.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use serde_json::Value;
use tower_http::compression::CompressionLayer;

use super::docs_schema::{Field, fields};
use super::frame::Frame;
use crate::app::App;

const PREFIX: &str = "/api/v1";
const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsView {
    frame: Frame,
    groups: Vec<Group>,
    count: usize,
}

/// The operations of a tag.
struct Group {
    name: String,
    description: Words,
    operations: Vec<Operation>,
}

struct Operation {
    anchor: String,
    method: String,
    path: String,
    summary: Words,
    key: &'static str,
    parameters: Vec<Field>,
    body: Option<Body>,
    answers: Vec<Answer>,
    refusals: Vec<Answer>,
    curl: String,
}

struct Body {
    kind: String,
    fields: Vec<Field>,
    example: String,
}

struct Answer {
    status: String,
    description: Words,
    body: Option<Body>,
}

/// Text in which every second part is code.
pub(super) struct Words(pub(super) Vec<(String, bool)>);

impl Words {
    /// Reads the back-quotes of a description.
    pub(super) fn of(text: &str) -> Self {
        let parts = text.split('`').enumerate();
        let parts = parts.map(|(place, part)| (part.to_owned(), place % 2 == 1));
        Self(parts.filter(|(part, _)| !part.is_empty()).collect())
    }
}

/// The page, rendered once.
pub(super) fn router(document: &Value) -> Result<Router<Arc<App>>, askama::Error> {
    let page: Arc<str> = view(document).render()?.into();
    let answer = move || async move { Html(page.to_string()) };
    Ok(Router::new().route("/docs", get(answer).layer(CompressionLayer::new())))
}

fn view(document: &Value) -> DocsView {
    let schemas = &document["components"]["schemas"];
    let tags = document["tags"].as_array();
    let groups: Vec<Group> = tags
        .into_iter()
        .flatten()
        .map(|tag| {
            let name = text(&tag["name"]);
            Group {
                description: Words::of(&text(&tag["description"])),
                operations: operations(document, &name, schemas),
                name,
            }
        })
        .filter(|group| !group.operations.is_empty())
        .collect();
    DocsView {
        frame: Frame::at("API", "/docs"),
        count: groups.iter().map(|group| group.operations.len()).sum(),
        groups,
    }
}

fn operations(document: &Value, tag: &str, schemas: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object();
    let mut found = Vec::new();
    for (path, item) in paths.into_iter().flatten() {
        for method in METHODS {
            let operation = &item[method];
            if operation["tags"][0] == tag {
                found.push(one(path, method, operation, schemas));
            }
        }
    }
    found
}

fn one(path: &str, method: &str, operation: &Value, schemas: &Value) -> Operation {
    let responses = operation["responses"].as_object();
    let answers = responses.into_iter().flatten().map(|(status, response)| {
        let is_answer = status.starts_with(['1', '2', '3']);
        Answer {
            status: status.clone(),
            description: Words::of(text(&response["description"]).trim_start_matches("Problem: ")),
            body: body(&response["content"], schemas).filter(|_| is_answer),
        }
    });
    let (answers, refusals) =
        answers.partition(|answer| answer.status.starts_with(['1', '2', '3']));
    let body = body(&operation["requestBody"]["content"], schemas);
    Operation {
        anchor: text(&operation["operationId"]),
        method: method.to_ascii_uppercase(),
        path: path.strip_prefix(PREFIX).unwrap_or(path).to_owned(),
        summary: Words::of(&text(&operation["description"])),
        key: key(operation),
        parameters: parameters(operation),
        curl: curl(path, method, operation, body.as_ref()),
        body,
        answers,
        refusals,
    }
}

fn key(operation: &Value) -> &'static str {
    let ways = operation["security"].as_array();
    let ways: Vec<&Value> = ways.into_iter().flatten().collect();
    let keyed = ways.iter().filter(|way| way["key"].is_array()).count();
    match (keyed, ways.len()) {
        (0, _) => "no key",
        (keyed, all) if keyed == all => "needs a key",
        _ => "a key shows more",
    }
}

fn parameters(operation: &Value) -> Vec<Field> {
    let parameters = operation["parameters"].as_array();
    let row = |one: &Value| Field::parameter(one);
    parameters.into_iter().flatten().map(row).collect()
}

/// The first kind of content, which is JSON wherever there is JSON.
fn body(content: &Value, schemas: &Value) -> Option<Body> {
    let (kind, media) = content.as_object()?.iter().next()?;
    let example = match &media["example"] {
        Value::Null => String::new(),
        example => serde_json::to_string_pretty(example).unwrap_or_default(),
    };
    Some(Body {
        kind: kind.clone(),
        fields: fields(&media["schema"], schemas),
        example,
    })
}

fn curl(path: &str, method: &str, operation: &Value, body: Option<&Body>) -> String {
    let mut address = path.strip_prefix(PREFIX).unwrap_or(path).to_owned();
    let mut query = Vec::new();
    let parameters = operation["parameters"].as_array();
    for one in parameters.into_iter().flatten() {
        let name = text(&one["name"]);
        let value = text(&one["example"]).replace(' ', "%20");
        match one["in"].as_str() {
            Some("path") => address = address.replace(&format!("{{{name}}}"), &value),
            Some("query") if one["required"] == true => query.push(format!("{name}={value}")),
            _ => {}
        }
    }
    let mut line = "curl".to_owned();
    if method != "get" {
        line.push_str(&format!(" -X {}", method.to_ascii_uppercase()));
    }
    if key(operation) == "needs a key" {
        line.push_str(" -H \"Authorization: Bearer $KEY\"");
    }
    match body {
        Some(body) if body.kind.ends_with("json") => {
            let compact: Value = serde_json::from_str(&body.example).unwrap_or_default();
            line.push_str(&format!(" --json '{compact}'"));
        }
        Some(body) => {
            let kind = &body.kind;
            line.push_str(&format!(" -H 'Content-Type: {kind}' --data-binary @FILE"));
        }
        None => {}
    }
    let query = match query.is_empty() {
        true => String::new(),
        false => format!("?{}", query.join("&")),
    };
    format!("{line} \"$S{address}{query}\"")
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
