//! The tidy test: reads manifests, sources and documents of the repository and names every line
//! that breaks the project's arrows, budgets or words. Owns the rules; changes nothing.

mod arrows;
mod budgets;
mod manifests;
mod repository;
mod rust;
mod source;
mod tables;
mod words;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::process;
pub use arrows::arrows_block;
pub use tables::Rule;

/// A line to mend.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub rule: Rule,
    pub path: String,
    /// Counted from one; 0 stands for the whole file.
    pub line: usize,
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            rule,
            path,
            line,
            message,
        } = self;
        match line {
            0 => write!(out, "{path}: {message} [{rule:?}]"),
            _ => write!(out, "{path}:{line}: {message} [{rule:?}]"),
        }
    }
}

/// A file of the repository, its path relative to the root with forward slashes.
struct RepositoryFile {
    path: String,
    bytes: u64,
    /// Nothing when the file is not text.
    text: Option<String>,
}

/// What one rule complains about in one file: line and message.
type Complaints = Vec<(usize, String)>;

/// Every finding in the files that git tracks or would track, in the order of their paths.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let files = read_files(root)?;
    let mut findings = repository::check(&files);
    for file in &files {
        check_file(file, &mut findings);
    }
    findings.retain(|finding| !is_exempt(finding));
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    Ok(findings)
}

fn check_file(file: &RepositoryFile, findings: &mut Vec<Finding>) {
    let path = file.path.as_str();
    let mut add = |rule: Rule, complaints: Complaints| {
        findings.extend(complaints.into_iter().map(|(line, message)| Finding {
            rule,
            path: path.to_owned(),
            line,
            message,
        }));
    };
    add(Rule::Word, words::banned_names(path));
    let Some(text) = &file.text else { return };
    add(Rule::Word, words::banned_words(text));
    add(Rule::AbsolutePath, words::absolute_paths(text));
    add(Rule::Registry, words::registry_addresses(text));
    add(Rule::Secret, words::secrets(text));
    if let Some(language) = source::Language::of(path) {
        add(Rule::Budget, budgets::check(text, language));
    }
    if path == "Cargo.toml" {
        add(Rule::Manifest, manifests::members_are_in_the_table(text));
        add(
            Rule::Manifest,
            manifests::documentation_warnings_are_denied(text),
        );
    } else if path.ends_with("/Cargo.toml") {
        add(
            Rule::Manifest,
            manifests::dependencies_are_the_workspaces(text),
        );
        add(Rule::Manifest, manifests::lints_are_the_workspaces(text));
        add(Rule::Arrow, manifests::arrows(text));
    }
    if path == "docs/ARCHITECTURE.md" {
        add(Rule::Arrow, arrows::stated_arrows(text));
    }
    if path.ends_with(".rs") {
        let rust = rust::read(text);
        add(Rule::Arrow, arrows::check(path, &rust));
        add(Rule::Word, words::rust_words(path, &rust));
        add(Rule::Header, words::header(path, text));
    }
}

fn is_exempt(finding: &Finding) -> bool {
    tables::EXEMPTIONS.iter().any(|exemption| {
        exemption.rule == finding.rule && finding.path.starts_with(exemption.prefix)
    })
}

fn read_files(root: &Path) -> Result<Vec<RepositoryFile>> {
    let mut list = process::command("git");
    list.current_dir(root);
    // The checkout of a build machine may belong to another user.
    list.args(["-c", "safe.directory=*", "ls-files", "-z"]);
    list.args(["--cached", "--others", "--exclude-standard"]);
    let listed = process::capture(&mut list).context("the tidy test asks git for the files")?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let place = root.join(path);
        // Deleted and not yet committed, or a link.
        if !place
            .symlink_metadata()
            .is_ok_and(|metadata| metadata.is_file())
        {
            continue;
        }
        let content =
            fs::read(&place).with_context(|| format!("{} cannot be read", place.display()))?;
        files.push(RepositoryFile {
            path: path.to_owned(),
            bytes: content.len() as u64,
            text: String::from_utf8(content).ok(),
        });
    }
    Ok(files)
}
