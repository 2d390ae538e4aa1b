//! Mutation testing: each mutant of a contract is compiled and tested in a copy of contracts/, never
//! in place. A mutant that no test notices is a survivor; those that cannot matter are named in
//! contracts/mutation-survivors.toml with the reason.
//!
//! A mutator of our own: slither-mutate compiles everything anew for each mutant with a compiler that
//! it starts itself, names survivors by line numbers, and runs one at a time.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::mutants::{self, Mutant};
use super::{analysis, folder};
use crate::{process, setup};

const EXPLAINED: &str = "mutation-survivors.toml";
const TARGET_PERCENT: usize = 95;
const COPIED: [&str; 4] = ["src", "test", "foundry.toml", "solc.js"];
const KNOWN: [&str; 9] = [
    "StakeVault.sol",
    "FaultProof.sol",
    "SumTree.sol",
    "Changes.sol",
    "Wager.sol",
    "RoundRegistry.sol",
    "Subscriptions.sol",
    "RoundCounts.sol",
    "AggregateVerifier.sol",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    Killed,
    Survived,
    /// The compiler refuses it.
    Invalid,
    /// It survives, and the list says why that is right.
    Equivalent,
}

#[derive(Deserialize)]
struct Explained {
    #[serde(default)]
    survivor: Vec<Survivor>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Survivor {
    file: String,
    mutant: String,
    reason: String,
}

#[derive(Serialize)]
struct Report {
    file: String,
    killed: usize,
    survived: usize,
    equivalent: usize,
    invalid: usize,
    score_percent: f64,
    survivors: Vec<String>,
}

/// Tests every mutant of one file of contracts/src; fails below 95 percent of those that count.
pub fn run(only: Option<&str>, json: Option<&Path>, jobs: usize) -> Result<()> {
    let file = only.unwrap_or("StakeVault.sol");
    if !KNOWN.contains(&file) {
        bail!("{file} is not mutated; choose one of {}", KNOWN.join(", "));
    }
    setup::contract_tools()?;
    let source_path = folder().join("src").join(file);
    let source =
        fs::read_to_string(&source_path).with_context(|| format!("{}", source_path.display()))?;
    let explained = explained(file)?;
    let all = mutants::of(&source);
    println!("mutate: {} mutants of {file}, {jobs} at a time", all.len());
    let copies: Vec<PathBuf> = (0..jobs.max(1))
        .map(|job| copy(&analysis(&format!("mutate-{job}"))?))
        .collect::<Result<_>>()?;
    for copy in &copies {
        if test(copy)? != Fate::Survived {
            bail!("the tests fail on the contracts as they are; mend that first");
        }
    }
    let fates = test_all(file, &source, &all, &copies, &explained)?;
    conclude(file, &all, &fates, &explained, json)
}

fn explained(file: &str) -> Result<Vec<Survivor>> {
    let path = folder().join(EXPLAINED);
    let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    let all: Explained = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
    let mut named = all.survivor;
    named.retain(|survivor| survivor.file == file);
    for survivor in &named {
        if survivor.reason.trim().is_empty() {
            bail!(
                "contracts/{EXPLAINED} gives no reason for `{}`",
                survivor.mutant
            );
        }
    }
    Ok(named)
}

/// A fresh copy of what forge reads; the packages are linked.
fn copy(place: &Path) -> Result<PathBuf> {
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    fs::create_dir_all(place)?;
    for name in COPIED {
        let mut copy = process::command("cp");
        process::run_quietly(
            copy.arg("-r")
                .arg(folder().join(name))
                .arg(place.join(name)),
        )?;
    }
    // The symbolic checks are no tests, and compiling them takes time.
    fs::remove_dir_all(place.join("test/symbolic"))?;
    std::os::unix::fs::symlink(folder().join("node_modules"), place.join("node_modules"))?;
    Ok(place.to_owned())
}

fn test_all(
    file: &str,
    source: &str,
    all: &[Mutant],
    copies: &[PathBuf],
    explained: &[Survivor],
) -> Result<Vec<Fate>> {
    let next = AtomicUsize::new(0);
    let fates = Mutex::new(vec![Fate::Invalid; all.len()]);
    thread::scope(|scope| {
        let workers: Vec<_> = copies
            .iter()
            .map(|copy| {
                scope.spawn(|| -> Result<()> {
                    let target = copy.join("src").join(file);
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(mutant) = all.get(place) else {
                            return Ok(());
                        };
                        fs::write(&target, mutant.apply(source))?;
                        let mut fate = test(copy)?;
                        let name = mutant.name();
                        if fate == Fate::Survived && explained.iter().any(|one| one.mutant == name)
                        {
                            fate = Fate::Equivalent;
                        }
                        println!("{fate:?} {file}:{} {name}", mutant.line + 1);
                        let mut fates = fates.lock().unwrap_or_else(|broken| broken.into_inner());
                        if let Some(slot) = fates.get_mut(place) {
                            *slot = fate;
                        }
                    }
                })
            })
            .collect();
        for worker in workers {
            match worker.join() {
                Ok(outcome) => outcome?,
                Err(_) => bail!("a worker panicked"),
            }
        }
        Ok(())
    })?;
    Ok(fates
        .into_inner()
        .unwrap_or_else(|broken| broken.into_inner()))
}

