//! The Python environments: one for the SDK's tests, one for the S3 of the store's test, one for the
//! fuzzing of the API, one for the reference of the scores, one for the analysis of the contracts. One per list of requirements, so a changed list makes a new one and an old clone keeps its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::store::{Store, sha256_of_bytes};
use crate::{prerequisites, process, project};

/// A virtual environment, made from a list of requirements with pinned hashes.
pub struct Environment {
    /// The list, relative to the project's root.
    requirements: &'static str,
    purpose: &'static str,
    /// The oldest and the newest Python for which the list has wheels.
    pythons: [(u32, u32); 2],
}

/// What the tests of the Python SDK run in.
pub const SDK_TESTS: Environment = Environment {
    requirements: "clients/python/requirements-test.txt",
    purpose: "the SDK's tests",
    pythons: [(3, 9), (3, 14)],
};

/// moto's server, which plays S3 in the test of the store of datasets.
pub const S3_TESTS: Environment = Environment {
    requirements: "tests/requirements-moto.txt",
    purpose: "the S3 of the tests",
    pythons: [(3, 11), (3, 14)],
};

/// schemathesis, which fuzzes the API from its OpenAPI document.
pub const API_FUZZ: Environment = Environment {
    requirements: "tests/requirements-fuzz.txt",
    purpose: "the fuzzing of the API",
    pythons: [(3, 11), (3, 14)],
};

/// What the scores are compared with; only the scoring benchmark asks for it.
pub const SCORING_REFERENCE: Environment = Environment {
    requirements: "scorer/reference/requirements.txt",
    purpose: "the reference of the scores",
    pythons: [(3, 11), (3, 14)],
};

/// halmos, its solver, and slither.
pub const CONTRACT_ANALYSIS: Environment = Environment {
    requirements: "contracts/requirements.txt",
    purpose: "the analysis of the contracts",
    pythons: [(3, 11), (3, 14)],
};

impl Environment {
    /// The interpreter of the environment, or nothing when the project does not have the list.
    pub fn interpreter(&self) -> Result<Option<PathBuf>> {
        let Some(name) = self.folder_name(&project::root())? else {
            return Ok(None);
        };
        Ok(Some(interpreter_in(&project::tools()?.join(name))))
    }

    /// A virtual environment knows its own path, so it is made in its place; a mark written last
    /// says that it is whole.
    pub(super) fn ensure(&self, store: &Store) -> Result<()> {
        let Some(name) = self.folder_name(&project::root())? else {
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
        self.admit(prerequisites::python_version()?)?;
        eprintln!(
            "set-up: making the Python environment for {} ({name}, pip)",
            self.purpose
        );
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        self.make(&place)?;
        fs::write(mark, "")?;
        Ok(())
    }

    fn make(&self, place: &Path) -> Result<()> {
        process::run_quietly(process::command("python3").args(["-m", "venv"]).arg(place)).context(
            "no virtual environment can be made; Debian: `apt-get install python3-venv`",
        )?;
        let mut install = process::command(interpreter_in(place));
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
            self.requirements,
        ]);
        process::run_quietly(&mut install).with_context(|| {
            format!(
                "pip could not install {}; check the network and pip's configuration",
                self.requirements
            )
        })
    }

    /// Refuses a Python for which the list has no wheels, before pip says so in its own words.
    fn admit(&self, (major, minor): (u32, u32)) -> Result<()> {
        let [oldest, newest] = self.pythons;
        if (oldest..=newest).contains(&(major, minor)) {
            return Ok(());
        }
        bail!(
            "{} needs Python {}.{} to {}.{}, and `python3` is {major}.{minor}; put a `python3` of \
             such a version first in PATH and try again",
            self.requirements,
            oldest.0,
            oldest.1,
            newest.0,
            newest.1,
        )
    }

    /// `python-` and the beginning of the list's digest.
    fn folder_name(&self, root: &Path) -> Result<Option<String>> {
        let path = root.join(self.requirements);
        if !path.is_file() {
            return Ok(None);
        }
        let digest = sha256_of_bytes(&fs::read(path)?);
        let short: String = digest.chars().take(16).collect();
        Ok(Some(format!("python-{short}")))
    }
}

fn interpreter_in(environment: &Path) -> PathBuf {
    environment.join("bin").join("python")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_without_wheels_is_refused_and_told_which_will_do() {
        for fine in [(3, 11), (3, 12), (3, 14)] {
            SCORING_REFERENCE.admit(fine).expect("a supported version");
        }
        for wrong in [(2, 7), (3, 10), (3, 15), (4, 0)] {
            let refusal = SCORING_REFERENCE.admit(wrong).expect_err("no wheels");
            let refusal = refusal.to_string();
            assert!(refusal.contains("needs Python 3.11 to 3.14"), "{refusal}");
            assert!(
                refusal.contains(&format!("is {}.{}", wrong.0, wrong.1)),
                "{refusal}"
            );
        }
        SDK_TESTS.admit((3, 14)).expect("a supported version");
        let refusal = SDK_TESTS.admit((3, 8)).expect_err("too old").to_string();
        assert!(refusal.contains("needs Python 3.9 to 3.14"), "{refusal}");
    }

    #[test]
    fn each_list_has_an_environment_of_its_own() {
        let root = project::root();
        let tests = SDK_TESTS.folder_name(&root).expect("readable");
        let reference = SCORING_REFERENCE.folder_name(&root).expect("readable");
        assert!(tests.is_some() && reference.is_some());
        assert_ne!(tests, reference);
        let elsewhere = SDK_TESTS.folder_name(&root.join("xtask"));
        assert_eq!(elsewhere.expect("readable"), None);
    }
}
