//! Folders of a test: new, below the build's target folder, gone when the test is.

use std::path::{Path, PathBuf};
use std::sync::Once;

use anyhow::Context;
use tempfile::TempDir;

use crate::binaries;

/// A new folder. Removed when dropped; what a process leaves behind, the next one removes.
///
/// # Errors
/// When it cannot be made.
pub fn folder(name: &str) -> anyhow::Result<TempDir> {
    static SWEEP: Once = Once::new();
    let parent = binaries::target_dir()?.join("end-to-end");
    std::fs::create_dir_all(&parent)?;
    SWEEP.call_once(|| forget_dead(&parent));
    let prefix = format!("{}-{name}-", std::process::id());
    let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(&parent);
    folder.with_context(|| format!("cannot make a folder in {}", parent.display()))
}

/// The folder that screenshots are kept in.
///
/// # Errors
/// When it cannot be made.
pub fn screenshots() -> anyhow::Result<PathBuf> {
    let folder = binaries::target_dir()?.join("screenshots");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A shared world lives until its process ends and cannot clean up then.
fn forget_dead(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.split_once('-'));
        let Some(Ok(pid)) = owner.map(|(pid, _)| pid.parse::<u32>()) else {
            continue;
        };
        if !Path::new("/proc").join(pid.to_string()).exists() {
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
}
