//! Where things are: the project's root, its target folder, and the folder of fetched tools that
//! every clone and an installed binary share.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process;

/// The folder of the workspace's manifest.
pub fn root() -> PathBuf {
    let manifest_dir = env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .filter(|running| running.ends_with("xtask"))
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    manifest_dir
        .parent()
        .map_or_else(|| manifest_dir.clone(), Path::to_path_buf)
}

/// `${XDG_CACHE_HOME:-~/.cache}/foretoken/tools`.
pub fn tools() -> Result<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME").context(
            "neither XDG_CACHE_HOME nor HOME is set, so there is no folder for fetched tools; set one of them",
        )?)
        .join(".cache"),
    };
    Ok(cache.join("foretoken").join("tools"))
}

/// The folder that cargo builds into, whatever its configuration says.
pub fn target() -> Result<PathBuf> {
    let mut metadata = process::cargo();
    metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
    let parsed: serde_json::Value = serde_json::from_str(&process::capture(&mut metadata)?)
        .context("`cargo metadata` did not print JSON")?;
    let folder = parsed["target_directory"]
        .as_str()
        .context("`cargo metadata` names no target_directory")?;
    Ok(PathBuf::from(folder))
}
