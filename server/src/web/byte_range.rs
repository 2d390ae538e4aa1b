//! Which bytes of a file a request wants: `Range`, `If-Range` and `If-None-Match` (RFC 9110).
//!
//! Values in, values out. Must never answer a range of another content than the one asked about.

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::{IF_NONE_MATCH, IF_RANGE, RANGE};

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing: the visitor has this content.
    Nothing,
    /// All of it. Also where a range is malformed, one of several, or of another content.
    Whole,
    /// These bytes, at least one, all within the file.
    Part(Range<u64>),
    /// Bytes that the file does not have.
    Beyond,
}

/// What `headers` want of a file with the strong `tag`, quotes included, and `length` bytes.
pub(super) fn wanted(headers: &HeaderMap, tag: &str, length: u64) -> Wanted {
    if is_known(headers, tag) {
        return Wanted::Nothing;
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // Anything but the same strong tag, a date too, says nothing certain about the content.
    let is_same = headers.get(IF_RANGE).is_none() || text(IF_RANGE) == Some(tag);
    let range = text(RANGE).filter(|_| is_same);
    range.map_or(Wanted::Whole, |range| part(range, length))
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).into_iter();
    let tags = lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(',').map(str::trim));
    let mut tags = tags.map(|known| known.strip_prefix("W/").unwrap_or(known));
    tags.any(|known| known == "*" || known == tag)
}

fn part(range: &str, length: u64) -> Wanted {
    let ends = range.trim().strip_prefix("bytes=");
    let Some((first, last)) = ends.and_then(|ends| ends.split_once('-')) else {
        return Wanted::Whole;
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => Wanted::Whole,
        (Some(first), _) if first >= length && (last.is_empty() || number(last).is_some()) => {
            Wanted::Beyond
        }
        (Some(first), Some(last)) => Wanted::Part(first..length.min(last.saturating_add(1))),
        (Some(first), None) if last.is_empty() => Wanted::Part(first..length),
        (None, Some(0)) if first.is_empty() => Wanted::Beyond,
        (None, Some(count)) if first.is_empty() && length > 0 => {
            Wanted::Part(length.saturating_sub(count)..length)
        }
        _ => Wanted::Whole,
    }
}

/// Digits only; `parse` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn asked(headers: &[(HeaderName, &str)]) -> Wanted {
        let value = |text| HeaderValue::from_str(text).expect("a header");
        let headers = headers
            .iter()
            .map(|(name, text)| (name.clone(), value(*text)));
        wanted(&headers.collect(), "\"tag\"", 10)
    }

    #[test]
    fn one_range_is_understood_and_the_rest_ignored() {
        for (range, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=3-", Wanted::Part(3..10)),
            ("bytes=-4", Wanted::Part(6..10)),
            ("bytes=-40", Wanted::Part(0..10)),
            ("bytes=9-99999999999999999999999", Wanted::Part(9..10)),
            ("bytes=10-", Wanted::Beyond),
            ("bytes=10-20", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=0-1,4-5", Wanted::Whole),
            ("bytes=20-x", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(asked(&[(RANGE, range)]), expected, "{range:?}");
        }
    }

    #[test]
    fn conditions_compare_the_tag() {
        let range = (RANGE, "bytes=1-2");
        for (condition, expected) in [
            ((IF_RANGE, "\"tag\""), Wanted::Part(1..3)),
            ((IF_RANGE, "W/\"tag\""), Wanted::Whole),
            ((IF_RANGE, "\"other\""), Wanted::Whole),
            ((IF_RANGE, "Sat, 28 Nov 2026 11:00:00 GMT"), Wanted::Whole),
            ((IF_NONE_MATCH, "\"x\", W/\"tag\""), Wanted::Nothing),
            ((IF_NONE_MATCH, "*"), Wanted::Nothing),
            ((IF_NONE_MATCH, "\"other\""), Wanted::Part(1..3)),
        ] {
            let said = format!("{condition:?}");
            assert_eq!(asked(&[range.clone(), condition]), expected, "{said}");
        }
    }
}
