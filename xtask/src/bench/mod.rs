//! Runs the benchmarks. They are examples of the crate that they measure; this table only knows
//! how to call them. A benchmark prints its table on standard error and JSON on standard output.

mod gas;
mod inference;
mod scoring;
mod scoring_report;
mod scratch;
mod submissions;

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{demo, process};

/// How a benchmark is called.
enum Call {
    /// `cargo run --release -p <package> --example <example> -- <arguments>`.
    Example {
        package: &'static str,
        example: &'static str,
        arguments: &'static [&'static str],
    },
    /// The built `foretoken` with these arguments, after `demo`'s set-up and build.
    Foretoken { arguments: &'static [&'static str] },
    /// Several programs, whose results are put together.
    Steps(fn() -> Result<Measured>),
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
    Benchmark {
        name: "scoring",
        what: "CORR, MMC and FNC beside the reference, a day's pass, payouts of 100,000 models",
        call: Call::Steps(scoring::measure),
    },
    Benchmark {
        name: "inference",
        what: "1,000 hosted models, isolated, beside a bare loop and a process a model",
        call: Call::Steps(inference::measure),
    },
    Benchmark {
        name: "submissions",
        what: "10,000 bots post in the last 5 s before a deadline, beside one durable commit a row",
        call: Call::Steps(submissions::measure),
    },
    Benchmark {
        name: "gas",
        what: "gas of commitments, a batch of 24 rounds × 1,000 models, its challenge, users' calls",
        call: Call::Steps(gas::measure),
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
    let mut results = Vec::with_capacity(chosen.len());
    for bench in chosen {
        eprintln!("\n==== {}: {} ====", bench.name, bench.what);
        let measured = measure(bench).with_context(|| format!("benchmark {}", bench.name))?;
        println!("{}: {}", bench.name, bench.what);
        println!("  wall time {:.2} s", measured.wall_seconds);
        println!("  {}", measured.shown);
        results.push((bench, measured));
    }
    if let Some(path) = json_file {
        let text = serde_json::to_string_pretty(&collected(&results, only.is_some()))?;
        std::fs::write(path, text + "\n").with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

struct Measured {
    wall_seconds: f64,
    /// What a person reads.
    shown: String,
    result: Value,
}

/// What the file holds: one object for each benchmark by its name. One of several steps that runs
/// alone is its own object.
fn collected(results: &[(&Benchmark, Measured)], alone: bool) -> Value {
    if let ([(bench, measured)], true) = (results, alone)
        && matches!(bench.call, Call::Steps(_))
    {
        return measured.result.clone();
    }
    let named = results.iter().map(|(bench, measured)| {
        let object = json!({
            "what": bench.what,
            "wall_seconds": measured.wall_seconds,
            "result": measured.result,
        });
        (bench.name.to_owned(), object)
    });
    Value::Object(named.collect())
}

/// Builds first, so that the wall time is that of the program alone.
fn measure(bench: &Benchmark) -> Result<Measured> {
    let mut program = match &bench.call {
        Call::Foretoken { arguments } => {
            let mut program = process::command(demo::prepare()?);
            program.args(*arguments);
            program
        }
        Call::Steps(steps) => return steps(),
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
    let result = serde_json::from_str(&printed).unwrap_or(Value::String(printed));
    Ok(Measured {
        wall_seconds,
        shown: result.to_string(),
        result,
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

    #[test]
    fn steps_that_run_alone_are_the_whole_file() {
        let find = |name| BENCHMARKS.iter().find(|bench| bench.name == name);
        let measured = || Measured {
            wall_seconds: 1.5,
            shown: String::new(),
            result: json!({ "a": 1 }),
        };
        let scoring = [(find("scoring").expect("a benchmark"), measured())];
        let payouts = [(find("payouts").expect("a benchmark"), measured())];
        assert_eq!(collected(&scoring, true), json!({ "a": 1 }));
        assert_eq!(
            collected(&scoring, false)["scoring"]["result"],
            json!({ "a": 1 })
        );
        let file = collected(&payouts, true);
        assert_eq!(file["payouts"]["result"], json!({ "a": 1 }));
        assert_eq!(file["payouts"]["wall_seconds"], json!(1.5));
    }
}
