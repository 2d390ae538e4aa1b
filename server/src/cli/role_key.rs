//! Keys of the operator's roles, as its processes find them.

use std::path::Path;

use anyhow::Context;

use crate::chain::Key;

/// A key from the environment, else from a file of the data folder that only its owner can read.
pub(super) fn role_key(data: &Path, role: &str, variable: &str) -> anyhow::Result<Key> {
    let named = std::env::var(variable)
        .ok()
        .filter(|value| !value.is_empty());
    let path = data.join("keys").join(format!("{role}.key"));
    let text = match named {
        Some(text) => text,
        None => std::fs::read_to_string(&path).with_context(|| {
            format!(
                "no {role} key: set {variable} or write it to {}",
                path.display()
            )
        })?,
    };
    Key::from_hex(text.trim()).with_context(|| format!("the {role} key is no key"))
}