/// Unit tests first, then the fuzz and invariant tests, shortened: most mutants die at once. Only the
/// mutated file is compiled, because the tests are linked to it when they run.
fn test(copy: &Path) -> Result<Fate> {
    const SLOW: &str = "Invariant|Fuzz";
    for stage in ["--no-match-contract", "--match-contract"] {
        let mut forge = process::command(setup::contracts::forge());
        forge
            .current_dir(copy)
            .env("FOUNDRY_DENY", "never")
            .env("FOUNDRY_FUZZ_RUNS", "32")
            .env("FOUNDRY_INVARIANT_RUNS", "8")
            .args(["test", "--dynamic-test-linking", "--fail-fast", stage, SLOW]);
        let output = forge.output().context("forge cannot be started")?;
        if output.status.success() {
            continue;
        }
        let printed = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        let refused = |text: &str| text.contains("Compiler run failed");
        return Ok(match refused(&printed) || refused(&complained) {
            true => Fate::Invalid,
            false => Fate::Killed,
        });
    }
    Ok(Fate::Survived)
}

fn conclude(
    file: &str,
    all: &[Mutant],
    fates: &[Fate],
    explained: &[Survivor],
    json: Option<&Path>,
) -> Result<()> {
    let count = |wanted: Fate| fates.iter().filter(|fate| **fate == wanted).count();
    let named = |wanted: Fate| {
        all.iter()
            .zip(fates)
            .filter(move |(_, fate)| **fate == wanted)
            .map(|(mutant, _)| mutant.name())
    };
    let (killed, survived) = (count(Fate::Killed), count(Fate::Survived));
    let counted = killed + survived;
    let report = Report {
        file: file.to_owned(),
        killed,
        survived,
        equivalent: count(Fate::Equivalent),
        invalid: count(Fate::Invalid),
        score_percent: if counted == 0 {
            0.0
        } else {
            100.0 * killed as f64 / counted as f64
        },
        survivors: named(Fate::Survived).collect(),
    };
    println!(
        "mutate: {file}: {killed} of {counted} killed, {:.1} %; {} explained as equivalent, {} do not compile",
        report.score_percent, report.equivalent, report.invalid
    );
    for survivor in &report.survivors {
        println!("  survived: {survivor}");
    }
    if let Some(path) = json {
        fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
            .with_context(|| format!("{}", path.display()))?;
    }
    let equivalent: Vec<String> = named(Fate::Equivalent).collect();
    if let Some(stale) = explained
        .iter()
        .find(|one| !equivalent.contains(&one.mutant))
    {
        bail!(
            "contracts/{EXPLAINED} names `{}`, which is no survivor of {file}",
            stale.mutant
        );
    }
    if counted == 0 || killed * 100 < counted * TARGET_PERCENT {
        bail!("{file}: under {TARGET_PERCENT} % of the mutants are noticed by a test");
    }
    Ok(())
}
