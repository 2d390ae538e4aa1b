//! The ONNX Runtime library, out of the wheel that its makers publish. Any Python will do: the
//! wheel is downloaded for a named platform and unpacked, never installed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::store::{PinnedFile, Store};
use crate::{prerequisites, process};

const REQUIREMENTS: &str = include_str!("../../tools/onnxruntime.txt");
const LIBRARY: PinnedFile = PinnedFile {
    folder: "onnxruntime-1.31.1",
    file: "libonnxruntime.so.1.31.1",
    sha256: "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
    variable: "FORETOKEN_ORT",
};

/// Takes the library and the licence out of the wheel named first into the folder named second.
const UNPACK: &str = "import sys, zipfile; \
    wheel = zipfile.ZipFile(sys.argv[1]); \
    [wheel.extract(name, sys.argv[2]) for name in sys.argv[3:]]";

pub(super) fn ensure(store: &Store) -> Result<()> {
    store.ensure_pinned(&LIBRARY, fetch)
}

fn fetch(staging: &Path) -> Result<()> {
    if !super::is_linux_x86_64() {
        bail!(
            "ONNX Runtime is fetched for Linux on x86-64 only. Install the wheel onnxruntime==1.31.1 \
             for this platform (`python3 -m pip download --no-deps onnxruntime==1.31.1`), unpack it \
             and set FORETOKEN_ORT to the shared library in its folder onnxruntime/capi"
        );
    }
    prerequisites::check_for_pip()?;
    eprintln!("set-up: fetching {} (24 MB, pip)", LIBRARY.folder);
    let requirements = staging.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS)?;
    let mut download = process::command("python3");
    download.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    download.args(["--only-binary=:all:", "--no-deps", "--require-hashes"]);
    download.args([
        "--platform",
        "manylinux_2_28_x86_64",
        "--python-version",
        "3.11",
    ]);
    download
        .arg("--dest")
        .arg(staging)
        .arg("-r")
        .arg(&requirements);
    process::run_quietly(&mut download)
        .context("pip could not fetch ONNX Runtime; check the network and pip's configuration")?;

    let wheel = wheel_in(staging)?;
    let inside = format!("onnxruntime/capi/{}", LIBRARY.file);
    let mut unpack = process::command("python3");
    unpack
        .args(["-c", UNPACK])
        .arg(&wheel)
        .arg(staging)
        .args([&inside, "onnxruntime/LICENSE"]);
    process::run_quietly(&mut unpack).context("the ONNX Runtime wheel cannot be unpacked")?;

    fs::rename(staging.join(inside), staging.join(LIBRARY.file))?;
    fs::rename(staging.join("onnxruntime/LICENSE"), staging.join("LICENSE"))?;
    fs::remove_dir_all(staging.join("onnxruntime"))?;
    fs::remove_file(wheel)?;
    fs::remove_file(requirements)?;
    Ok(())
}

fn wheel_in(folder: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            return Ok(path);
        }
    }
    bail!(
        "pip reported success and left no wheel in {}",
        folder.display()
    )
}
