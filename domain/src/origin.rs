//! Where the numbers of an outcome come from: the trades of a venue, or the observations of a
//! source.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::SourceId;
use crate::tournament::Venue;

/// What a source's name begins with, so that no mistyped venue is taken for one.
const SOURCE: &str = "source:";

/// A venue or a source. In text and JSON `kraken` or `source:berlin-temperature`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Origin {
    /// Its trades are the evidence.
    Venue(Venue),
    /// Its observations are the evidence: values that it states for moments of its own.
    Source(SourceId),
}

/// Why a text is no origin.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0:?} is not binance, coinbase, kraken or source: and a source's name")]
pub struct OriginError(String);

impl Origin {
    /// The stored name.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Venue(venue) => Cow::Borrowed(venue.name()),
            Self::Source(source) => Cow::Owned(format!("{SOURCE}{source}")),
        }
    }

    /// The source, if it is one.
    #[must_use]
    pub fn source(&self) -> Option<&SourceId> {
        match self {
            Self::Venue(_) => None,
            Self::Source(source) => Some(source),
        }
    }

    /// The venue, if it is one.
    #[must_use]
    pub fn venue(&self) -> Option<Venue> {
        match self {
            Self::Venue(venue) => Some(*venue),
            Self::Source(_) => None,
        }
    }
}

impl From<Venue> for Origin {
    fn from(venue: Venue) -> Self {
        Self::Venue(venue)
    }
}

impl PartialEq<Venue> for Origin {
    fn eq(&self, other: &Venue) -> bool {
        self.venue() == Some(*other)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl FromStr for Origin {
    type Err = OriginError;
    fn from_str(text: &str) -> Result<Self, OriginError> {
        let bad = || OriginError(text.chars().take(80).collect());
        match text.strip_prefix(SOURCE) {
            Some(name) => name.parse().map(Self::Source).map_err(|_| bad()),
            None => Venue::parse(text).map(Self::Venue).ok_or_else(bad),
        }
    }
}

impl TryFrom<String> for Origin {
    type Error = OriginError;
    fn try_from(text: String) -> Result<Self, OriginError> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.name().into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_a_mistyped_venue_is_no_source() {
        for name in ["binance", "kraken", "source:berlin-temperature"] {
            let origin: Origin = name.parse().expect("an origin");
            assert_eq!(origin.name(), name);
        }
        for name in ["krakn", "berlin-temperature", "source:", "source:Ä", ""] {
            assert!(name.parse::<Origin>().is_err(), "{name}");
        }
        assert_eq!(Origin::from(Venue::Kraken), Venue::Kraken);
    }
}
