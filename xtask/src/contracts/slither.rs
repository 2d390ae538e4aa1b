//! Static analysis. Every high or medium finding is mended or named in contracts/slither-accepted.toml
//! with the reason why it is none.

use std::fs;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{analysis, folder, tool};
use crate::process;

const ACCEPTED: &str = "slither-accepted.toml";

#[derive(Deserialize)]
struct Report {
    success: bool,
    error: Option<String>,
    results: Results,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    detectors: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    check: String,
    impact: String,
    description: String,
}

#[derive(Deserialize)]
struct Accepted {
    #[serde(default)]
    finding: Vec<Exception>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    check: String,
    begins: String,
    reason: String,
}

pub fn run() -> Result<()> {
    let out = analysis("slither")?;
    fs::create_dir_all(&out)?;
    let written = out.join("report.json");
    drop(fs::remove_file(&written));
    let mut slither = tool("slither", "slither")?;
    slither.args([".", "--config-file", "slither.config.json", "--json"]);
    // It exits with an error when it finds anything at all; what counts is in its report.
    let ran = process::run_quietly(slither.arg(&written));
    let Ok(bytes) = fs::read(&written) else {
        ran?;
        bail!("slither wrote no report");
    };
    let report: Report = serde_json::from_slice(&bytes).context("the report of slither")?;
    if !report.success {
        bail!("slither failed: {}", report.error.unwrap_or_default());
    }
    let path = folder().join(ACCEPTED);
    let text = fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    let accepted: Accepted =
        toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
    let faults = compare(&report.results.detectors, &accepted.finding);
    for fault in &faults {
        println!("{fault}");
    }
    if !faults.is_empty() {
        bail!(
            "slither: {} to mend, or to name in contracts/{ACCEPTED}",
            faults.len()
        );
    }
    println!(
        "slither: no high or medium finding but the {} explained in contracts/{ACCEPTED}",
        accepted.finding.len()
    );
    Ok(())
}

fn compare(findings: &[Finding], accepted: &[Exception]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut used = vec![false; accepted.len()];
    let serious = findings
        .iter()
        .filter(|finding| matches!(finding.impact.as_str(), "High" | "Medium"));
    for finding in serious {
        let text = plain(&finding.description);
        let named = accepted.iter().position(|exception| {
            exception.check == finding.check && text.starts_with(&exception.begins)
        });
        match named.and_then(|place| used.get_mut(place)) {
            Some(used) => *used = true,
            None => faults.push(format!("{} {}: {text}", finding.impact, finding.check)),
        }
    }
    for (exception, used) in accepted.iter().zip(used) {
        if exception.reason.trim().is_empty() {
            faults.push(format!(
                "no reason: {} {}",
                exception.check, exception.begins
            ));
        }
        if !used {
            faults.push(format!(
                "names no finding: {} {}",
                exception.check, exception.begins
            ));
        }
    }
    faults
}

/// A finding in one line, without its ` (src/File.sol#1-2)`.
fn plain(description: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in description.split_whitespace() {
        match word
            .strip_prefix('(')
            .filter(|place| place.contains(".sol#"))
        {
            None => words.push(word),
            // What follows the place, such as a colon, belongs to the word before.
            Some(place) if place.ends_with("):") => words.push(":"),
            Some(_) => {}
        }
    }
    words.join(" ").replace(" :", ":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(impact: &str, description: &str) -> Finding {
        Finding {
            check: "check".to_owned(),
            impact: impact.to_owned(),
            description: description.to_owned(),
        }
    }

    fn exception(begins: &str, reason: &str) -> Exception {
        Exception {
            check: "check".to_owned(),
            begins: begins.to_owned(),
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn places_are_taken_out_of_a_finding() {
        let text =
            plain("Reentrancy in A.b(uint8) (src/A.sol#1-2):\n\tCalls:\n\t- c() (src/A.sol#3)\n");
        assert_eq!(text, "Reentrancy in A.b(uint8): Calls: - c()");
    }

    #[test]
    fn each_serious_finding_needs_its_entry_and_each_entry_its_finding() {
        let findings = [
            finding("Medium", "A.b() (src/A.sol#1) bad"),
            finding("Low", "c"),
        ];
        assert!(compare(&findings, &[exception("A.b() bad", "because")]).is_empty());
        assert_eq!(compare(&findings, &[]).len(), 1);
        assert_eq!(compare(&findings, &[exception("A.b() bad", " ")]).len(), 1);
        assert_eq!(compare(&[], &[exception("A.b() bad", "because")]).len(), 1);
    }
}
