//! A row of the scorecard: what was done, what was found, whether the target is met.

use serde::Serialize;
use serde_json::Value;

/// One row.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `R1` to `R9`, `R17`.
    pub row: &'static str,
    /// The fault or attack.
    pub fault: &'static str,
    /// The target.
    pub target: &'static str,
    /// Whether it is met.
    pub pass: bool,
    /// What was counted.
    pub counts: Value,
    /// What went wrong; empty when nothing did.
    pub error: String,
}

impl Row {
    /// One line for a person.
    #[must_use]
    pub fn line(&self) -> String {
        let verdict = if self.pass { "pass" } else { "FAIL" };
        let counts: Vec<String> = self
            .counts
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        let error = if self.error.is_empty() { String::new() } else { format!("\n      {}", self.error) };
        format!("{:<4} {verdict}  {}: {} [target: {}]{error}", self.row, self.fault, counts.join(", "), self.target)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_says_its_counts_and_its_error() {
        let mut row = Row {
            row: "R1",
            fault: "kill",
            target: "0 lost",
            pass: true,
            counts: json!({ "kills": 3 }),
            error: String::new(),
        };
        assert_eq!(row.line(), "R1   pass  kill: kills 3 [target: 0 lost]");
        row.pass = false;
        row.error = String::from("one lost");
        assert!(row.line().contains("FAIL") && row.line().ends_with("one lost"));
    }
}
