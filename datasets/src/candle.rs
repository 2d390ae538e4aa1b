//! Five-minute candles and ordered series of them.
//!
//! Owns the rules of a valid candle and of a valid order. Must never fill a gap: a missing bar stays
//! missing, and whoever needs it is told which one it is.

use std::fmt;

use domain::Price;
use serde::{Deserialize, Serialize};

use crate::error::DatasetError;

/// Length of a candle and of a round: 300 s in microseconds.
pub const BAR_US: i64 = 300_000_000;

/// The assets that have bundled candles and a `direction` tournament.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asset {
    /// Bitcoin.
    Btc,
    /// Ether.
    Eth,
}

impl Asset {
    /// Both assets, in the order of every file and table.
    pub const ALL: [Self; 2] = [Self::Btc, Self::Eth];

    /// Lower-case name as in ids, columns and folders.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Btc => "btc",
            Self::Eth => "eth",
        }
    }

    /// The asset whose candles a row also sees.
    pub const fn other(self) -> Self {
        match self {
            Self::Btc => Self::Eth,
            Self::Eth => Self::Btc,
        }
    }
}

impl fmt::Display for Asset {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// One five-minute bar `[open_time, open_time + 300 s)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Candle {
    /// When the bar opens, microseconds UTC, a multiple of [`BAR_US`].
    pub open_time_us: i64,
    /// First trade.
    pub open: Price,
    /// Highest trade.
    pub high: Price,
    /// Lowest trade.
    pub low: Price,
    /// Last trade.
    pub close: Price,
    /// Traded amount in the base asset, at least 0.
    pub volume: f64,
}

impl Candle {
    /// When the bar is complete, microseconds UTC.
    pub const fn close_time_us(&self) -> i64 {
        self.open_time_us + BAR_US
    }

    /// The first rule that the candle breaks.
    fn fault(&self) -> Option<&'static str> {
        if self.open_time_us.rem_euclid(BAR_US) != 0 {
            return Some("it does not open on the five-minute grid");
        }
        let (lower, upper) = (self.open.min(self.close), self.open.max(self.close));
        if self.low > lower || self.high < upper {
            return Some("its open and close do not lie between its low and high");
        }
        if !(self.volume.is_finite() && self.volume >= 0.0) {
            return Some("its volume is no number of at least 0");
        }
        None
    }
}

/// Valid candles of one asset in strictly rising order; bars may be missing.
#[derive(Debug, Clone, PartialEq)]
pub struct CandleSeries {
    asset: Asset,
    candles: Vec<Candle>,
}

impl CandleSeries {
    /// Checks every candle and the order.
    ///
    /// # Errors
    /// [`DatasetError::Candle`] names the first candle that breaks a rule.
    pub fn new(asset: Asset, candles: Vec<Candle>) -> Result<Self, DatasetError> {
        let mut last_open_us = None;
        for candle in &candles {
            let late = last_open_us.is_some_and(|last| candle.open_time_us <= last);
            let order = late.then_some("it does not open after the one before it");
            if let Some(reason) = candle.fault().or(order) {
                return Err(DatasetError::Candle {
                    asset,
                    open_time_us: candle.open_time_us,
                    reason,
                });
            }
            last_open_us = Some(candle.open_time_us);
        }
        Ok(Self { asset, candles })
    }

    /// Whose candles these are.
    pub const fn asset(&self) -> Asset {
        self.asset
    }

    /// All candles, oldest first.
    pub fn as_slice(&self) -> &[Candle] {
        &self.candles
    }

    /// The candles that are complete at `instant_us`: what a live feed could know then.
    pub fn closed_by(&self, instant_us: i64) -> &[Candle] {
        let known = self
            .candles
            .partition_point(|candle| candle.close_time_us() <= instant_us);
        self.candles.split_at(known).0
    }

    /// The candle that opens at `open_time_us`.
    pub fn at(&self, open_time_us: i64) -> Option<&Candle> {
        find(&self.candles, open_time_us)
    }
}

/// The candle that opens at `open_time_us` in rising `candles`.
pub(crate) fn find(candles: &[Candle], open_time_us: i64) -> Option<&Candle> {
    let index = candles
        .binary_search_by_key(&open_time_us, |candle| candle.open_time_us)
        .ok()?;
    candles.get(index)
}

/// The candles of both assets over the same days.
#[derive(Debug, Clone, PartialEq)]
pub struct CandleHistory {
    /// Bitcoin.
    pub btc: CandleSeries,
    /// Ether.
    pub eth: CandleSeries,
}

impl CandleHistory {
    /// The series of one asset.
    pub const fn of(&self, asset: Asset) -> &CandleSeries {
        match asset {
            Asset::Btc => &self.btc,
            Asset::Eth => &self.eth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(units: i64) -> Price {
        Price::from_units(units).unwrap()
    }

    fn candle(open_time_us: i64) -> Candle {
        Candle {
            open_time_us,
            open: price(100),
            high: price(120),
            low: price(90),
            close: price(110),
            volume: 1.0,
        }
    }

    #[test]
    fn a_series_keeps_gaps_and_refuses_disorder() {
        let series = CandleSeries::new(Asset::Btc, vec![candle(0), candle(2 * BAR_US)]).unwrap();
        assert!(series.at(BAR_US).is_none());
        assert_eq!(series.closed_by(BAR_US), [candle(0)]);
        assert!(series.closed_by(BAR_US - 1).is_empty());
        for order in [[BAR_US, BAR_US], [BAR_US, 0]] {
            let candles = order.map(candle).to_vec();
            assert!(CandleSeries::new(Asset::Btc, candles).is_err());
        }
    }

    #[test]
    fn impossible_candles_are_refused() {
        let spoil: [fn(&mut Candle); 5] = [
            |candle| candle.open_time_us = 1,
            |candle| candle.high = price(109),
            |candle| candle.low = price(101),
            |candle| candle.volume = -1.0,
            |candle| candle.volume = f64::NAN,
        ];
        for change in spoil {
            let mut bad = candle(0);
            change(&mut bad);
            assert!(
                CandleSeries::new(Asset::Eth, vec![bad]).is_err(),
                "{bad:?} was accepted"
            );
        }
    }
}
