//! cargo-deny, which checks licences, bans and sources. Built once and kept with the other tools.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::store::Store;
use crate::{process, project};

const VERSION: &str = "0.20.2";

/// The program, when the set-up has run.
pub fn program() -> Result<PathBuf> {
    Ok(program_in(&project::tools()?.join(folder())))
}

pub(super) fn ensure(store: &Store) -> Result<()> {
    let name = folder();
    let is_there = || Ok(program_in(&store.folder(&name)).is_file());
    store.ensure(&name, is_there, build)
}

fn build(staging: &Path) -> Result<()> {
    eprintln!("set-up: building {} (minutes, once)", folder());
    let target = staging.join("build");
    let mut install = process::cargo();
    install.args([
        "install",
        "--locked",
        "cargo-deny",
        "--version",
        VERSION,
        "--root",
    ]);
    install.arg(staging);
    // It reads manifests for a second: a quick build is worth more than a quick program.
    install.env("CARGO_TARGET_DIR", &target);
    install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    install.env("CARGO_PROFILE_RELEASE_LTO", "off");
    install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    install.env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    process::run(&mut install)
        .context("cargo-deny cannot be built; check the network and cargo's configuration")?;
    std::fs::remove_dir_all(target)?;
    Ok(())
}

fn folder() -> String {
    format!("cargo-deny-{VERSION}")
}

fn program_in(folder: &Path) -> PathBuf {
    folder.join("bin").join("cargo-deny")
}
