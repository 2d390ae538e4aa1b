//! What a fake venue can be told to do wrong, and what that does to what it says.
//!
//! Must never change the market: only what is sent of it.

use std::collections::{BTreeMap, BTreeSet};

use datasets::Asset;
use domain::Price;
use domain::timestamp::SECOND_US;
use serde::{Deserialize, Serialize};
use server::prices::feeds::message::VenueTrade;

/// A command to one venue; JSON `{"kind": "late", "seconds": 30}`. Those that last do so until
/// `honest`, and several may be on at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Misbehaviour {
    /// Drops every connection without a word, once.
    Disconnect,
    /// Takes no connection, for streams and REST, so many seconds by its clock.
    RefuseConnections {
        /// How long.
        seconds: i64,
    },
    /// Sends no trades; acknowledgements, heartbeats and REST go on.
    Mute,
    /// Sends no trades of one market.
    MuteOne {
        /// Which.
        asset: Asset,
    },
    /// Sends so many of a hundred frames twice.
    Duplicate {
        /// How many.
        percent: u8,
    },
    /// Sends so many of a hundred frames up to two seconds after those that follow them.
    Reorder {
        /// How many.
        percent: u8,
    },
    /// Sends every trade so much later.
    Late {
        /// How much.
        seconds: i64,
    },
    /// Sends the next trade of a market at a price so far off, once.
    Print {
        /// Which market.
        asset: Asset,
        /// Above or below zero: 20 is a fifth too high.
        percent: i64,
    },
    /// Multiplies every price by ten to this power, below zero too.
    ShiftDecimals {
        /// How many places.
        places: i32,
    },
    /// Its clock, and every time that it states, is so far ahead.
    ClockOff {
        /// How far; below zero: behind.
        seconds: i64,
    },
    /// Ends every connection the way venues do once a day, once.
    Cut24h,
    /// Sends, once, frames that are no JSON, another JSON, and cut in the middle.
    Garbage,
    /// Sends, once, a frame of two MiB.
    HugeFrame,
    /// Answers every REST request with this status.
    RestFails {
        /// 500, 429, …
        status: u16,
    },
    /// Answers REST so many seconds later, on the wall.
    RestSlow {
        /// How many.
        seconds: u64,
    },
    /// Ends all of the above.
    Honest,
}

/// What is on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conduct {
    /// No connections until then.
    pub refuse_until_us: i64,
    pub is_mute: bool,
    pub muted: BTreeSet<Asset>,
    pub duplicate_percent: u8,
    pub reorder_percent: u8,
    pub late_us: i64,
    /// Wild prints by market and trade.
    pub prints: BTreeMap<(Asset, i64), i64>,
    pub shift_places: i32,
    pub clock_off_us: i64,
    pub rest_status: Option<u16>,
    pub rest_slow_s: u64,
}

impl Conduct {
    /// Takes a command that lasts, at `now_us`; `next_id` is the number of a market's next trade.
    pub(super) fn obey(
        &mut self,
        command: Misbehaviour,
        now_us: i64,
        next_id: impl Fn(Asset) -> i64,
    ) {
        match command {
            Misbehaviour::RefuseConnections { seconds } => {
                self.refuse_until_us = now_us + seconds * SECOND_US;
            }
            Misbehaviour::Mute => self.is_mute = true,
            Misbehaviour::MuteOne { asset } => {
                self.muted.insert(asset);
            }
            Misbehaviour::Duplicate { percent } => self.duplicate_percent = percent,
            Misbehaviour::Reorder { percent } => self.reorder_percent = percent,
            Misbehaviour::Late { seconds } => self.late_us = seconds * SECOND_US,
            Misbehaviour::Print { asset, percent } => {
                self.prints.insert((asset, next_id(asset)), percent);
            }
            Misbehaviour::ShiftDecimals { places } => self.shift_places = places,
            Misbehaviour::ClockOff { seconds } => self.clock_off_us = seconds * SECOND_US,
            Misbehaviour::RestFails { status } => self.rest_status = Some(status),
            Misbehaviour::RestSlow { seconds } => self.rest_slow_s = seconds,
            Misbehaviour::Honest => *self = Self::default(),
            // These happen to connections at once and leave nothing on.
            Misbehaviour::Disconnect
            | Misbehaviour::Cut24h
            | Misbehaviour::Garbage
            | Misbehaviour::HugeFrame => {}
        }
    }

