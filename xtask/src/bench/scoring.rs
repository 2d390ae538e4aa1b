//! The scoring benchmark: our scores and the reference's on the same arrays in one run, a day's
//! pass, and payouts. Owns the order of its programs; what they measured is put together in
//! `scoring_report`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Measured;
use super::scoring_report::{OurScores, ReferenceScores, merge, table};
use super::scratch::Scratch;
use crate::{prerequisites, process, project, setup};

const COMPARE: &str = "scorer/reference/compare.py";

/// Names a kernel and a cache size to OpenBLAS, for old builds that choose wrongly. A current numpy
/// chooses well, and is slowed by them; the reference must not be.
const OPENBLAS_OVERRIDES: [&str; 2] = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"];

/// Builds and fetches first, so that the wall time is that of the programs.
pub(super) fn measure() -> Result<Measured> {
    prerequisites::check_for_building()?;
    let python = setup::scoring_reference()?;
    build()?;
    let target = project::target()?;
    let release = target.join("release");
    let example = |name: &str| process::command(release.join("examples").join(name));
    let scratch = Scratch::new(&target, "scoring")?;
    let started = process::now();

    let arrays = scratch.folder("arrays")?;
    let ours: OurScores = answer(example("scoring").arg(&arrays))?;
    let reference: ReferenceScores = answer(&mut compare(&python, &arrays))?;
    let day = scratch.folder("day")?;
    let foretoken = release.join("foretoken");
    let daily_pass: Value = answer(example("daily_pass").arg(&day).arg(foretoken))?;
    let settlement: Value = answer(&mut example("settlement_speed"))?;

    let result = merge(&ours, &reference, &daily_pass, &settlement)?;
    Ok(Measured {
        wall_seconds: started.elapsed().as_secs_f64(),
        shown: table(&result),
        result,
    })
}

fn build() -> Result<()> {
    let mut build = process::cargo();
    build.args(["build", "--release", "--locked"]);
    build.args(["-p", "scorer", "-p", "server", "--bin", "foretoken"]);
    for example in ["scoring", "daily_pass", "settlement_speed"] {
        build.args(["--example", example]);
    }
    process::run(&mut build)
}

fn compare(python: &Path, arrays: &Path) -> Command {
    let mut compare = process::command(python);
    compare.arg(COMPARE).arg(arrays);
    for name in OPENBLAS_OVERRIDES {
        compare.env_remove(name);
    }
    compare
}

/// Runs a program and reads the JSON that it prints.
fn answer<T: DeserializeOwned>(program: &mut Command) -> Result<T> {
    let line = process::describe(program);
    eprintln!("    $ {line}");
    let printed = process::capture(program)?;
    serde_json::from_str(&printed)
        .with_context(|| format!("`{line}` did not print the JSON that is expected of it"))
}
