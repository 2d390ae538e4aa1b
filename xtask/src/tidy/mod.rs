//! tidy
pub fn arrows_block() -> String {
    String::new()
}
pub fn check(_root: &std::path::Path) -> anyhow::Result<Vec<String>> {
    Ok(vec![])
}
