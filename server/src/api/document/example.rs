//! Examples of whole bodies, put together from the examples of their fields.

use serde_json::{Map, Value, json};

/// Schemas inside of schemas; deeper ones are recursive.
const DEEPEST: usize = 12;

/// What a well-known name stands for.
const KNOWN: [(&str, &str); 33] = [
    ("round", "btc-usd-5m-20240305T1200Z"),
    ("round_id", "btc-usd-5m-20240305T1200Z"),
    ("tournament", "btc-usd-5m"),
    ("tournaments", "btc-usd-5m"),
    ("model", "btc-usd-5m-momentum-1"),
    ("model_id", "btc-usd-5m-momentum-1"),
    ("account", "ada"),
    ("version", "newest"),
    ("state", "open"),
    ("types", "round.open,round.resolved"),
    ("wallet", "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"),
    ("signer", "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"),
    ("address", "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"),
    ("session", "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"),
    ("stake", "10.5"),
    ("stake_counted", "10.5"),
    ("before", "1709640000000000"),
    ("next_before", "1709640000000000"),
    ("now_at", "2024-03-05T11:56:00.000000Z"),
    ("seal", HASH),
    ("salt", HASH),
    ("nonce", HASH),
    ("hash", HASH),
    ("digest", HASH),
    ("root", HASH),
    ("leaf", HASH),
    ("proof", HASH),
    ("sha256", BARE_HASH),
    ("artifact", BARE_HASH),
    ("lease", "9b1c6f0d2a7e4c55"),
    ("signature", SIGNATURE),
    ("url", "https://bot.example.org/foretoken"),
    ("name", "momentum 1"),
];
const HASH: &str = "0x56570de287d73cd1cb6092bb8fdee6173974955fdef345ae579ee9f475ea7432";
const BARE_HASH: &str = "56570de287d73cd1cb6092bb8fdee6173974955fdef345ae579ee9f475ea7432";
const SIGNATURE: &str = "0x4e1ce8aea60bc6dfd4068a35462612495850cb645a1c9f475eb969bff21d0b0fb4141\
12aaf13f01dd18a3527cb648cdd51b618ae49d4999112c33f86b7b26e973c1b";

/// The example of a parameter.
pub(super) fn parameter(name: &str, path: &str, schema: &Value, schemas: &Value) -> Value {
    let owner = match (name, path) {
        ("id", path) if path.contains("/models/{id}") => "model",
        ("id", path) if path.contains("/rounds/{id}") => "round",
        ("id", path) if path.contains("/tournaments/{id}") => "tournament",
        (name, _) => name,
    };
    of(schema, owner, schemas, 0)
}

/// The example of a schema; `name` is the field's, empty for a whole body.
pub(super) fn of(schema: &Value, name: &str, schemas: &Value, depth: usize) -> Value {
    if depth > DEEPEST {
        return Value::Null;
    }
    if let Some(given) = given(schema) {
        return given;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.rsplit('/').next().unwrap_or_default();
        return of(&schemas[target], name, schemas, depth + 1);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().map(|part| of(part, name, schemas, depth + 1));
        return merged(parts.collect());
    }
    for choice in ["oneOf", "anyOf"] {
        let variants = schema[choice].as_array();
        let mut variants = variants.into_iter().flatten();
        if let Some(variant) = variants.find(|variant| variant["type"] != "null") {
            return of(variant, name, schemas, depth + 1);
        }
    }
    match kind(schema) {
        "object" => object(schema, schemas, depth),
        "array" => {
            let item = of(&schema["items"], singular(name), schemas, depth + 1);
            Value::Array(vec![
                item;
                schema["minItems"].as_u64().unwrap_or(1).clamp(1, 3)
                    as usize
            ])
        }
        "string" => Value::from(text(name, schema)),
        "integer" => integer(name, schema),
        "number" => json!(0.53),
        "boolean" => Value::Bool(true),
        _ => Value::Null,
    }
}

/// What the schema itself names.
fn given(schema: &Value) -> Option<Value> {
    let named = [&schema["example"], &schema["examples"][0], &schema["const"]];
    let mut named = named.into_iter().chain([&schema["enum"][0]]);
    named.find(|value| !value.is_null()).cloned()
}

fn kind(schema: &Value) -> &str {
    let kinds = schema["type"].as_array();
    let mut kinds = kinds.into_iter().flatten().filter_map(Value::as_str);
    let first = kinds.find(|kind| *kind != "null");
    let is_object = schema["properties"].is_object();
    first
        .or_else(|| schema["type"].as_str())
        .unwrap_or(if is_object { "object" } else { "" })
}

fn object(schema: &Value, schemas: &Value, depth: usize) -> Value {
    let properties = schema["properties"].as_object();
    let fields = properties.into_iter().flatten();
    let mut made: Map<String, Value> = fields
        .map(|(name, field)| (name.clone(), of(field, name, schemas, depth + 1)))
        .collect();
    if made.is_empty() && schema["additionalProperties"].is_object() {
        let value = of(&schema["additionalProperties"], "", schemas, depth + 1);
        made.insert("name".to_owned(), value);
    }
    Value::Object(made)
}

fn merged(parts: Vec<Value>) -> Value {
    let mut whole = Map::new();
    for part in parts {
        match part {
            Value::Object(fields) => whole.extend(fields),
            other => return other,
        }
    }
    Value::Object(whole)
}

fn singular(name: &str) -> &str {
    name.strip_suffix('s').unwrap_or(name)
}

fn text(name: &str, schema: &Value) -> String {
    let known = KNOWN.iter().find(|(known, _)| *known == name);
    match (known, schema["format"].as_str()) {
        (Some((_, text)), _) => (*text).to_owned(),
        (None, Some("date-time")) => "2024-03-05T12:00:00Z".to_owned(),
        (None, _) if name.ends_with("_at") => "2024-03-05T12:00:00Z".to_owned(),
        (None, _) if name.ends_with("sha256") => BARE_HASH.to_owned(),
        (None, _) if name.ends_with("hash") || name.ends_with("root") => HASH.to_owned(),
        (None, _) => "text".to_owned(),
    }
}

fn integer(name: &str, schema: &Value) -> Value {
    let least = schema["minimum"].as_i64();
    match name {
        _ if name.ends_with("_us") => json!(1_709_640_000_000_000_i64),
        _ if name.ends_with("ppm") => json!(530_000),
        "limit" => json!(20),
        "chain_id" => json!(31_337),
        _ => json!(least.unwrap_or(1).max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_put_together_from_its_fields() {
        let schemas = json!({
            "Inner": { "type": "object", "properties": { "p": { "type": "number", "example": 0.7 } } },
        });
        let schema = json!({
            "allOf": [
                { "$ref": "#/components/schemas/Inner" },
                { "type": "object", "properties": {
                    "rounds": { "type": "array", "items": { "type": "string" } },
                    "ended_at": { "type": ["string", "null"] },
                    "state": { "type": "string", "enum": ["open", "locked"] },
                    "maybe": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Inner" }] },
                } },
            ],
        });
        let expected = json!({
            "p": 0.7,
            "rounds": ["btc-usd-5m-20240305T1200Z"],
            "ended_at": "2024-03-05T12:00:00Z",
            "state": "open",
            "maybe": { "p": 0.7 },
        });
        assert_eq!(of(&schema, "", &schemas, 0), expected);
        let recursive = json!({ "R": { "$ref": "#/components/schemas/R" } });
        let schema = json!({ "$ref": "#/components/schemas/R" });
        assert_eq!(of(&schema, "", &recursive, 0), Value::Null);
    }
}
