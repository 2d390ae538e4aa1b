//! The mutants of one Solidity file: small changes of single lines, each of which some test must
//! notice. Works on the text, so a mutant that does not compile is made and counted as invalid.

use std::collections::HashMap;

/// One changed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mutant {
    /// From 0.
    pub(super) line: usize,
    pub(super) before: String,
    pub(super) after: String,
    /// Says which of equal changes it is, from 1; keeps the name when lines move.
    pub(super) occurrence: usize,
}

impl Mutant {
    /// What the list of survivors names it by.
    pub(super) fn name(&self) -> String {
        let (before, after) = (self.before.trim(), self.after.trim());
        let after = if after.is_empty() { "(deleted)" } else { after };
        format!("{before} => {after} #{}", self.occurrence)
    }

    pub(super) fn apply(&self, source: &str) -> String {
        let lines: Vec<&str> = source
            .lines()
            .enumerate()
            .map(|(number, line)| {
                if number == self.line {
                    &self.after
                } else {
                    line
                }
            })
            .collect();
        lines.join("\n") + "\n"
    }
}

/// What is found between spaces and what takes its place.
const OPERATORS: [(&str, &[&str]); 17] = [
    (" < ", &[" <= ", " >= "]),
    (" <= ", &[" < ", " > "]),
    (" > ", &[" >= ", " <= "]),
    (" >= ", &[" > ", " < "]),
    (" == ", &[" != "]),
    (" != ", &[" == "]),
    (" && ", &[" || "]),
    (" || ", &[" && "]),
    (" + ", &[" - "]),
    (" - ", &[" + "]),
    (" * ", &[" / "]),
    (" / ", &[" * "]),
    (" += ", &[" -= "]),
    (" -= ", &[" += ", " = "]),
    (" = true;", &[" = false;"]),
    (" = false;", &[" = true;"]),
    (" = 0;", &[" = 1;"]),
];

const MODIFIERS: [&str; 4] = ["nonReentrant", "takesInflow", "onlyGuardian", "onlyOwner"];

/// All mutants of a file, in the order of its lines.
pub(super) fn of(source: &str) -> Vec<Mutant> {
    let mut seen: HashMap<(String, String), usize> = HashMap::new();
    let mut mutants = Vec::new();
    for (line, before) in source.lines().enumerate() {
        let text = before.trim_start();
        if is_passive(text) {
            continue;
        }
        for after in changes(before) {
            let count = seen
                .entry((text.to_owned(), after.trim().to_owned()))
                .or_default();
            *count += 1;
            mutants.push(Mutant {
                line,
                before: before.to_owned(),
                after,
                occurrence: *count,
            });
        }
    }
    mutants
}

/// Lines in which a change says nothing: comments, imports, names.
fn is_passive(text: &str) -> bool {
    [
        "//",
        "/*",
        "*",
        "import ",
        "pragma ",
        "using ",
        "emit ",
        "interface ",
        "error ",
        "event ",
    ]
    .iter()
    .any(|start| text.starts_with(start))
}

fn changes(line: &str) -> Vec<String> {
    let mut changed = Vec::new();
    // An operator at the beginning of a continued line has no space of its own before it.
    let padded = format!("{line} ");
    for (found, replacements) in OPERATORS {
        for (place, _) in padded.match_indices(found) {
            for replacement in replacements {
                let mut after = padded.clone();
                after.replace_range(place..place + found.len(), replacement);
                changed.push(after.trim_end().to_owned());
            }
        }
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    for modifier in MODIFIERS {
        let declares = words.contains(&"modifier") || words.contains(&"using");
        if !declares && words.contains(&modifier) {
            changed.push(line.replacen(modifier, "", 1));
        }
    }
    changed.extend(without_statement(line));
    changed
}

/// The line without its statement: a call, an assignment, or a revert under a condition.
fn without_statement(line: &str) -> Option<String> {
    let text = line.trim_start();
    let indent = line.get(..line.len() - text.len())?;
    if let Some(place) = text.find(" revert ").filter(|_| text.ends_with(");")) {
        return Some(format!("{indent}{} {{}}", text.get(..place)?));
    }
    let assigns = text.contains(" = ") || text.contains(" += ") || text.contains(" -= ");
    let first = text.split([' ', '(', '.', '[']).next().unwrap_or_default();
    let declares = [
        "uint256", "bytes32", "int256", "bool", "address", "return", "revert", "uint64",
    ]
    .contains(&first)
        || text.starts_with('(')
        || text.contains(" memory ")
        || text.contains(" storage ")
        || text.contains(" constant ");
    let calls = text.ends_with(");") && !text.starts_with('}') && text.contains('(');
    let whole = text.ends_with(';') && !declares && (assigns || calls);
    whole.then(|| indent.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> Vec<String> {
        of(source).iter().map(Mutant::name).collect()
    }

    #[test]
    fn comparisons_reverts_and_statements_are_changed() {
        assert_eq!(
            names("        if (a < b) revert Late(a);\n"),
            [
                "if (a < b) revert Late(a); => if (a <= b) revert Late(a); #1",
                "if (a < b) revert Late(a); => if (a >= b) revert Late(a); #1",
                "if (a < b) revert Late(a); => if (a < b) {} #1",
            ]
        );
        assert_eq!(
            names("        _pull(bond);\n"),
            ["_pull(bond); => (deleted) #1"]
        );
        assert!(names("        // a < b\n        uint256 a = f(b);\n").is_empty());
    }

    #[test]
    fn equal_changes_are_told_apart_and_applied_to_their_line() {
        let source = "_pull(bond);\nx;\n_pull(bond);\n";
        let mutants = of(source);
        assert_eq!(mutants.len(), 2);
        assert_eq!(mutants[1].name(), "_pull(bond); => (deleted) #2");
        assert_eq!(mutants[1].apply(source), "_pull(bond);\nx;\n\n");
    }
}
