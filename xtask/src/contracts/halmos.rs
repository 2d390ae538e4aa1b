//! Symbolic execution of the `check_` functions in contracts/test/symbolic.

use std::fs;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;

use super::{analysis, folder, tool};
use crate::process;

/// The longest loop: a walk through a tree of depth 20, and the words of its proof.
const LOOP_BOUND: &str = "48";
const QUERY_LIMIT: &str = "20s";
const BRANCH_LIMIT: &str = "10ms";

#[derive(Deserialize)]
struct Report {
    test_results: BTreeMap<String, Vec<Outcome>>,
}

#[derive(Deserialize)]
struct Outcome {
    name: String,
    exitcode: i32,
    num_bounded_loops: Option<u64>,
}

const CHECKS: &str = "check_";

/// Proves every check, or only those whose names begin so. A counterexample, a time-out of a query,
/// and a path that was not explored to its end are failures. Gives how many were proven.
pub fn run(only: Option<&str>) -> Result<usize> {
    let out = analysis("halmos")?;
    fs::create_dir_all(&out)?;
    let report = out.join("report.json");
    drop(fs::remove_file(&report));
    let mut halmos = tool("halmos", "halmos")?;
    halmos.env("FOUNDRY_TEST", "test/symbolic");
    halmos.args(["--root", ".", "--no-status"]);
    halmos.arg("--forge-build-out").arg(out.join("out"));
    halmos.arg("--json-output").arg(&report);
    // The solver of the environment, never one that halmos would download.
    halmos.args(["--solver-command", "yices-smt2"]);
    halmos.args([
        "--solver-timeout-assertion",
        QUERY_LIMIT,
        "--loop",
        LOOP_BOUND,
        // With the default of a millisecond a busy machine follows paths that do not exist.
        "--solver-timeout-branching",
        BRANCH_LIMIT,
    ]);
    halmos.args(["--function", only.unwrap_or(CHECKS)]);
    let ran = process::run(&mut halmos);
    let Ok(bytes) = fs::read(&report) else {
        ran?;
        bail!("halmos wrote no report; what it printed says why");
    };
    let proven = read(&bytes)?;
    // A contract whose run broke off is missing from the report; only the exit status tells.
    ran?;
    let written = number_of_checks()?;
    if only.is_none() && proven != written {
        bail!("contracts/test/symbolic has {written} checks and halmos reports {proven}");
    }
    println!("halmos: {proven} checks proven, every path to its end");
    Ok(proven)
}

/// How many checks the sources define.
fn number_of_checks() -> Result<usize> {
    let mut count = 0;
    for file in fs::read_dir(folder().join("test/symbolic"))? {
        let text = fs::read_to_string(file?.path())?;
        count += text.matches("function check_").count();
    }
    Ok(count)
}

/// The number of checks that were proven.
fn read(report: &[u8]) -> Result<usize> {
    let report: Report = serde_json::from_slice(report).context("the report of halmos")?;
    let outcomes: Vec<&Outcome> = report.test_results.values().flatten().collect();
    let failed: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| Some(format!("{}: {}", outcome.name, fault(outcome)?)))
        .collect();
    if !failed.is_empty() {
        bail!("not proven:\n  {}", failed.join("\n  "));
    }
    if outcomes.is_empty() {
        bail!("halmos finds no `check_` function of that name in contracts/test/symbolic");
    }
    Ok(outcomes.len())
}

fn fault(outcome: &Outcome) -> Option<&'static str> {
    match (outcome.exitcode, outcome.num_bounded_loops) {
        (0, Some(0)) => None,
        (0, _) => Some("a loop is longer than the bound, so not all of it was explored"),
        (1, _) => Some("a counterexample, printed above"),
        (2, _) => Some("a query took too long, so nothing is known"),
        (3, _) => Some("a path could not be followed"),
        (4, _) => Some("every path reverts, so the check says nothing"),
        _ => Some("the tool failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(exitcode: i32, loops: u64) -> String {
        format!(
            r#"{{"exitcode":0,"test_results":{{"a.sol:A":[{{"name":"check_a()","exitcode":{exitcode},"num_bounded_loops":{loops}}}]}}}}"#
        )
    }

    #[test]
    fn only_a_check_explored_to_its_end_is_proven() {
        assert_eq!(read(report(0, 0).as_bytes()).expect("proven"), 1);
        for (exitcode, loops) in [(0, 1), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)] {
            let refused = read(report(exitcode, loops).as_bytes()).expect_err("not proven");
            assert!(refused.to_string().contains("check_a()"), "{refused}");
        }
        assert!(read(br#"{"test_results":{}}"#).is_err());
    }
}
