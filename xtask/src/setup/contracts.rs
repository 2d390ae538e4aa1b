//! The contracts' own tools (forge, solc, OpenZeppelin), which `npm ci` puts into
//! `contracts/node_modules`. A mark there names the lock file that it was made from.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::store::{Store, sha256_of_bytes};
use crate::{process, project};

const FORGE: &str = "contracts/node_modules/@foundry-rs/forge-linux-amd64/bin/forge";
const MARK: &str = "contracts/node_modules/.foretoken-lock-sha256";

/// The native forge. The npm shim exits 0 when tests fail, so it is never used.
pub fn forge() -> PathBuf {
    project::root().join(FORGE)
}

pub(super) fn ensure(store: &Store) -> Result<()> {
    let root = project::root();
    let lock = root.join("contracts/package-lock.json");
    let lock_bytes = fs::read(&lock).with_context(|| {
        format!(
            "{} pins the contracts' tools and cannot be read",
            lock.display()
        )
    })?;
    let digest = sha256_of_bytes(&lock_bytes);
    let mark = root.join(MARK);
    let is_there =
        || forge().is_file() && fs::read_to_string(&mark).is_ok_and(|marked| marked == digest);
    if is_there() {
        return Ok(());
    }
    let _lock = store.lock("contracts")?;
    if is_there() {
        return Ok(());
    }
    if !super::is_linux_x86_64() {
        bail!(
            "forge is pinned for Linux on x86-64 only. On this platform run `npm install --no-save \
             @foundry-rs/forge-<platform>@1.7.1` in contracts/ and run its bin/forge test there"
        );
    }
    eprintln!("set-up: fetching the contracts' tools (npm)");
    let mut install = process::command("npm");
    install.current_dir(root.join("contracts"));
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    process::run_quietly(&mut install).context(
        "npm could not fetch the contracts' tools; check the network and npm's configuration",
    )?;
    if !forge().is_file() {
        bail!("contracts/package-lock.json does not bring {FORGE}");
    }
    fs::write(mark, digest)?;
    Ok(())
}
