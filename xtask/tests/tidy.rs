//! The repository keeps its own rules.

#[test]
fn the_repository_is_tidy() {
    let findings = xtask::tidy::check(&xtask::project::root()).expect("the repository can be read");
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(
        lines.is_empty(),
        "{} lines to mend:\n{}",
        lines.len(),
        lines.join("\n")
    );
}
