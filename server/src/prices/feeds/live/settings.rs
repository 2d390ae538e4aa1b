//! Which venues and sources are followed, where they are, and how patient we are.
//!
//! Owns the form of the feeds file. Endpoints are configuration: an operator behind a mirror names
//! it, a test names its own server.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Venue;
use serde::Deserialize;

use crate::prices::feeds::source::settings::SourceSettings;

/// The venues that are followed when nobody names others.
const DEFAULT: &str = include_str!("feeds.toml");

/// Each is a task and asks an address of its own.
const MOST_SOURCES: usize = 100;

/// The feeds file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedSettings {
    /// The venues.
    #[serde(rename = "venue", default)]
    pub venues: Vec<VenueSettings>,
    /// The numeric sources.
    #[serde(rename = "source", default)]
    pub sources: Vec<SourceSettings>,
    /// How patient we are.
    #[serde(default)]
    pub patience: Patience,
}

/// One venue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VenueSettings {
    /// Which.
    pub name: Venue,
    /// WebSocket address.
    pub stream: String,
    /// REST address, without a path.
    pub rest: String,
    /// The venue's name of each asset's market.
    pub markets: BTreeMap<String, String>,
}

/// Times that decide when a connection is given up, seconds unless they say otherwise.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Patience {
    /// A connection without a trade of any market for this long is given up.
    pub idle_s: u64,
    /// A market without a trade for this long, while other venues trade it, is looked into.
    pub mute_s: u64,
    /// A connection is given up and made anew after this long: venues cut at 24 hours.
    pub longest_connection_s: u64,
    /// Connecting, the handshake included, and one REST answer.
    pub answer_s: u64,
    /// Between two pings of ours, where the venue wants them.
    pub ping_s: u64,
    /// Between two measurements of the clocks.
    pub clock_s: u64,
    /// First pause after a failure, milliseconds; each further failure doubles it.
    pub first_pause_ms: u64,
    /// Longest pause after a failure, milliseconds.
    pub longest_pause_ms: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            idle_s: 10,
            mute_s: 6,
            longest_connection_s: 84_600,
            answer_s: 10,
            ping_s: 20,
            clock_s: 5,
            first_pause_ms: 250,
            longest_pause_ms: 5_000,
        }
    }
}

impl Patience {
    /// The pause before attempt `failures` + 1, before it is varied.
    pub(in crate::prices::feeds) fn pause(&self, failures: u32) -> Duration {
        let doubled = self.first_pause_ms.saturating_mul(
            1_u64
                .checked_shl(failures.saturating_sub(1))
                .unwrap_or(u64::MAX),
        );
        Duration::from_millis(doubled.min(self.longest_pause_ms))
    }
}

impl FeedSettings {
    /// Binance, Coinbase and Kraken at their public addresses.
    ///
    /// # Errors
    /// None: the file is part of the program.
    pub fn public_venues() -> Result<Self, String> {
        Self::parse(DEFAULT)
    }

    /// Reads a feeds file.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let settings: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        settings.check()?;
        Ok(settings)
    }

    /// One venue; none when it is not followed.
    #[must_use]
    pub fn venue(&self, venue: Venue) -> Option<&VenueSettings> {
        self.venues.iter().find(|settings| settings.name == venue)
    }

    fn check(&self) -> Result<(), String> {
        if self.venues.is_empty() && self.sources.is_empty() {
            return Err("it names no [[venue]] and no [[source]]".into());
        }
        if self.sources.len() > MOST_SOURCES {
            return Err("it names more than 100 sources".into());
        }
        let mut sources = std::collections::BTreeSet::new();
        for source in &self.sources {
            source.check()?;
            if !sources.insert(&source.name) {
                return Err(format!("source {} is there twice", source.name));
            }
        }
        let mut names = std::collections::BTreeSet::new();
        for venue in &self.venues {
            let name = venue.name.name();
            if !names.insert(venue.name) {
                return Err(format!("venue {name} is there twice"));
            }
            if !venue.stream.starts_with("ws://") && !venue.stream.starts_with("wss://") {
                return Err(format!(
                    "venue {name}: stream must begin with ws:// or wss://"
                ));
            }
            if !venue.rest.starts_with("http://") && !venue.rest.starts_with("https://") {
                return Err(format!(
                    "venue {name}: rest must begin with http:// or https://"
                ));
            }
            if venue.markets.is_empty() {
                return Err(format!("venue {name} has no [venue.markets]"));
            }
        }
        let patience = &self.patience;
        let least = [
            patience.idle_s,
            patience.mute_s,
            patience.longest_connection_s,
            patience.answer_s,
            patience.ping_s,
            patience.clock_s,
            patience.first_pause_ms,
            patience.longest_pause_ms,
        ];
        if least.contains(&0) {
            return Err("patience: every time must be above 0".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_venues_trade_both_assets() {
        let settings = FeedSettings::public_venues().expect("the program's own file");
        assert_eq!(settings.venues.len(), 3);
        for venue in &settings.venues {
            let assets: Vec<_> = venue.markets.keys().map(String::as_str).collect();
            assert_eq!(assets, ["btc", "eth"], "{}", venue.name.name());
        }
        assert_eq!(settings.patience.idle_s, 10);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let patience = Patience::default();
        let pauses: Vec<_> = [1, 2, 3, 5, 6, 99]
            .map(|n| patience.pause(n).as_millis())
            .into();
        assert_eq!(pauses, [250, 500, 1_000, 4_000, 5_000, 5_000]);
    }

    #[test]
    fn a_broken_file_is_told_what_is_wrong() {
        let venue = "[[venue]]\nname = \"kraken\"\nstream = \"ws://x\"\nrest = \"http://x\"\n";
        let markets = "[venue.markets]\nbtc = \"BTC/USD\"\n";
        let cases = [
            (String::from("venue = []"), "no [[venue]]"),
            (format!("{venue}markets = {{}}"), "no [venue.markets]"),
            (format!("{venue}{markets}{venue}{markets}"), "twice"),
            (
                format!("{venue}{markets}").replace("ws://", "ftp://"),
                "stream must begin",
            ),
            (format!("{venue}{markets}[patience]\nidle_s = 0"), "above 0"),
            (format!("{venue}{markets}[patience]\nidle = 1"), "idle"),
        ];
        for (text, word) in cases {
            let error = FeedSettings::parse(&text).expect_err(word);
            assert!(error.contains(word), "{error}");
        }
    }
}
