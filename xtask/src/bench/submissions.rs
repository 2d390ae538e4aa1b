//! The benchmark of the write path: bots over HTTP, then the same rows with one durable commit
//! each. Owns the order of its programs and what their figures come to.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Measured;
use super::scratch::Scratch;
use crate::{prerequisites, process, project};

/// Builds first, so that the wall time is that of the programs.
pub(super) fn measure() -> Result<Measured> {
    prerequisites::check_for_building()?;
    let mut build = process::cargo();
    build.args([
        "build",
        "--release",
        "--locked",
        "-p",
        "tests",
        "-p",
        "server",
    ]);
    build.args(["--example", "submissions", "--example", "raw_inserts"]);
    process::run(&mut build)?;
    let target = project::target()?;
    let example = |name: &str| process::command(target.join("release/examples").join(name));
    let scratch = Scratch::new(&target, "submissions")?;
    let (burst, fresh) = (scratch.folder("burst")?, scratch.folder("fresh")?);
    let started = process::now();
    let bots = process::capture(example("submissions").arg(&burst))?;
    let raw = process::capture(example("raw_inserts").arg(burst.join("data")).arg(&fresh))?;
    let result = merge(&serde_json::from_str(&bots)?, &serde_json::from_str(&raw)?)?;
    Ok(Measured {
        wall_seconds: started.elapsed().as_secs_f64(),
        shown: result.to_string(),
        result,
    })
}

/// The required figures, and how the time grows with the number of bots.
fn merge(bots: &Value, raw: &Value) -> Result<Value> {
    let number = |of: &Value, name: &str| {
        of[name]
            .as_f64()
            .with_context(|| format!("the benchmark printed no {name}"))
    };
    let accepted = number(bots, "accepted_per_s")?;
    let inserted = number(raw, "raw_insert_per_s")?;
    eprintln!("    {}", bots["counts"]);
    Ok(json!({
        "accepted_per_s": accepted,
        "p50_ms": number(bots, "p50_ms")?,
        "p99_ms": number(bots, "p99_ms")?,
        "raw_insert_per_s": inserted,
        "ratio": (accepted / inserted * 100.0).round() / 100.0,
        "lost": bots["lost"],
        "late_accepted": bots["late_accepted"],
        "growth": bots["growth"],
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_have_the_names_that_are_asked_for() {
        let bots = json!({
            "accepted_per_s": 6000.0, "p50_ms": 40.0, "p99_ms": 80.0, "lost": 0,
            "late_accepted": 0, "growth": [], "counts": {},
        });
        let merged = merge(&bots, &json!({ "raw_insert_per_s": 1500.0 })).expect("all there");
        assert_eq!(merged["ratio"], json!(4.0));
        let names: Vec<&str> = merged
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        let mut expected = vec![
            "accepted_per_s",
            "p50_ms",
            "p99_ms",
            "raw_insert_per_s",
            "ratio",
            "lost",
            "late_accepted",
            "growth",
        ];
        expected.sort_unstable();
        let mut sorted = names;
        sorted.sort_unstable();
        assert_eq!(sorted, expected);
        assert!(merge(&json!({}), &json!({})).is_err());
    }
}
