//! What a `[[source]]` of the feeds file says: where its numbers are and how patient we are.

use std::net::IpAddr;

use domain::SourceId;
use domain::price::exact_units;
use domain::timestamp::SECOND_US;
use reqwest::Url;
use serde::Deserialize;

use crate::prices::receipt::{Reading, TimeForm};

/// A body is kept with the evidence: it must stay small.
const MOST_BODY_BYTES: usize = 1 << 20;
/// Poll pauses, schedules and ages are at most a week.
const MOST_SECONDS: u64 = 7 * 86_400;
const MOST_RETRIES: u32 = 10;

/// One source: an address whose JSON holds one number and the moment that it holds for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// Tournaments name it `source:` and this.
    pub name: SourceId,
    /// `https://…`; `http://` on this machine only. It is published with the evidence.
    pub url: String,
    /// JSON pointer of the number, `/current/temperature_2m`.
    pub value_at: String,
    /// JSON pointer of the moment that it holds for.
    pub time_at: String,
    /// How that moment is written.
    #[serde(default)]
    pub time: TimeForm,
    /// What the number is in, for people.
    pub unit: String,
    /// Added to every number to make it a price, which is above zero: 273.15 for degrees Celsius.
    #[serde(default = "no_shift")]
    pub shift: String,
    /// Moments are at most this far apart, seconds; further ones are a gap.
    pub observations_every_s: u64,
    /// Between two questions, seconds.
    pub poll_s: u64,
    /// A newest observation older than this is shown as stale, seconds.
    pub stale_after_s: u64,
    /// One answer, connecting included, seconds.
    #[serde(default = "answer_s")]
    pub answer_s: u64,
    /// The longest body.
    #[serde(default = "longest_body")]
    pub longest_body_bytes: usize,
    /// Questions after a failed one, before the next poll.
    #[serde(default = "retries")]
    pub retries: u32,
}

fn no_shift() -> String {
    "0".to_owned()
}

fn answer_s() -> u64 {
    10
}

fn longest_body() -> usize {
    65_536
}

fn retries() -> u32 {
    3
}

impl SourceSettings {
    /// How its values are read.
    #[must_use]
    pub fn reading(&self) -> Reading {
        Reading {
            url: self.url.clone(),
            value_at: self.value_at.clone(),
            time_at: self.time_at.clone(),
            time: self.time,
            unit: self.unit.clone(),
            shift: self.shift.clone(),
        }
    }

    /// The greatest regular distance between two moments, and the age from which the newest is
    /// stale, microseconds.
    #[must_use]
    pub fn schedule_us(&self) -> (i64, i64) {
        let us = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX) * SECOND_US;
        (us(self.observations_every_s), us(self.stale_after_s))
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// The first broken rule, for people.
    pub fn check(&self) -> Result<(), String> {
        let url = Url::parse(&self.url).map_err(|error| self.wrong("url", &error.to_string()))?;
        let is_here = url.scheme() == "http" && is_loopback(&url);
        if url.scheme() != "https" && !is_here {
            let why = "must begin with https:// (http:// on 127.0.0.1, ::1 or localhost only)";
            return Err(self.wrong("url", why));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(self.wrong("url", "holds a login, and it is published"));
        }
        for (key, pointer) in [("value_at", &self.value_at), ("time_at", &self.time_at)] {
            if !pointer.starts_with('/') || pointer.len() > 200 {
                return Err(self.wrong(key, "must be a JSON pointer: / and at most 200 bytes"));
            }
        }
        if exact_units(&self.shift).is_none() {
            return Err(self.wrong("shift", "must be a decimal with at most 8 fraction digits"));
        }
        if self.unit.is_empty() || self.unit.chars().count() > 20 {
            return Err(self.wrong("unit", "must have 1 to 20 characters"));
        }
        let seconds = [
            ("observations_every_s", self.observations_every_s),
            ("poll_s", self.poll_s),
            ("stale_after_s", self.stale_after_s),
            ("answer_s", self.answer_s),
        ];
        for (key, value) in seconds {
            if !(1..=MOST_SECONDS).contains(&value) {
                return Err(self.wrong(key, "must be 1 to 604800"));
            }
        }
        if !(1..=MOST_BODY_BYTES).contains(&self.longest_body_bytes) {
            return Err(self.wrong("longest_body_bytes", "must be 1 to 1048576"));
        }
        if self.retries > MOST_RETRIES {
            return Err(self.wrong("retries", "must be at most 10"));
        }
        Ok(())
    }

    fn wrong(&self, key: &str, why: &str) -> String {
        format!("source {}: {key} {why}", self.name)
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use domain::Tournament;

    use super::*;
    use crate::prices::feeds::live::settings::FeedSettings;

    const EXAMPLE: &str = include_str!("berlin-temperature.toml");
    const TOURNAMENT: &str = include_str!("berlin-temperature-1h.toml");

    #[test]
    fn the_example_is_a_feeds_file_and_its_tournament_names_it() {
        let settings = FeedSettings::parse(EXAMPLE).expect("a feeds file");
        let source = &settings.sources[0];
        assert_eq!(source.time, TimeForm::Unix);
        assert_eq!(source.schedule_us().0, 900 * SECOND_US);
        let tournament: Tournament = toml::from_str(TOURNAMENT).expect("a tournament");
        assert_eq!(tournament.check(), Ok(()));
        assert_eq!(tournament.venues[0].source(), Some(&source.name));
        let step_us = tournament.timetable.interval_s * SECOND_US;
        assert_eq!(
            step_us % source.schedule_us().0,
            0,
            "boundaries are observed"
        );
    }

    #[test]
    fn a_broken_source_is_told_what_is_wrong() {
        let cases = [
            ("https://", "http://", "must begin with https://"),
            ("https://", "https://me:secret@", "holds a login"),
            ("https://", "", "url"),
            ("\"/current/time\"", "\"current.time\"", "JSON pointer"),
            ("\"273.15\"", "\"273,15\"", "shift"),
            ("unit = \"°C\"", "unit = \"\"", "unit"),
            ("poll_s = 60", "poll_s = 0", "poll_s"),
            ("time = \"unix\"", "time = \"posix\"", "posix"),
            ("poll_s = 60", "poll_s = 60\nretries = 11", "retries"),
            (
                "poll_s = 60",
                "poll_s = 60\nlongest_body_bytes = 2000000",
                "longest",
            ),
        ];
        for (from, to, word) in cases {
            let error = FeedSettings::parse(&EXAMPLE.replace(from, to)).expect_err(word);
            assert!(error.contains(word), "{error}");
        }
        let twice = format!(
            "{EXAMPLE}\n{}",
            &EXAMPLE[EXAMPLE.find("[[source]]").unwrap_or(0)..]
        );
        let error = FeedSettings::parse(&twice).expect_err("twice");
        assert!(error.contains("twice"), "{error}");
        for here in ["127.0.0.1:9", "[::1]:9", "localhost:9"] {
            let file = EXAMPLE.replace("https://api.open-meteo.com", &format!("http://{here}"));
            FeedSettings::parse(&file).expect(here);
        }
    }
}
