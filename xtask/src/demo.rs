//! `cargo demo`: set up, build, and become the demo.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, anyhow};

use crate::setup::Scope;
use crate::{prerequisites, process, project, setup};

/// Replaces this process by `foretoken demo`, so that Ctrl-C and kill reach it. Returns only when
/// that is impossible.
pub fn run(arguments: Vec<OsString>) -> Result<()> {
    let program = prepare()?;
    // Not in the project's root: relative paths in the arguments are the caller's.
    let mut demo = Command::new(&program);
    demo.arg("demo").args(without_separator(arguments));
    let error = demo.exec();
    Err(anyhow!(error).context(format!("{} cannot be started", program.display())))
}

/// Fetches and builds what the demo runs; the path of the built `foretoken`.
pub fn prepare() -> Result<PathBuf> {
    prerequisites::check_for_building()?;
    setup::run(Scope::Demo)?;
    let mut build = process::cargo();
    build.args([
        "build",
        "--locked",
        "--release",
        "-p",
        "server",
        "-p",
        "inference-runner",
    ]);
    process::run(&mut build)?;
    Ok(project::target()?.join("release").join("foretoken"))
}

/// `cargo demo -- --rounds 12` and `cargo demo --rounds 12` mean the same: one leading `--` goes.
fn without_separator(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.first().is_some_and(|first| first == "--") {
        arguments.remove(0);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn one_leading_separator_is_dropped() {
        assert_eq!(
            without_separator(words("-- --rounds 12")),
            words("--rounds 12")
        );
        assert_eq!(
            without_separator(words("--rounds 12")),
            words("--rounds 12")
        );
        assert_eq!(without_separator(words("-- -- x")), words("-- x"));
        assert_eq!(
            without_separator(words("--rounds -- 12")),
            words("--rounds -- 12")
        );
        assert!(without_separator(Vec::new()).is_empty());
    }
}
