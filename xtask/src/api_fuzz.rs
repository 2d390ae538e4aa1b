//! Row R11 of the fault suite: schemathesis against a demo, from the API's own OpenAPI document.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{process, project, setup};

/// Runs about so many cases and gives the row.
pub fn row(cases: u32) -> Result<Value> {
    let build = ["build", "--locked", "--bins"];
    let programs = ["-p", "server", "-p", "inference-runner"];
    process::run(process::cargo().args(build).args(programs))?;
    let Some(python) = setup::api_fuzz()? else {
        bail!("tests/requirements-fuzz.txt is missing from this checkout");
    };
    let mut fuzz = process::command(python);
    fuzz.arg(project::root().join("tests/fuzz/api.py"));
    fuzz.arg("--server")
        .arg(project::target()?.join("debug").join("foretoken"));
    fuzz.args(["--cases", &cases.to_string()]);
    let printed = process::capture(&mut fuzz)?;
    serde_json::from_str(&printed).context("tests/fuzz/api.py did not print its row as JSON")
}
