//! Fetches what a machine lacks: pinned, checked, through the ordinary package clients, and never
//! twice. Owns the folder of fetched tools; nothing else writes there.

mod anvil;
pub mod cargo_deny;
pub mod contracts;
mod debian;
mod onnxruntime;
pub mod python;
mod store;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::{prerequisites, process};
use store::Store;

/// How much to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// ONNX Runtime and anvil: all that `cargo demo` needs.
    Demo,
    /// What the tests need beyond that.
    Tests,
    All,
}

/// Makes the machine ready for the scope; returns at once when nothing is missing.
pub fn run(scope: Scope) -> Result<()> {
    let started = process::now();
    let store = Store::open()?;
    if matches!(scope, Scope::Demo | Scope::All) {
        onnxruntime::ensure(&store)?;
        anvil::ensure(&store)?;
    }
    if matches!(scope, Scope::Tests | Scope::All) {
        prerequisites::check()?;
        debian::ensure()?;
        python::SDK_TESTS.ensure(&store)?;
        python::S3_TESTS.ensure(&store)?;
        python::API_FUZZ.ensure(&store)?;
        cargo_deny::ensure(&store)?;
        contracts::ensure(&store)?;
        python::CONTRACT_ANALYSIS.ensure(&store)?;
    }
    eprintln!(
        "set-up: ready after {:.1} s",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Makes the environment of the scores' reference unless it is there; its interpreter. No scope has
/// it: 125 MB of wheels that only a comparison needs.
pub fn scoring_reference() -> Result<PathBuf> {
    prerequisites::check_for_pip()?;
    python::SCORING_REFERENCE.ensure(&Store::open()?)?;
    python::SCORING_REFERENCE
        .interpreter()?
        .context("the requirements of the scores' reference are missing from this checkout")
}

/// Makes the environment of the fuzzing of the API unless it is there; its interpreter.
pub fn api_fuzz() -> Result<Option<PathBuf>> {
    prerequisites::check_for_pip()?;
    python::API_FUZZ.ensure(&Store::open()?)?;
    python::API_FUZZ.interpreter()
}

/// Fetches forge and the compiler unless they are there.
pub fn contract_tools() -> Result<()> {
    prerequisites::check_for_npm()?;
    contracts::ensure(&Store::open()?)
}

/// Makes what the analysis of the contracts needs unless it is there; the interpreter of its
/// environment, beside which its programs lie.
pub fn contract_analysis() -> Result<PathBuf> {
    prerequisites::check_for_pip()?;
    let store = Store::open()?;
    contracts::ensure(&store)?;
    python::CONTRACT_ANALYSIS.ensure(&store)?;
    python::CONTRACT_ANALYSIS
        .interpreter()?
        .context("contracts/requirements.txt is missing from this checkout")
}

/// Whether the pinned native tools were built for this machine.
fn is_linux_x86_64() -> bool {
    cfg!(all(target_os = "linux", target_arch = "x86_64"))
}
