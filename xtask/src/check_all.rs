//! `cargo check-all`: every check and test of the project, in order, stopping at the first that
//! fails. It uses the dev profile only and needs no service to be running.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::setup::{self, Scope};
use crate::{contracts as analysis, faults, prerequisites, process, project, tidy};

/// One step: what it is called and what it does.
struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: [Step; 15] = [
    Step {
        name: "prerequisites",
        run: prerequisites::check,
    },
    Step {
        name: "set-up",
        run: || setup::run(Scope::All),
    },
    Step {
        name: "formatting",
        run: || cargo(&["fmt", "--all", "--", "--check"]),
    },
    Step {
        name: "tidy",
        run: tidy_is_clean,
    },
    Step {
        name: "licences, bans, sources",
        run: cargo_deny,
    },
    Step {
        name: "contracts: committed ABI is the built one",
        run: contracts_build,
    },
    Step {
        name: "contracts: tests",
        run: contracts_test,
    },
    Step {
        name: "contracts: slither",
        run: analysis::slither::run,
    },
    Step {
        name: "contracts: halmos",
        run: || analysis::halmos::run(None).map(drop),
    },
    Step {
        name: "clippy",
        run: clippy,
    },
    Step {
        name: "build",
        run: || cargo(&["build", "--locked", "--workspace", "--bins", "--tests"]),
    },
    Step {
        name: "tests",
        run: tests,
    },
    Step {
        name: "faults",
        run: fault_suite,
    },
    Step {
        name: "Python SDK",
        run: python_tests,
    },
    Step {
        name: "documentation",
        run: || cargo(&["doc", "--locked", "--workspace", "--no-deps"]),
    },
];

/// Runs all steps and shows a table of how long each took.
pub fn run() -> Result<()> {
    let mut elapsed: Vec<Duration> = Vec::with_capacity(STEPS.len());
    for (position, step) in STEPS.iter().enumerate() {
        println!("\n==== {}/{} {} ====", position + 1, STEPS.len(), step.name);
        let started = process::now();
        let outcome = (step.run)();
        elapsed.push(started.elapsed());
        if let Err(error) = outcome {
            println!("{}", table(&elapsed, true));
            return Err(error.context(format!("check-all stopped at step `{}`", step.name)));
        }
        println!(
            "---- {} passed in {:.1} s",
            step.name,
            started.elapsed().as_secs_f64()
        );
    }
    println!("{}", table(&elapsed, false));
    println!("check-all: all {} steps passed", STEPS.len());
    Ok(())
}

/// The closing table. Steps after a failed one are shown as not run.
fn table(elapsed: &[Duration], last_failed: bool) -> String {
    let mut lines = vec![String::from("\n==== summary ====")];
    for (position, step) in STEPS.iter().enumerate() {
        let failed = last_failed && position + 1 == elapsed.len();
        let line = match elapsed.get(position) {
            Some(time) if failed => format!("FAILED  {:>8.1} s  {}", time.as_secs_f64(), step.name),
            Some(time) => format!("passed  {:>8.1} s  {}", time.as_secs_f64(), step.name),
            None => format!("not run           -  {}", step.name),
        };
        lines.push(line);
    }
    let total: Duration = elapsed.iter().sum();
    lines.push(format!("total   {:>8.1} s", total.as_secs_f64()));
    lines.join("\n")
}

fn cargo(arguments: &[&str]) -> Result<()> {
    process::run(process::cargo().args(arguments))
}

fn tidy_is_clean() -> Result<()> {
    let findings = tidy::check(&project::root())?;
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!(
            "{} lines to mend; `cargo xtask tidy` shows them again",
            findings.len()
        );
    }
    Ok(())
}

/// The advisory database is a git repository outside the package registries, so advisories are
/// not part of the run.
fn cargo_deny() -> Result<()> {
    let mut deny = process::command(setup::cargo_deny::program()?);
    process::run(deny.args([
        "--locked",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))
}

fn clippy() -> Result<()> {
    cargo(&[
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])
}

/// Runs where the compiler is: forge finds it by a path relative to the working folder.
fn contracts_build() -> Result<()> {
    let mut build = process::command("node");
    process::run(
        build
            .current_dir(contracts())
            .args(["build.mjs", "--check"]),
    )
}

/// forge succeeds when it finds nothing to test, so it is asked for its list first.
fn contracts_test() -> Result<()> {
    let mut list = process::command(setup::contracts::forge());
    list.current_dir(contracts())
        .args(["test", "--list", "--json"]);
    if number_of_tests(&process::capture(&mut list)?) == 0 {
        bail!("forge finds no test in contracts/test");
    }
    let mut forge = process::command(setup::contracts::forge());
    process::run(forge.current_dir(contracts()).arg("test"))
}

/// The step before has built the binaries, so the end-to-end tests need not build them again.
fn tests() -> Result<()> {
    let mut cargo = process::cargo();
    cargo.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
    process::run(cargo.env("FORETOKEN_BUILT", "1"))
}

/// A small run of the fault suite; `cargo xtask faults` runs the large one.
fn fault_suite() -> Result<()> {
    if !faults::run(&faults::quick())? {
        bail!("a row of the fault suite misses its target");
    }
    Ok(())
}

/// Counts the names in `{"file": {"contract": ["test", …]}}`; anything else lists none.
fn number_of_tests(listed: &str) -> usize {
    let files: serde_json::Value = serde_json::from_str(listed).unwrap_or_default();
    let contracts = files
        .as_object()
        .into_iter()
        .flat_map(|files| files.values());
    let tests = contracts
        .filter_map(serde_json::Value::as_object)
        .flat_map(|named| named.values());
    tests
        .filter_map(serde_json::Value::as_array)
        .map(Vec::len)
        .sum()
}

fn contracts() -> PathBuf {
    project::root().join("contracts")
}

/// The SDK is tested against the server that the step before built.
fn python_tests() -> Result<()> {
    if !project::root().join("clients/python/tests").is_dir() {
        println!("clients/python/tests does not exist; nothing to run");
        return Ok(());
    }
    let Some(python) = setup::python::SDK_TESTS.interpreter()? else {
        bail!("clients/python/tests exists and clients/python/requirements-test.txt does not");
    };
    process::run(process::command(python).args([
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "clients/python",
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_counted_in_what_forge_lists() {
        let listed = r#"{"test/A.t.sol":{"ATest":["test_a","test_b"],"B":["test_c"]}}"#;
        assert_eq!(number_of_tests(listed), 3);
        assert_eq!(number_of_tests("Nothing to compile\n"), 0);
        assert_eq!(number_of_tests("{}"), 0);
    }

    #[test]
    fn the_table_names_the_failed_step_and_the_ones_not_run() {
        let shown = table(
            &[Duration::from_secs(1), Duration::from_millis(2_500)],
            true,
        );
        assert!(
            shown.contains("passed       1.0 s  prerequisites"),
            "{shown}"
        );
        assert!(shown.contains("FAILED       2.5 s  set-up"), "{shown}");
        assert!(
            shown.contains("not run           -  documentation"),
            "{shown}"
        );
        assert!(shown.contains("total        3.5 s"), "{shown}");
    }
}
