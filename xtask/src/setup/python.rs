//! The Python environment in which the SDK's tests run. One per list of requirements, so a changed
//! list makes a new one and an old clone keeps its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::store::{Store, sha256_of_bytes};
use crate::{process, project};

const REQUIREMENTS: &str = "clients/python/requirements-test.txt";

/// The interpreter of the environment, or nothing when the project lists no requirements.
pub fn interpreter() -> Result<Option<PathBuf>> {
    let Some(name) = folder_name()? else {
        return Ok(None);
    };
    Ok(Some(interpreter_in(&project::tools()?.join(name))))
}

/// A virtual environment knows its own path, so it is made in its place; a mark written last says
/// that it is whole.
pub(super) fn ensure(store: &Store) -> Result<()> {
    let Some(name) = folder_name()? else {
        return Ok(());
    };
    let place = store.folder(&name);
    let mark = place.join("complete");
    if mark.is_file() {
        return Ok(());
    }
    let _lock = store.lock(&name)?;
    if mark.is_file() {
        return Ok(());
    }
    eprintln!("set-up: making the Python environment for the tests ({name}, pip)");
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    process::run_quietly(process::command("python3").args(["-m", "venv"]).arg(&place))
        .context("no virtual environment can be made; Debian: `apt-get install python3-venv`")?;
    let mut install = process::command(interpreter_in(&place));
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    install.args([
        "--require-hashes",
        "--only-binary=:all:",
        "-r",
        REQUIREMENTS,
    ]);
    process::run_quietly(&mut install).with_context(|| {
        format!("pip could not install {REQUIREMENTS}; check the network and pip's configuration")
    })?;
    fs::write(mark, "")?;
    Ok(())
}

fn folder_name() -> Result<Option<String>> {
    let path = project::root().join(REQUIREMENTS);
    if !path.is_file() {
        return Ok(None);
    }
    let digest = sha256_of_bytes(&fs::read(path)?);
    let short: String = digest.chars().take(16).collect();
    Ok(Some(format!("python-{short}")))
}

fn interpreter_in(environment: &Path) -> PathBuf {
    environment.join("bin").join("python")
}
