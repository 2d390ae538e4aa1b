//! Names of things. A name is checked once, where it enters, and never again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::timestamp::{compact_minute, parse_compact_minute};

/// Why a text is not an id.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum IdError {
    /// Tournament, model and account ids.
    #[error(
        "{what} id {text:?} is not 1 to 64 of a-z, 0-9, '-' and '_', starting with a letter or digit"
    )]
    Form {
        /// What kind of id was asked for.
        what: &'static str,
        /// The text as it came.
        text: String,
    },
    /// Round ids.
    #[error("round id {0:?} is not <tournament>-<start as 20240305T1200Z>")]
    Round(String),
}

fn check(what: &'static str, text: &str) -> Result<(), IdError> {
    let mut bytes = text.bytes();
    let first = bytes
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let rest =
        bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    if first && rest && text.len() <= 64 {
        return Ok(());
    }
    Err(IdError::Form {
        what,
        text: text.chars().take(80).collect(),
    })
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text of the id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                check($what, text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                check($what, &text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A tournament, `btc-usd-5m`.
    TournamentId, "tournament"
);
text_id!(
    /// A model: a participant's entry in one tournament.
    ModelId, "model"
);
text_id!(
    /// An account: a person, a bot or the operator.
    AccountId, "account"
);
text_id!(
    /// A numeric source that a feeds file describes, `berlin-temperature`.
    SourceId, "source"
);

/// One round of one tournament: `btc-usd-5m-20240305T1200Z`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoundId {
    tournament: TournamentId,
    start_us: i64,
}

impl RoundId {
    /// The round of `tournament` whose interval begins at `start_us`, whole minutes only.
    ///
    /// # Errors
    /// [`IdError::Round`] when `start_us` is not a whole minute.
    pub fn new(tournament: TournamentId, start_us: i64) -> Result<Self, IdError> {
        if start_us < 0 || start_us % 60_000_000 != 0 {
            return Err(IdError::Round(format!("{tournament}-{start_us}us")));
        }
        Ok(Self {
            tournament,
            start_us,
        })
    }

    /// The tournament.
    #[must_use]
    pub fn tournament(&self) -> &TournamentId {
        &self.tournament
    }

    /// T: the start of the forecast interval, microseconds UTC.
    #[must_use]
    pub fn start_us(&self) -> i64 {
        self.start_us
    }
}

impl fmt::Display for RoundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.tournament, compact_minute(self.start_us))
    }
}

impl FromStr for RoundId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = || IdError::Round(text.chars().take(80).collect());
        let (tournament, start) = text.rsplit_once('-').ok_or_else(bad)?;
        let start_us = parse_compact_minute(start).ok_or_else(bad)?;
        Self::new(tournament.parse().map_err(|_| bad())?, start_us)
    }
}

impl TryFrom<String> for RoundId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<RoundId> for String {
    fn from(id: RoundId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_ids_round_trip() {
        let id: RoundId = "btc-usd-5m-20240305T1200Z".parse().expect("valid");
        assert_eq!(id.tournament().as_str(), "btc-usd-5m");
        assert_eq!(id.to_string(), "btc-usd-5m-20240305T1200Z");
    }

    #[test]
    fn bad_ids_are_refused() {
        for text in ["", "A", "-a", "a b", "é", &"a".repeat(65)] {
            assert!(text.parse::<ModelId>().is_err(), "{text}");
        }
        for text in [
            "btc",
            "btc-20240305",
            "btc-20241305T1200Z",
            "-20240305T1200Z",
        ] {
            assert!(text.parse::<RoundId>().is_err(), "{text}");
        }
    }
}
