//! Rules about the repository as a whole: sizes, and owners of the tables in the migrations.

use super::tables::LAYERS;
use super::{Finding, RepositoryFile, Rule};

const FILE_BYTES: u64 = 2_000_000;
const REPOSITORY_BYTES: u64 = 25_000_000;
const DICTIONARY: &str = "migrations/README.md";

pub(super) fn check(files: &[RepositoryFile]) -> Vec<Finding> {
    let mut findings = sizes(files);
    findings.extend(owners(files));
    findings
}

fn sizes(files: &[RepositoryFile]) -> Vec<Finding> {
    let finding = |path: &str, message: String| Finding {
        rule: Rule::Size,
        path: path.to_owned(),
        line: 0,
        message,
    };
    let mut findings: Vec<Finding> = files
        .iter()
        .filter(|file| file.bytes > FILE_BYTES)
        .map(|file| {
            finding(
                &file.path,
                format!("{} bytes; a file stops at {FILE_BYTES}", file.bytes),
            )
        })
        .collect();
    let total: u64 = files.iter().map(|file| file.bytes).sum();
    if total > REPOSITORY_BYTES {
        findings.push(finding(
            ".",
            format!("{total} bytes; all files stop at {REPOSITORY_BYTES}"),
        ));
    }
    findings
}

/// Every table of the migrations has one owning module, which the dictionary names.
fn owners(files: &[RepositoryFile]) -> Vec<Finding> {
    let dictionary = files.iter().find(|file| file.path == DICTIONARY);
    let dictionary = dictionary
        .and_then(|file| file.text.as_deref())
        .unwrap_or_default();
    let mut findings = Vec::new();
    for file in files {
        let is_migration = file.path.starts_with("migrations/") && file.path.ends_with(".sql");
        let Some(text) = file.text.as_deref().filter(|_| is_migration) else {
            continue;
        };
        for (line, table) in created_tables(text) {
            if !has_owner(dictionary, &table) {
                findings.push(Finding {
                    rule: Rule::Migration,
                    path: file.path.clone(),
                    line,
                    message: format!(
                        "the table `{table}` has no owner among the modules in {DICTIONARY}"
                    ),
                });
            }
        }
    }
    findings
}

/// The names after `CREATE TABLE`, with their lines. Comments are left out.
fn created_tables(sql: &str) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, &str)> = Vec::new();
    for (index, line) in sql.lines().enumerate() {
        let code = line.split("--").next().unwrap_or_default();
        words.extend(
            code.split([' ', '\t', '('])
                .filter(|w| !w.is_empty())
                .map(|w| (index + 1, w)),
        );
    }
    let is = |at: usize, word: &str| {
        words
            .get(at)
            .is_some_and(|(_, found)| found.eq_ignore_ascii_case(word))
    };
    let mut found = Vec::new();
    for at in 0..words.len() {
        if !is(at, "CREATE") || !is(at + 1, "TABLE") {
            continue;
        }
        let name_at = if is(at + 2, "IF") { at + 5 } else { at + 2 };
        if let Some((line, name)) = words.get(name_at) {
            found.push((*line, name.trim_matches('"').to_owned()));
        }
    }
    found
}

/// Whether a row of the dictionary is `| table | owner | …` with a module of the server as owner.
fn has_owner(dictionary: &str, table: &str) -> bool {
    dictionary.lines().any(|line| {
        let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`'));
        let (_, name, owner) = (cells.next(), cells.next(), cells.next());
        name == Some(table)
            && owner.is_some_and(|owner| LAYERS.iter().any(|(_, modules)| modules.contains(&owner)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> RepositoryFile {
        let bytes = text.len() as u64;
        RepositoryFile {
            path: path.to_owned(),
            bytes,
            text: Some(text.to_owned()),
        }
    }

    #[test]
    fn a_table_without_an_owner_is_found() {
        let sql = "-- CREATE TABLE none (\nCREATE TABLE rounds(\n a);\ncreate table if not exists \"ticks\" (b);\nCREATE TABLE lost (c);";
        let readme = "| table | owner | is |\n|---|---|---|\n| rounds | rounds | a |\n| `ticks` | `prices` | b |\n| lost | nobody | c |\n";
        let files = [
            file("migrations/0001_first.sql", sql),
            file(DICTIONARY, readme),
        ];
        let found = check(&files);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 5);
        assert!(found[0].message.contains("`lost` has no owner"));
    }

    #[test]
    fn large_files_and_a_large_repository_are_found() {
        let sized = |path: &str, bytes| RepositoryFile {
            path: path.to_owned(),
            bytes,
            text: None,
        };
        assert!(check(&[sized("a", FILE_BYTES)]).is_empty());
        assert_eq!(check(&[sized("a", FILE_BYTES + 1)])[0].path, "a");
        let many: Vec<RepositoryFile> = (0..13).map(|_| sized("a", FILE_BYTES)).collect();
        assert_eq!(check(&many)[0].path, ".");
    }
}
