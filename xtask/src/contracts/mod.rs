//! Checks of the contracts beyond their tests: symbolic execution, static analysis, mutation.
//!
//! Owns the folder `contracts-analysis` below the target folder: the tools compile with syntax trees,
//! so they must not share the output of `forge test`, which would be compiled anew each time.

pub mod halmos;
mod mutants;
pub mod mutate;
pub mod slither;

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{process, project, setup};

fn folder() -> PathBuf {
    project::root().join("contracts")
}

fn analysis(name: &str) -> Result<PathBuf> {
    Ok(project::target()?.join("contracts-analysis").join(name))
}

/// A program of the analysis environment, run where the compiler is. It calls `forge` by name, and
/// the native one comes first in its PATH.
fn tool(program: &str, output: &str) -> Result<Command> {
    let python = setup::contract_analysis()?;
    let programs = python
        .parent()
        .context("the Python environment has no folder of programs")?;
    let forge = setup::contracts::forge();
    let forge = forge.parent().context("forge lies in no folder")?;
    let inherited = env::var_os("PATH").unwrap_or_default();
    let folders = [forge.to_owned(), programs.to_owned()]
        .into_iter()
        .chain(env::split_paths(&inherited));
    let mut command = process::command(programs.join(program));
    command
        .current_dir(folder())
        .env("PATH", env::join_paths(folders)?)
        .env("FOUNDRY_OUT", analysis(output)?.join("out"))
        .env("FOUNDRY_CACHE_PATH", analysis(output)?.join("cache"));
    Ok(command)
}
