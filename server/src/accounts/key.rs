//! The text of an API key: `ftk_<id>_<secret>_<checksum>`, hexadecimal.
//!
//! The id names the key in lists and logs, the secret is 160 random bits, the checksum tells a
//! mistyped key from a revoked one without asking the database.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

const PREFIX: &str = "ftk";
const ID_DIGITS: usize = 12;
const SECRET_DIGITS: usize = 40;
const CHECKSUM_DIGITS: usize = 8;

/// A new key. It has no `Debug`, so that it cannot be logged by accident.
pub(super) struct NewKey {
    pub(super) text: String,
    pub(super) id: String,
    pub(super) hash: String,
}

/// A key as a request brought it.
pub(super) struct ParsedKey {
    pub(super) id: String,
    pub(super) hash: String,
}

pub(super) fn from_random(random: &[u8; 20]) -> NewKey {
    let secret = hex::encode(random);
    // A hash in one direction: the id says nothing about the secret.
    let id = digits(&format!("{PREFIX} key id {secret}"), ID_DIGITS);
    let body = format!("{PREFIX}_{id}_{secret}");
    let text = format!("{body}_{}", digits(&body, CHECKSUM_DIGITS));
    let hash = hash_of(&text);
    NewKey { text, id, hash }
}

pub(super) fn parse(text: &str) -> Option<ParsedKey> {
    let (body, checksum) = text.rsplit_once('_')?;
    let mut parts = body.split('_');
    let (prefix, id, secret) = (parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let has_form = prefix == PREFIX
        && parts.next().is_none()
        && is_hex(id, ID_DIGITS)
        && is_hex(secret, SECRET_DIGITS);
    if !has_form || checksum != digits(body, CHECKSUM_DIGITS) {
        return None;
    }
    Some(ParsedKey {
        id: id.to_owned(),
        hash: hash_of(text),
    })
}

/// Whether a text may hold a key, whole or cut.
#[must_use]
pub fn may_hold_key(text: &str) -> bool {
    without_keys(text) != text
}

/// The text with every key in it, whole or cut, replaced: what a caller sent by mistake is neither
/// repeated nor logged.
#[must_use]
pub fn without_keys(text: &str) -> Cow<'_, str> {
    const START: &str = "ftk_";
    /// Fewer characters are no part of a secret.
    const SHORTEST: usize = 8;
    if !text.contains(START) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split(START);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_of_key = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let rest = part.trim_start_matches(is_of_key);
        clean.push_str(START);
        if part.len() - rest.len() >= SHORTEST {
            clean.push('…');
            clean.push_str(rest);
        } else {
            clean.push_str(part);
        }
    }
    Cow::Owned(clean)
}

/// Compares without stopping at the first difference.
pub(super) fn same_hash(a: &str, b: &str) -> bool {
    let difference = a
        .bytes()
        .zip(b.bytes())
        .fold(0_u8, |difference, (a, b)| difference | (a ^ b));
    a.len() == b.len() && difference == 0
}

fn hash_of(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn digits(text: &str, count: usize) -> String {
    let mut digits = hash_of(text);
    digits.truncate(count);
    digits
}
