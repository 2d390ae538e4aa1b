//! anvil, the development chain. The native package is pinned directly in its own lock file: with
//! the umbrella package `npm ci` fails on the other platforms' packages.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::store::{PinnedFile, Store};
use crate::{prerequisites, process};

const FILES: [(&str, &str); 3] = [
    (
        "package.json",
        include_str!("../../tools/anvil/package.json"),
    ),
    (
        "package-lock.json",
        include_str!("../../tools/anvil/package-lock.json"),
    ),
    (".npmrc", include_str!("../../tools/anvil/.npmrc")),
];
const ANVIL: PinnedFile = PinnedFile {
    folder: "anvil-1.7.1",
    file: "anvil",
    sha256: "10c1c727d6c1de973aeb160e59875b9a9a23464d6e74149ee8abb30b3500311b",
    variable: "FORETOKEN_ANVIL",
};

pub(super) fn ensure(store: &Store) -> Result<()> {
    store.ensure_pinned(&ANVIL, fetch)
}

fn fetch(staging: &Path) -> Result<()> {
    if !super::is_linux_x86_64() {
        bail!(
            "anvil is fetched for Linux on x86-64 only. Install the npm package of this platform \
             (for example `npm install @foundry-rs/anvil-darwin-arm64@1.7.1`) and set \
             FORETOKEN_ANVIL to its file bin/anvil"
        );
    }
    prerequisites::check_for_npm()?;
    eprintln!("set-up: fetching {} (44 MB unpacked, npm)", ANVIL.folder);
    for (name, text) in FILES {
        fs::write(staging.join(name), text)?;
    }
    let mut install = process::command("npm");
    install.current_dir(staging);
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    process::run_quietly(&mut install)
        .context("npm could not fetch anvil; check the network and npm's configuration")?;

    let anvil = staging.join(ANVIL.file);
    fs::rename(
        staging.join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"),
        &anvil,
    )?;
    fs::remove_dir_all(staging.join("node_modules"))?;
    for (name, _) in FILES {
        fs::remove_file(staging.join(name))?;
    }
    Ok(())
}
