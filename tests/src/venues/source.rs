//! Where a fake venue's trades come from: the generated market, or a recording.
//!
//! Must never look at how the venue behaves.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use datasets::Asset;
use domain::Venue;
use serde::Deserialize;
use server::prices::feeds::message::{Message, VenueTrade};
use server::prices::feeds::protocol::decode;

use super::market::{Market, asset_of};

/// One venue's trades.
#[derive(Clone, Debug)]
pub enum Source {
    /// Made from a seed.
    Generated(Market),
    /// Heard once, played again.
    Recorded(Recording),
}

/// Frames of a venue in the order in which they were received. They are played word for word, so
/// the times in them stay those of the recording.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// When each is played, by the fake's clock, microseconds.
    frames: Vec<(i64, String)>,
    /// The trades in them, with when they are played.
    trades: BTreeMap<(Asset, i64), (i64, VenueTrade)>,
}

/// A line of a recording.
#[derive(Debug, Deserialize)]
struct Line {
    receive_time_us: i64,
    frame: String,
}

impl Recording {
    /// Reads lines of `{"receive_time_us": …, "frame": "…"}`; the first is played at `start_us`.
    ///
    /// # Errors
    /// When a line is no such JSON or lines are not in order.
    pub fn parse(venue: Venue, text: &str, start_us: i64) -> anyhow::Result<Self> {
        let mut read = Self::default();
        let mut first_us = None;
        for (number, line) in text.lines().filter(|line| !line.is_empty()).enumerate() {
            let line: Line = serde_json::from_str(line)
                .with_context(|| format!("line {} of the recording", number + 1))?;
            let begin_us = *first_us.get_or_insert(line.receive_time_us);
            let play_us = start_us + line.receive_time_us - begin_us;
            let is_later = read.frames.last().is_none_or(|(last, _)| *last <= play_us);
            anyhow::ensure!(is_later, "line {} is older than the one before", number + 1);
            // What is no trade is played all the same.
            if let Ok(Message::Trades(trades)) = decode(venue, line.frame.as_bytes()) {
                for trade in trades {
                    if let Some(asset) = asset_of(venue, &trade.symbol) {
                        let place = read.trades.entry((asset, trade.trade_id));
                        place.or_insert((play_us, trade));
                    }
                }
            }
            read.frames.push((play_us, line.frame));
        }
        anyhow::ensure!(!read.frames.is_empty(), "the recording is empty");
        Ok(read)
    }

    /// The same from a file.
    ///
    /// # Errors
    /// When the file cannot be read, or as [`Recording::parse`].
    pub fn read(venue: Venue, path: &Path, start_us: i64) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Self::parse(venue, &text, start_us).with_context(|| path.display().to_string())
    }

    /// Frames that are played in `(after_us, until_us]`.
    pub(super) fn between(&self, after_us: i64, until_us: i64) -> impl Iterator<Item = &str> {
        let from = self.frames.partition_point(|(at, _)| *at <= after_us);
        let to = self.frames.partition_point(|(at, _)| *at <= until_us);
        let played = self.frames.get(from..to).unwrap_or_default();
        played.iter().map(|(_, frame)| frame.as_str())
    }
}

impl Source {
    /// The number of the newest trade that the venue knows at `now_us`; 0 when it knows none.
    pub(super) fn last_id(&self, venue: Venue, asset: Asset, now_us: i64) -> i64 {
        match self {
            Self::Generated(market) => market.last_id(venue, asset, now_us),
            Self::Recorded(recording) => {
                let own = recording.trades.range((asset, 0)..=(asset, i64::MAX));
                let known = own.filter(|(_, (play_us, _))| *play_us <= now_us);
                known.map(|((_, trade_id), _)| *trade_id).max().unwrap_or(0)
            }
        }
    }

    /// Trades with numbers of `from_id..=to_id` that are known at `now_us`, in order.
    pub(super) fn numbered(
        &self,
        venue: Venue,
        asset: Asset,
        (from_id, to_id): (i64, i64),
        now_us: i64,
    ) -> Vec<VenueTrade> {
        if from_id > to_id {
            return Vec::new();
        }
        match self {
            Self::Generated(market) => {
                let to_id = to_id.min(market.last_id(venue, asset, now_us));
                let numbers = from_id.max(1)..=to_id;
                numbers
                    .filter_map(|trade_id| market.trade(venue, asset, trade_id))
                    .collect()
            }
            Self::Recorded(recording) => {
                let own = recording.trades.range((asset, from_id)..=(asset, to_id));
                let known = own.filter(|(_, (play_us, _))| *play_us <= now_us);
                known.map(|(_, (_, trade))| trade.clone()).collect()
            }
        }
    }

    /// Trades that happen in `[from_us, to_us)` and are known at `now_us`, in order, at most
    /// `limit`.
    pub(super) fn happened(
        &self,
        venue: Venue,
        asset: Asset,
        (from_us, to_us): (i64, i64),
        now_us: i64,
        limit: usize,
    ) -> Vec<VenueTrade> {
        match self {
            Self::Generated(market) => {
                let first = market.last_id(venue, asset, from_us - 1) + 1;
                let last = market.last_id(venue, asset, now_us.min(to_us - 1));
                let numbers = (first..=last).take(limit);
                numbers
                    .filter_map(|trade_id| market.trade(venue, asset, trade_id))
                    .collect()
            }
            Self::Recorded(recording) => {
                let own = recording.trades.range((asset, 0)..=(asset, i64::MAX));
                let known = own.filter(|(_, (play_us, trade))| {
                    *play_us <= now_us && (from_us..to_us).contains(&trade.venue_time_us)
                });
                known
                    .map(|(_, (_, trade))| trade.clone())
                    .take(limit)
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_played_word_for_word_and_has_a_history() {
        let frame = |id: i64| {
            format!(
                r#"{{"e":"trade","E":1,"s":"BTCUSDT","t":{id},"p":"0.001","q":"1","T":1672515782136}}"#
            )
        };
        let line = |at: i64, frame: &str| {
            serde_json::json!({"receive_time_us": at, "frame": frame}).to_string()
        };
        let lines = [
            line(10, &frame(7)),
            line(12, "garbage"),
            line(20, &frame(8)),
        ];
        let read = Recording::parse(Venue::Binance, &lines.join("\n"), 1_000).expect("reads");
        let all: Vec<&str> = read.between(999, 1_002).collect();
        assert_eq!(all, [frame(7).as_str(), "garbage"]);
        assert_eq!(read.between(1_002, 1_010).count(), 1);
        let source = Source::Recorded(read);
        assert_eq!(source.last_id(Venue::Binance, Asset::Btc, 1_009), 7);
        assert_eq!(source.last_id(Venue::Binance, Asset::Btc, 1_010), 8);
        assert_eq!(source.last_id(Venue::Binance, Asset::Eth, 1_010), 0);
        let both = source.numbered(Venue::Binance, Asset::Btc, (1, 99), 1_010);
        assert_eq!(both.len(), 2);
        let backwards = [line(10, "a"), line(9, "b")].join("\n");
        assert!(Recording::parse(Venue::Binance, &backwards, 0).is_err());
        assert!(Recording::parse(Venue::Binance, "", 0).is_err());
    }
}
