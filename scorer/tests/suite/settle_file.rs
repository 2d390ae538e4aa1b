//! The file of `foretoken settle --round`.

use scorer::settle_file::settle_json;
use serde_json::{Value, json};

fn answer(round: &Value) -> Value {
    let text = settle_json(&round.to_string()).expect("settles");
    serde_json::from_str(&text).expect("prints JSON")
}

fn refusal(round: &Value) -> String {
    settle_json(&round.to_string())
        .expect_err("refused")
        .to_string()
}

fn four() -> Value {
    json!({
        "a": 350_000, "y": "1000000",
        "entries": [
            {"model": "ada", "w": "100000000000", "p": 620_000},
            {"model": "bea", "w": 300_000_000_000_u64, "p": "550000"},
            {"model": "cyd", "w": "50000000000", "p": 400_000},
            {"model": 4, "w": "150000000000", "p": 500_000, "posted_p": 500_000},
        ],
    })
}

#[test]
fn the_four_models_of_the_protocol() {
    let expected = json!({
        "W": "600000000000",
        "P": "322000000000000000",
        "payouts": [
            {"model": "ada", "delta": "23888888888"},
            {"model": "bea", "delta": "12355555555"},
            {"model": "cyd", "delta": "-23937373738"},
            {"model": 4, "delta": "-17437037038"},
        ],
        "burned": "5129966333",
    });
    assert_eq!(answer(&four()), expected);
}

#[test]
fn a_single_entry_is_thin() {
    let round = json!({"a": "350000", "y": 0, "entries": [{"model": "ada", "w": 5, "p": 400_000}]});
    let expected = json!({
        "W": "5", "P": "2000000", "payouts": [{"model": "ada", "delta": "0"}],
        "burned": "0", "thin": true,
    });
    assert_eq!(answer(&round), expected);
}

/// Where, what stands there instead, and words of the refusal.
fn broken_fields() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    vec![
        (
            "/a",
            json!(500_000),
            vec!["a is 500000 ppm", "under 500000"],
        ),
        ("/a", json!(0.35), vec!["a is 0.35", "whole number of ppm"]),
        ("/y", json!("up"), vec!["y is \"up\"", "0 to 1000000"]),
        ("/y", json!(1_000_001), vec!["y is 1000001", "0 to 1000000"]),
        ("/entries", json!({}), vec!["entries is {}", "a list"]),
        (
            "/entries/2",
            json!(7),
            vec!["entries[2] is 7", "{model, w, p}"],
        ),
        (
            "/entries/1/w",
            json!(0),
            vec!["entries[1].w is 0", "from 1"],
        ),
        (
            "/entries/1/w",
            json!(-3),
            vec!["entries[1].w is -3", "from 1"],
        ),
        (
            "/entries/1/w",
            json!("1.5"),
            vec!["entries[1].w is \"1.5\"", "whole number"],
        ),
        (
            "/entries/1/w",
            json!(""),
            vec!["entries[1].w is \"\"", "whole number"],
        ),
        (
            "/entries/1/w",
            json!("9223372036854775808"),
            vec!["entries[1].w is", "9223372036854775807"],
        ),
        (
            "/entries/1/w",
            json!("9223372036854775807"),
            vec!["2^63", "cap"],
        ),
        (
            "/entries/3/p",
            json!(700_000),
            vec!["position 3 is 700000", "clamped"],
        ),
        (
            "/entries/3/p",
            json!(null),
            vec!["entries[3].p is null", "ppm"],
        ),
        (
            "/entries/3/model",
            json!("ada"),
            vec!["entries[3].model \"ada\"", "twice"],
        ),
        (
            "/entries/3/model",
            json!([]),
            vec!["entries[3].model is []", "name"],
        ),
    ]
}

#[test]
fn refusals_name_thing_rule_and_remedy() {
    let change = |pointer: &str, value: Value| {
        let mut round = four();
        *round.pointer_mut(pointer).expect("a field") = value;
        refusal(&round)
    };
    for (pointer, value, words) in broken_fields() {
        let refusal = change(pointer, value);
        for word in words {
            assert!(refusal.contains(word), "{pointer}: {refusal}");
        }
    }
    for (field, words) in [("a", "a is missing"), ("entries", "entries is missing")] {
        let mut round = four();
        round.as_object_mut().expect("an object").remove(field);
        assert!(refusal(&round).contains(words), "{field}");
    }
    let broken = settle_json("{").expect_err("no JSON").to_string();
    assert!(broken.contains("not JSON"), "{broken}");
}
