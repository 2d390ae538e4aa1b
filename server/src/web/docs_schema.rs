//! The fields of a JSON schema as rows of a table.

use serde_json::Value;

use super::docs::Words;

/// Objects inside of objects that are shown; deeper ones are left to the example.
const DEEPEST: usize = 3;

/// A field or a parameter.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) is_required: bool,
    pub(super) description: Words,
}

impl Field {
    /// The row of a parameter.
    pub(super) fn parameter(parameter: &Value) -> Self {
        let place = parameter["in"].as_str().unwrap_or_default();
        let schema = &parameter["schema"];
        Self {
            name: parameter["name"].as_str().unwrap_or_default().to_owned(),
            kind: format!("{place}, {}", kind(schema)),
            is_required: parameter["required"] == true,
            description: Words::of(parameter["description"].as_str().unwrap_or_default()),
        }
    }
}

/// The fields of a body; inner ones with dots, those of lists with `[]`.
pub(super) fn fields(schema: &Value, schemas: &Value) -> Vec<Field> {
    let mut rows = Vec::new();
    collect("", schema, schemas, 0, &mut rows);
    rows
}

fn collect(prefix: &str, schema: &Value, schemas: &Value, depth: usize, rows: &mut Vec<Field>) {
    let schema = resolved(schema, schemas);
    if depth > DEEPEST {
        return;
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        collect(prefix, part, schemas, depth, rows);
    }
    if schema["items"].is_object() {
        let prefix = format!("{prefix}[]");
        collect(&prefix, &schema["items"], schemas, depth + 1, rows);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = match prefix {
            "" => name.clone(),
            prefix => format!("{prefix}.{name}"),
        };
        let required = schema["required"].as_array();
        let inner = resolved(field, schemas);
        let described = [field, inner]
            .into_iter()
            .find_map(|one| one["description"].as_str());
        rows.push(Field {
            kind: kind(inner),
            is_required: required.is_some_and(|names| names.iter().any(|one| one == name)),
            description: Words::of(described.unwrap_or_default()),
            name: path.clone(),
        });
        collect(&path, inner, schemas, depth + 1, rows);
    }
}

/// What a reference means; a choice with null is the other choice.
fn resolved<'a>(schema: &'a Value, schemas: &'a Value) -> &'a Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return &schemas[reference.rsplit('/').next().unwrap_or_default()];
    }
    let choices = ["oneOf", "anyOf"].map(|choice| schema[choice].as_array());
    let choices: Vec<&Value> = choices.into_iter().flatten().flatten().collect();
    let mut others = choices.into_iter().filter(|one| one["type"] != "null");
    match (others.next(), others.next()) {
        (Some(only), None) => resolved(only, schemas),
        _ => schema,
    }
}

/// `string`, `integer, 0 to 9`, `list of string`.
fn kind(schema: &Value) -> String {
    let mut kinds: Vec<String> = match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(some) => some
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => vec![],
    };
    for kind in &mut kinds {
        if kind == "array" {
            *kind = match schema["items"]["type"].as_str() {
                Some(of) => format!("list of {of}"),
                None => "list".to_owned(),
            };
        }
    }
    if let Some(allowed) = schema["enum"].as_array() {
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        return allowed.join(" | ");
    }
    let mut kind = kinds.join(" or ");
    match (schema["minimum"].as_f64(), schema["maximum"].as_f64()) {
        (Some(least), Some(most)) => kind.push_str(&format!(", {least} to {most}")),
        (Some(least), None) => kind.push_str(&format!(", {least} or more")),
        (None, Some(most)) => kind.push_str(&format!(", at most {most}")),
        (None, None) => {}
    }
    kind
}
