//! What must be installed before the project's commands can fetch the rest.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;

/// One program that must be there, with the lowest version that will do.
struct Prerequisite {
    what: &'static str,
    command: &'static [&'static str],
    at_least: Option<(u32, u32)>,
    remedy: &'static str,
}

const C_COMPILER: Prerequisite = Prerequisite {
    what: "a C compiler (`cc`)",
    command: &["cc", "--version"],
    at_least: None,
    remedy: "Debian: `apt-get install build-essential`; macOS: `xcode-select --install`",
};
const RUST: Prerequisite = Prerequisite {
    what: "Rust (`rustc`)",
    command: &["rustc", "--version"],
    at_least: Some((1, 95)),
    remedy: "`rustup toolchain install 1.95.0 && rustup default 1.95.0`",
};
const PYTHON: Prerequisite = Prerequisite {
    what: "Python (`python3`)",
    command: &["python3", "--version"],
    at_least: Some((3, 9)),
    remedy: "Debian: `apt-get install python3 python3-pip python3-venv`",
};
const PIP: Prerequisite = Prerequisite {
    what: "pip for `python3`",
    command: &["python3", "-m", "pip", "--version"],
    at_least: Some((20, 3)),
    remedy: "Debian: `apt-get install python3-pip`; elsewhere `python3 -m ensurepip`",
};
const VENV: Prerequisite = Prerequisite {
    what: "venv for `python3`",
    command: &["python3", "-c", "import venv, ensurepip"],
    at_least: None,
    remedy: "Debian: `apt-get install python3-venv`",
};
const NODE: Prerequisite = Prerequisite {
    what: "Node.js (`node`)",
    command: &["node", "--version"],
    at_least: Some((20, 0)),
    remedy: "install Node.js 20 or newer; it brings npm",
};
const NPM: Prerequisite = Prerequisite {
    what: "npm",
    command: &["npm", "--version"],
    at_least: Some((9, 0)),
    remedy: "install Node.js 20 or newer; it brings npm",
};

/// Everything that the two README commands need beforehand.
pub fn check() -> Result<()> {
    require(&[&C_COMPILER, &RUST, &PYTHON, &PIP, &VENV, &NODE, &NPM])
}

/// What building and running takes once every tool is fetched.
pub fn check_for_building() -> Result<()> {
    require(&[&C_COMPILER, &RUST])
}

/// What fetching through pip takes.
pub fn check_for_pip() -> Result<()> {
    require(&[&PYTHON, &PIP])
}

/// What fetching through npm takes.
pub fn check_for_npm() -> Result<()> {
    require(&[&NODE, &NPM])
}

/// The version of `python3`, major and minor.
pub fn python_version() -> Result<(u32, u32)> {
    let printed = process::capture(process::command("python3").arg("--version"))?;
    version_in(&printed).with_context(|| {
        let printed = printed.trim();
        format!("`python3 --version` says `{printed}`, in which no version can be read")
    })
}

fn require(prerequisites: &[&Prerequisite]) -> Result<()> {
    let complaints: Vec<String> = prerequisites
        .iter()
        .filter_map(|prerequisite| complaint(prerequisite))
        .collect();
    if !complaints.is_empty() {
        bail!(
            "this machine lacks what must be installed beforehand:\n  {}",
            complaints.join("\n  ")
        );
    }
    Ok(())
}

/// The thing, the rule and the remedy, or nothing when all is well.
fn complaint(prerequisite: &Prerequisite) -> Option<String> {
    let Prerequisite {
        what,
        command,
        at_least,
        remedy,
    } = prerequisite;
    let (program, arguments) = command.split_first()?;
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let printed = match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        _ => {
            return Some(format!(
                "{what} is missing: `{}` does not run. {remedy}",
                command.join(" ")
            ));
        }
    };
    let (major, minor) = (*at_least)?;
    match version_in(&printed) {
        Some(version) if version >= (major, minor) => None,
        Some((found_major, found_minor)) => Some(format!(
            "{what} is {found_major}.{found_minor}, at least {major}.{minor} is needed. {remedy}"
        )),
        None => Some(format!(
            "{what} says `{}`, in which no version can be read; at least {major}.{minor} is needed. {remedy}",
            printed.trim()
        )),
    }
}

/// The first `major.minor` in a line such as `rustc 1.95.0 (…)`, `v20.20.2` or `pip 23.2.1 from …`.
fn version_in(printed: &str) -> Option<(u32, u32)> {
    printed.split_whitespace().find_map(|word| {
        let mut numbers = word.trim_start_matches('v').split(['.', '-', '+']);
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_programs_print() {
        assert_eq!(
            version_in("rustc 1.95.0 (59807616e 2026-04-14)"),
            Some((1, 95))
        );
        assert_eq!(version_in("v20.20.2\n"), Some((20, 20)));
        assert_eq!(version_in("Python 3.11.7"), Some((3, 11)));
        assert_eq!(
            version_in("pip 23.2.1 from /usr/lib (python 3.11)"),
            Some((23, 2))
        );
        assert_eq!(version_in("no version here"), None);
    }

    #[test]
    fn a_missing_program_is_named_with_its_remedy() {
        let missing = Prerequisite {
            what: "the loom",
            command: &["foretoken-no-such-program"],
            at_least: None,
            remedy: "weave one",
        };
        let complaint = complaint(&missing).expect("a program that does not exist is missing");
        assert!(complaint.contains("the loom is missing") && complaint.contains("weave one"));
    }

    #[test]
    fn an_old_version_is_refused() {
        let future = Prerequisite {
            at_least: Some((99, 0)),
            ..RUST
        };
        let complaint = complaint(&future).expect("no rustc is that new");
        assert!(complaint.contains("at least 99.0 is needed"), "{complaint}");
    }
}
