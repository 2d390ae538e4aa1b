//! The benchmark of hosted models. Built in the dev profile: the work that it measures is done by
//! ONNX Runtime and the kernel, which no profile of ours changes, and what is ours can only get
//! faster. Owns no figures; the example prints them.

use anyhow::Result;
use serde_json::Value;

use super::Measured;
use crate::setup::{self, Scope};
use crate::{prerequisites, process, project};

/// Builds and fetches first, so that the wall time is that of the program.
pub(super) fn measure() -> Result<Measured> {
    prerequisites::check_for_building()?;
    setup::run(Scope::Demo)?;
    let mut build = process::cargo();
    build.args(["build", "--locked", "-p", "inference-runner"]);
    build.args(["--bin", "inference-runner", "--example", "inference"]);
    process::run(&mut build)?;
    let example = project::target()?.join("debug/examples/inference");
    let started = process::now();
    let printed = process::capture(&mut process::command(example))?;
    let wall_seconds = started.elapsed().as_secs_f64();
    let result: Value = serde_json::from_str(&printed)?;
    Ok(Measured {
        wall_seconds,
        shown: result.to_string(),
        result,
    })
}
