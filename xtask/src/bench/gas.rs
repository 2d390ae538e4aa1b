//! The gas benchmark: 24 rounds × 1,000 models and a user's calls on a real chain, counted by the
//! chain. Gas is exact, so one run says all.

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::Measured;
use crate::{prerequisites, process, setup};

/// What the settlement of a round and its neighbours cost, by name, and the target if there is one.
const SHOWN: [(&str, &str, Option<f64>); 10] = [
    (
        "per_settled_prediction",
        "per settled prediction",
        Some(100.0),
    ),
    ("commit_tick", "commitments of one tick", None),
    ("propose", "propose a batch of 24 rounds", None),
    ("accept", "accept it", None),
    ("challenge", "challenge it", None),
    ("register", "register a model", None),
    ("deposit", "deposit", None),
    ("request", "request a withdrawal", None),
    ("withdraw", "withdraw", Some(90_000.0)),
    (
        "withdraw_new_holder",
        "withdraw to one who held no token",
        Some(105_000.0),
    ),
];

/// Builds and fetches first, so that the wall time is that of the program.
pub(super) fn measure() -> Result<Measured> {
    prerequisites::check_for_building()?;
    setup::contract_tools()?;
    let example = ["-p", "contracts", "--example", "batch_calls"];
    process::run(process::cargo().args(["build", "--locked"]).args(example))?;
    let started = process::now();
    let mut node = process::command("node");
    let printed = process::capture(node.arg("contracts/gas.mjs"))?;
    let result: Map<String, Value> = serde_json::from_str(&printed)
        .context("`node contracts/gas.mjs` did not print the JSON that is expected of it")?;
    Ok(Measured {
        wall_seconds: started.elapsed().as_secs_f64(),
        shown: table(&result)?,
        result: Value::Object(result),
    })
}

fn table(result: &Map<String, Value>) -> Result<String> {
    let mut lines = vec![String::from("gas")];
    for (name, what, target) in SHOWN {
        let gas = result.get(name).and_then(Value::as_f64);
        let gas = gas.with_context(|| format!("gas.mjs does not say `{name}`"))?;
        let target = target.map_or(String::new(), |most| {
            format!("  ({:.2} of the {most} allowed)", gas / most)
        });
        lines.push(format!("  {gas:>12} {what}{target}"));
    }
    Ok(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn measured() -> Map<String, Value> {
        SHOWN
            .iter()
            .map(|(name, ..)| ((*name).to_owned(), json!(50)))
            .collect()
    }

    #[test]
    fn the_table_shows_the_part_of_what_is_allowed() {
        let shown = table(&measured()).expect("complete");
        assert!(
            shown.contains("per settled prediction  (0.50 of the 100 allowed)"),
            "{shown}"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut result = measured();
        result.remove("challenge");
        let error = table(&result).expect_err("incomplete").to_string();
        assert!(error.contains("`challenge`"), "{error}");
    }
}
