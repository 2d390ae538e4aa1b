//! Runs the benchmarks. They are examples of the crate that they measure; this table only knows
//! how to call them. A benchmark prints its table on standard error and JSON on standard output.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::{demo, process};

/// How a benchmark is called.
pub enum Call {
    /// `cargo run --release -p <package> --example <example> -- <arguments>`.
    Example {
        package: &'static str,
        example: &'static str,
        arguments: &'static [&'static str],
    },
    /// The built `foretoken` with these arguments, after `demo`'s set-up and build.
    Foretoken { arguments: &'static [&'static str] },
}

struct Benchmark {
    name: &'static str,
    what: &'static str,
    call: Call,
}

/// Every known benchmark; a new one is one entry here.
const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "p9",
        what: "demo: built binary to first on-chain settled round",
        call: Call::Foretoken {
            arguments: &["demo", "--headless", "--rounds", "1", "--json", "-"],
        },
    },
    Benchmark {
        name: "payouts",
        what: "payouts of 1,000, 10,000 and 100,000 models",
        call: Call::Example {
            package: "scorer",
            example: "payouts",
            arguments: &[],
        },
    },
];

/// Runs all benchmarks or the named one; collects what they print into one JSON file.
pub fn run(only: Option<&str>, json_file: Option<&Path>) -> Result<()> {
    let chosen: Vec<&Benchmark> = BENCHMARKS
        .iter()
        .filter(|bench| only.is_none_or(|name| name == bench.name))
        .collect();
    if chosen.is_empty() {
        let known: Vec<&str> = BENCHMARKS.iter().map(|bench| bench.name).collect();
        bail!(
            "no benchmark is called {}; known: {}",
            only.unwrap_or_default(),
            known.join(", ")
        );
    }
    let mut collected = Map::new();
    for bench in chosen {
        eprintln!("\n==== {}: {} ====", bench.name, bench.what);
        let measured = measure(bench).with_context(|| format!("benchmark {}", bench.name))?;
        println!("{}: {}", bench.name, bench.what);
        println!("  wall time {:.2} s", measured.wall_seconds);
        println!("  {}", measured.printed);
        collected.insert(
            bench.name.to_owned(),
            json!({
                "what": bench.what,
                "wall_seconds": measured.wall_seconds,
                "result": measured.printed,
            }),
        );
    }
    if let Some(path) = json_file {
        let text = serde_json::to_string_pretty(&Value::Object(collected))?;
        std::fs::write(path, text + "\n").with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

struct Measured {
    wall_seconds: f64,
    printed: Value,
}

/// Builds first, so that the wall time is that of the program alone.
fn measure(bench: &Benchmark) -> Result<Measured> {
    let mut program = match &bench.call {
        Call::Foretoken { arguments } => {
            let mut program = process::command(demo::prepare()?);
            program.args(*arguments);
            program
        }
        Call::Example {
            package,
            example,
            arguments,
        } => {
            let target = [
                "--locked",
                "--release",
                "-p",
                *package,
                "--example",
                *example,
            ];
            process::run(process::cargo().arg("build").args(target))?;
            let mut program = process::cargo();
            program
                .args(["run", "--quiet"])
                .args(target)
                .arg("--")
                .args(*arguments);
            program
        }
    };
    let started = process::now();
    let printed = process::capture(&mut program)?;
    let wall_seconds = started.elapsed().as_secs_f64();
    let printed = serde_json::from_str(&printed).unwrap_or(Value::String(printed));
    Ok(Measured {
        wall_seconds,
        printed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = run(Some("p0"), None).expect_err("there is no p0");
        assert!(error.to_string().contains("known: p9"), "{error}");
    }
}
