//! The names of published versions: `1.1.0-20240305`, and `1.1.0-20240305-r2` when the same day was
//! built again and came out differently.
//!
//! Owns their form and their order, which is that of time. Must never be used for what was not
//! parsed: names reach storage and addresses.

use std::fmt;
use std::str::FromStr;

use domain::timestamp::rfc3339;
use serde::{Deserialize, Serialize};

use crate::error::DatasetError;
use crate::manifest::DATASET_VERSION;

/// The name of one version. The later of two is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// UTC day of the newest target, as the number 20240305.
    day: u32,
    /// [`DATASET_VERSION`] of the software that made it.
    schema: [u16; 3],
    /// Counts what this day was built as, from 1.
    revision: u16,
}

impl Version {
    /// The first revision of the version whose newest target lies in the day of `us`, microseconds.
    pub fn of_day(us: i64) -> Self {
        let text = rfc3339(us);
        let digits = text.chars().filter(char::is_ascii_digit).take(8);
        let day = digits.fold(0, |day, digit| day * 10 + digit.to_digit(10).unwrap_or(0));
        let schema = schema(DATASET_VERSION).unwrap_or_default();
        Self {
            day,
            schema,
            revision: 1,
        }
    }

    /// The same day and schema, built once more; `None` after 65,535 of them.
    pub fn next_revision(self) -> Option<Self> {
        let revision = self.revision.checked_add(1)?;
        Some(Self { revision, ..self })
    }

    /// Whether both are of the same day and schema.
    pub fn is_revision_of(self, other: Self) -> bool {
        (self.day, self.schema) == (other.day, other.schema)
    }
}

/// `1.1.0` as three numbers, written without leading zeros.
fn schema(text: &str) -> Option<[u16; 3]> {
    let mut parts = text.split('.').map(number);
    let schema = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(schema)
}

fn number(text: &str) -> Option<u16> {
    let number: u16 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn day(text: &str) -> Option<u32> {
    let is_date = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_date.then(|| text.parse().ok()).flatten()
}

fn parsed(text: &str) -> Option<Version> {
    let mut parts = text.split('-');
    let (schema, day) = (schema(parts.next()?)?, day(parts.next()?)?);
    let revision = match parts.next() {
        None => 1,
        Some(later) => number(later.strip_prefix('r')?).filter(|revision| *revision > 1)?,
    };
    parts.next().is_none().then_some(Version {
        day,
        schema,
        revision,
    })
}

impl FromStr for Version {
    type Err = DatasetError;

    fn from_str(text: &str) -> Result<Self, DatasetError> {
        parsed(text).ok_or_else(|| DatasetError::Version {
            text: text.chars().take(80).collect(),
        })
    }
}

impl TryFrom<String> for Version {
    type Error = DatasetError;

    fn try_from(text: String) -> Result<Self, DatasetError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.schema;
        write!(out, "{major}.{minor}.{patch}-{:08}", self.day)?;
        if self.revision > 1 {
            write!(out, "-r{}", self.revision)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_return_and_sort_by_time() {
        let names = [
            "1.0.0-20240229",
            "1.0.0-20240305",
            "1.0.0-20240305-r2",
            "1.0.0-20240305-r10",
            "1.10.0-20240305",
            "1.2.0-20240306",
        ];
        let versions: Vec<Version> = names.iter().map(|name| name.parse().unwrap()).collect();
        assert!(versions.is_sorted_by(|a, b| a < b));
        for (name, version) in names.iter().zip(&versions) {
            assert_eq!(version.to_string(), *name);
        }
        let of_day = Version::of_day(1_709_640_000_000_000);
        assert_eq!(of_day.to_string(), format!("{DATASET_VERSION}-20240305"));
        let second = of_day.next_revision().unwrap();
        assert!(second > of_day && second.is_revision_of(of_day));
    }

    #[test]
    fn a_name_has_one_spelling() {
        for wrong in [
            "",
            "1.0-20240305",
            "1.0.0",
            "1.0.0.0-20240305",
            "1.0.0-2024035",
            "1.0.0-20240305-",
            "1.0.0-20240305-r1",
            "1.0.0-20240305-r02",
            "1.0.0-20240305-2",
            "1.0.0-20240305-r2-r3",
            "01.0.0-20240305",
            "1.0.0-20240305/..",
            "+1.0.0-20240305",
            "btc",
        ] {
            assert!(wrong.parse::<Version>().is_err(), "{wrong:?} was accepted");
        }
    }
}