    /// Whether trades of a market are kept back.
    pub(super) fn is_muted(&self, asset: Asset) -> bool {
        self.is_mute || self.muted.contains(&asset)
    }

    /// A trade as the stream states it.
    pub(super) fn streamed(&self, asset: Asset, trade: VenueTrade) -> VenueTrade {
        let percent = self.prints.get(&(asset, trade.trade_id)).copied();
        let trade = self.stated(trade);
        VenueTrade {
            price: scaled(trade.price, 100 + percent.unwrap_or(0), 100),
            ..trade
        }
    }

    /// A trade as the history states it: a wild print was the stream's alone.
    pub(super) fn stated(&self, trade: VenueTrade) -> VenueTrade {
        VenueTrade {
            price: self.shifted(trade.price),
            venue_time_us: trade.venue_time_us + self.clock_off_us,
            ..trade
        }
    }

    /// A price with its decimals where the venue puts them.
    pub(super) fn shifted(&self, price: Price) -> Price {
        let power = 10_i64.saturating_pow(self.shift_places.unsigned_abs());
        if self.shift_places < 0 {
            scaled(price, 1, power)
        } else {
            scaled(price, power, 1)
        }
    }
}

/// A price times `times / over`, floored to 1e-8 and within what a price can be.
pub fn scaled(price: Price, times: i64, over: i64) -> Price {
    let units = i128::from(price.units()) * i128::from(times) / i128::from(over.max(1));
    let units = i64::try_from(units).unwrap_or(i64::MAX).max(1);
    Price::from_units(units).unwrap_or(price)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::venues::market::Market;
    use domain::Venue;

    #[test]
    fn commands_are_read_from_json() {
        let read = |text| serde_json::from_str::<Misbehaviour>(text).ok();
        assert_eq!(
            read(r#"{"kind":"late","seconds":30}"#),
            Some(Misbehaviour::Late { seconds: 30 })
        );
        assert_eq!(
            read(r#"{"kind":"print","asset":"eth","percent":-20}"#),
            Some(Misbehaviour::Print {
                asset: Asset::Eth,
                percent: -20
            })
        );
        assert_eq!(read(r#"{"kind":"cut24h"}"#), Some(Misbehaviour::Cut24h));
        assert_eq!(read(r#"{"kind":"nice"}"#), None);
    }

    #[test]
    fn only_the_named_trade_is_wild_and_only_in_the_stream() {
        let market = Market::new(1);
        let trade = |id| {
            market
                .trade(Venue::Kraken, Asset::Btc, id)
                .expect("a trade")
        };
        let mut conduct = Conduct::default();
        let print = Misbehaviour::Print {
            asset: Asset::Btc,
            percent: 20,
        };
        conduct.obey(print, 0, |_| 5_000);
        let wild = conduct.streamed(Asset::Btc, trade(5_000));
        assert_eq!(wild.price.units(), trade(5_000).price.units() / 100 * 120);
        assert_eq!(conduct.streamed(Asset::Btc, trade(5_001)), trade(5_001));
        assert_eq!(conduct.stated(trade(5_000)), trade(5_000));
        conduct.obey(Misbehaviour::ShiftDecimals { places: -2 }, 0, |_| 1);
        let shifted = conduct.stated(trade(5_001));
        assert_eq!(shifted.price.units(), trade(5_001).price.units() / 100);
        conduct.obey(Misbehaviour::Honest, 0, |_| 1);
        assert_eq!(conduct, Conduct::default());
    }
}
