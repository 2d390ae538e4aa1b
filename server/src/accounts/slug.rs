//! Ids from names.

use sha2::{Digest, Sha256};

/// Most bytes of an id.
const ID_LIMIT: usize = 64;
/// Digits of the hash that make an id unique when the plain one is taken.
const HASH_DIGITS: usize = 8;

/// The id that a name asks for: lower-case ASCII letters and digits, everything else one `-`.
/// May be empty.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            text.push(c);
        } else if !text.is_empty() && !text.ends_with('-') {
            text.push('-');
        }
    }
    text.truncate(ID_LIMIT);
    text.trim_end_matches('-').to_owned()
}

/// The plain slug with digits of the hash of what it stands for, for a slug that is taken, empty
/// or cut.
#[must_use]
pub fn slug_with_hash(plain: &str, whole: &str) -> String {
    let mut digits = hex::encode(Sha256::digest(whole.as_bytes()));
    digits.truncate(HASH_DIGITS);
    let mut text = plain.to_owned();
    text.truncate(ID_LIMIT - HASH_DIGITS - 1);
    if text.is_empty() {
        return digits;
    }
    format!("{text}-{digits}")
}
