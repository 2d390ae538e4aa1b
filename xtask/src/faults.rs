//! Runs the fault suite, a program of the crate `tests`, in the dev profile: the fail-points exist
//! in debug builds only. The contracts' invariants (row R8) are forge's to check.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{api_fuzz, contracts, process, project, setup};

/// How many faults, and what is left out.
#[derive(Clone, Debug, clap::Args)]
pub struct Wanted {
    /// Kills of the settler (R1); the other rows' repetitions grow with them
    #[arg(long, default_value_t = 200)]
    pub kills: u32,
    /// Batches through the fault proxy (R2)
    #[arg(long, default_value_t = 1_000)]
    pub batches: u32,
    /// Re-organisations of the chain (R4)
    #[arg(long, default_value_t = 32)]
    pub reorgs: u32,
    /// Generated rounds with venues that misbehave (R14, R15); under 5,000 the soak is short too
    #[arg(long, default_value_t = 10_000)]
    pub price_rounds: u64,
    /// Requests that are made from the OpenAPI document (R11), about
    #[arg(long, default_value_t = 5_000)]
    pub api_cases: u32,
    /// Write the rows as JSON to this file
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Run this row only
    #[arg(long)]
    pub only: Option<String>,
    /// Leave row R8 to the steps of `check-all` that run the contracts' tests themselves
    #[arg(long)]
    pub without_contracts: bool,
}

/// What `cargo check-all` runs.
pub fn quick() -> Wanted {
    Wanted {
        kills: 10,
        batches: 20,
        reorgs: 4,
        price_rounds: 500,
        api_cases: 1_000,
        json: None,
        only: None,
        without_contracts: true,
    }
}

/// Runs the rows, prints a line for each, and gives whether all targets are met.
pub fn run(wanted: &Wanted) -> Result<bool> {
    let only = wanted.only.as_deref();
    let mut rows = Vec::new();
    if !matches!(only, Some("R8" | "R11")) {
        rows.extend(suite(wanted)?);
    }
    if only.is_none_or(|only| only == "R11") {
        let place = rows.iter().position(|row| row["row"] == "R12");
        let row = api_fuzz::row(wanted.api_cases)?;
        rows.insert(place.unwrap_or(rows.len()), row);
    }
    if only.is_none_or(|only| only == "R8") {
        let place = rows.iter().position(|row| row["row"] == "R9");
        let row = contracts_row(wanted.without_contracts)?;
        rows.insert(place.unwrap_or(rows.len()), row);
    }
    println!("\nfaults: rows R1 to R9, R11, R12 and R14 to R18 of the scorecard");
    for row in &rows {
        println!("{}", line(row));
    }
    if let Some(path) = &wanted.json {
        write(path, &rows)?;
    }
    Ok(!rows.is_empty() && rows.iter().all(|row| row["pass"] == true))
}

/// The rows that need a chain and a settler.
fn suite(wanted: &Wanted) -> Result<Vec<Value>> {
    let programs = ["-p", "server", "-p", "tests", "-p", "inference-runner"];
    let build = ["build", "--locked", "--bins"];
    process::run(process::cargo().args(build).args(programs))?;
    let mut suite = process::command(project::target()?.join("debug").join("faults"));
    suite
        .args(["--kills", &wanted.kills.to_string()])
        .args(["--batches", &wanted.batches.to_string()])
        .args(["--reorgs", &wanted.reorgs.to_string()])
        .args(["--price-rounds", &wanted.price_rounds.to_string()])
        .env("FORETOKEN_BUILT", "1");
    if let Some(only) = &wanted.only {
        suite.args(["--only", only]);
    }
    let printed = process::capture(&mut suite)?;
    serde_json::from_str(&printed).context("the fault suite did not print its rows as JSON")
}

