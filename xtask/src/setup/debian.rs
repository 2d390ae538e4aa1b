//! What the tests take from the operating system's packages: a browser and PostgreSQL. Only what
//! is missing is installed, and only as root; otherwise the exact command is shown.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process;

/// A file that the tests use and the Debian package that carries it.
struct SystemFile {
    path: &'static str,
    package: &'static str,
}

const FILES: [SystemFile; 4] = [
    SystemFile {
        path: "/usr/bin/chromium",
        package: "chromium",
    },
    SystemFile {
        path: "/usr/bin/chromedriver",
        package: "chromium-driver",
    },
    SystemFile {
        path: "/usr/lib/postgresql/15/bin/initdb",
        package: "postgresql-15",
    },
    // Without a font the browser lays pages out with empty boxes.
    SystemFile {
        path: "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
        package: "fonts-liberation",
    },
];

pub(super) fn ensure() -> Result<()> {
    let missing: Vec<&SystemFile> = FILES
        .iter()
        .filter(|file| !Path::new(file.path).exists())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|file| file.package).collect();
    let list = packages.join(" ");
    let paths = missing
        .iter()
        .map(|file| file.path)
        .collect::<Vec<_>>()
        .join(", ");
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!(
            "the tests need {paths}, and this system has no apt-get. They are the Debian 12 \
             packages {list}: install Chromium, its driver, PostgreSQL 15 and the Liberation fonts \
             so that these files exist"
        );
    }
    if !runs_as_root()? {
        bail!(
            "the tests need {paths}. Run once: \
             sudo apt-get update && sudo apt-get install -y --no-install-recommends {list}"
        );
    }
    eprintln!("set-up: installing {list} (apt)");
    let mut update = process::command("apt-get");
    process::run_quietly(update.args(["update", "--quiet"]))
        .context("apt could not read its package lists; check the network and its sources")?;
    let mut install = process::command("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    install
        .args([
            "install",
            "-y",
            "-o",
            "DPkg::Lock::Timeout=600",
            "--no-install-recommends",
        ])
        .args(&packages);
    process::run_quietly(&mut install).with_context(|| format!("apt could not install {list}"))?;
    match missing.iter().find(|file| !Path::new(file.path).exists()) {
        None => Ok(()),
        Some(file) => bail!(
            "the package {} is installed and {} is still missing; the tests are written for Debian 12",
            file.package,
            file.path
        ),
    }
}

fn runs_as_root() -> Result<bool> {
    let own = std::fs::metadata("/proc/self").context("/proc cannot be read")?;
    Ok(own.uid() == 0)
}
