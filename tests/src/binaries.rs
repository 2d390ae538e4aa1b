//! The programs under test: built from the sources at hand, found in the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::Context;

/// Set by `cargo check-all`, which has built the same selection a step before.
const BUILT: &str = "FORETOKEN_BUILT";

/// The workspace's folder.
#[must_use]
pub fn workspace() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// The folder that this program was built in, `debug` or `release`.
fn profile_dir() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("a program lies in a folder")?;
    // Tests lie one deeper than programs.
    let profile = folder.parent().filter(|_| folder.ends_with("deps"));
    Ok(profile.unwrap_or(folder).to_path_buf())
}

/// Cargo's target folder.
///
/// # Errors
/// When this is no test that cargo built.
pub fn target_dir() -> anyhow::Result<PathBuf> {
    Ok(profile_dir()?
        .parent()
        .context("a profile lies in the target folder")?
        .to_path_buf())
}

/// The program `foretoken`, fresh.
///
/// # Errors
/// When it cannot be built.
pub fn foretoken() -> anyhow::Result<PathBuf> {
    static BUILD: OnceLock<Result<(), String>> = OnceLock::new();
    let built = BUILD.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
    let path = profile_dir()?.join("foretoken");
    anyhow::ensure!(path.is_file(), "{} was not built", path.display());
    Ok(path)
}

/// The program `inference-runner`, fresh.
///
/// # Errors
/// When it cannot be built.
pub fn inference_runner() -> anyhow::Result<PathBuf> {
    let path = foretoken()?.with_file_name("inference-runner");
    anyhow::ensure!(path.is_file(), "{} was not built", path.display());
    Ok(path)
}

/// Builds what `cargo check-all` builds, so that nothing is compiled with other features and no
/// stale program is tested.
fn build() -> anyhow::Result<()> {
    if std::env::var_os(BUILT).is_some_and(|value| value == "1") {
        return Ok(());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(workspace())
        .args(["build", "--workspace", "--bins", "--tests"]);
    command.arg("--target-dir").arg(target_dir()?);
    if profile_dir()?.ends_with("release") {
        command.arg("--release");
    }
    // What cargo tells a running test about its package is not for the build.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            command.env_remove(name);
        }
    }
    let output = command.output().context("cargo does not start")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "the programs were not built:\n{said}"
    );
    Ok(())
}