/// R8: the invariants under forge's fuzzer, counted from its JSON, and those that are proven.
fn contracts_row(elsewhere: bool) -> Result<Value> {
    let row = |pass: bool, counts: Value| {
        json!({
            "row": "R8",
            "fault": "any calls in any order to the contracts",
            "target": "0 violations",
            "pass": pass,
            "counts": counts,
            "error": "",
        })
    };
    if elsewhere {
        let covered = json!({ "covered_by": "the steps before, which run the contracts' tests" });
        return Ok(row(true, covered));
    }
    let mut forge = process::command(setup::contracts::forge());
    forge.current_dir(project::root().join("contracts")).args([
        "test",
        "--json",
        "--match-test",
        "^invariant_",
    ]);
    // forge answers in JSON also when a test fails, and its exit code then says so.
    let output = forge
        .output()
        .context("forge does not start; run `cargo xtask setup tests`")?;
    let printed = String::from_utf8(output.stdout)?;
    let counted = count(&printed)?;
    let held = output.status.success() && counted.failed == 0 && counted.invariants > 0;
    let proven = contracts::halmos::run(None);
    if let Err(error) = &proven {
        println!("{error:#}");
    }
    Ok(row(
        held && proven.is_ok(),
        json!({
            "proven": proven.unwrap_or(0),
            "invariants": counted.invariants,
            "runs": counted.runs,
            "calls": counted.calls,
            "violations": counted.failed,
        }),
    ))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    invariants: u64,
    runs: u64,
    calls: u64,
    failed: u64,
}

/// Reads `{"file:contract": {"test_results": {"invariant_…()": {"status", "kind": {"Invariant":
/// {"runs", "calls"}}}}}}`.
fn count(printed: &str) -> Result<Counted> {
    let suites: Value = serde_json::from_str(printed).context("forge did not print JSON")?;
    let mut counted = Counted::default();
    let suites = suites
        .as_object()
        .into_iter()
        .flat_map(|suites| suites.values());
    let tests = suites.filter_map(|suite| suite["test_results"].as_object());
    for test in tests.flat_map(|tests| tests.values()) {
        let kind = &test["kind"]["Invariant"];
        counted.invariants += 1;
        counted.runs += kind["runs"].as_u64().unwrap_or(0);
        counted.calls += kind["calls"].as_u64().unwrap_or(0);
        counted.failed += u64::from(test["status"] != "Success");
    }
    Ok(counted)
}

fn write(path: &Path, rows: &[Value]) -> Result<()> {
    let text = serde_json::to_string_pretty(&json!({ "rows": rows }))?;
    std::fs::write(path, text + "\n").with_context(|| format!("{}", path.display()))
}

/// One row for a person.
fn line(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let verdict = if row["pass"] == true { "pass" } else { "FAIL" };
    let counts = row["counts"].as_object().into_iter().flatten();
    let counts: Vec<String> = counts
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let mut line = format!(
        "{:<4} {verdict}  {}: {} [target: {}]",
        text("row"),
        text("fault"),
        counts.join(", "),
        text("target")
    );
    if !text("error").is_empty() {
        line.push_str("\n          ");
        line.push_str(&text("error"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_its_counts_and_its_error() {
        let mut row = json!({
            "row": "R1", "fault": "kill", "target": "0 lost", "pass": true,
            "counts": { "kills": 3 }, "error": "",
        });
        assert_eq!(line(&row), "R1   pass  kill: kills 3 [target: 0 lost]");
        row["pass"] = json!(false);
        row["error"] = json!("one lost");
        assert!(line(&row).contains("FAIL") && line(&row).ends_with("one lost"));
    }

    #[test]
    fn the_invariants_are_counted_from_what_forge_prints() {
        let printed = r#"{"test/I.t.sol:I":{"test_results":{
            "invariant_a()":{"status":"Success","kind":{"Invariant":{"runs":100,"calls":6400}}},
            "invariant_b()":{"status":"Failure","kind":{"Invariant":{"runs":7,"calls":50}}}}}}"#;
        let expected = Counted {
            invariants: 2,
            runs: 107,
            calls: 6_450,
            failed: 1,
        };
        assert_eq!(count(printed).expect("reads"), expected);
    }
}
