//! What a venue's REST interface knows of its past, as its conduct lets it say it.

use datasets::Asset;
use datasets::candle::BAR_US;
use domain::Venue;
use server::prices::feeds::message::{VenueCandle, VenueTrade};

use super::market::bar;
use super::misbehaviour::Conduct;
use super::source::Source;
use crate::dice::mix;

/// One venue's past at one moment.
pub(super) struct History<'a> {
    pub venue: Venue,
    pub source: &'a Source,
    pub conduct: &'a Conduct,
    /// By the true clock.
    pub now_us: i64,
}

/// When a trade happened in nanoseconds: its microsecond and a digit that streams cut off.
pub(super) fn time_ns(trade: &VenueTrade) -> i64 {
    let tenths = mix(trade.trade_id.unsigned_abs()) % 10;
    let digit = i64::try_from(tenths).unwrap_or(0);
    trade
        .venue_time_us
        .saturating_mul(1_000)
        .saturating_add(digit * 100)
}

impl History<'_> {
    /// The venue's clock, wrong when it is told to be.
    pub(super) fn clock_us(&self) -> i64 {
        self.now_us + self.conduct.clock_off_us
    }

    fn stated(&self, trades: Vec<VenueTrade>) -> Vec<VenueTrade> {
        let stated = trades.into_iter().map(|trade| self.conduct.stated(trade));
        stated.collect()
    }

    /// The oldest trades with numbers from `from_id` on.
    pub(super) fn starting_at(&self, asset: Asset, from_id: i64, limit: usize) -> Vec<VenueTrade> {
        let first = from_id.max(1);
        let count = i64::try_from(limit).unwrap_or(i64::MAX);
        let numbers = (first, first.saturating_add(count - 1));
        self.stated(
            self.source
                .numbered(self.venue, asset, numbers, self.now_us),
        )
    }

    /// The newest trades with numbers below `before_id`, oldest first.
    pub(super) fn before_id(&self, asset: Asset, before_id: i64, limit: usize) -> Vec<VenueTrade> {
        let newest = self.source.last_id(self.venue, asset, self.now_us);
        let last = newest.min(before_id.saturating_sub(1));
        let count = i64::try_from(limit).unwrap_or(i64::MAX);
        let numbers = (last.saturating_sub(count - 1), last);
        self.stated(
            self.source
                .numbered(self.venue, asset, numbers, self.now_us),
        )
    }

    /// The oldest trades after a moment in nanoseconds of the venue's clock.
    pub(super) fn since(&self, asset: Asset, since_ns: i64, limit: usize) -> Vec<VenueTrade> {
        let from_us = since_ns / 1_000 - self.conduct.clock_off_us;
        let times = (from_us, i64::MAX);
        // Trades of the named microsecond may lie before the named nanosecond.
        let trades = self
            .source
            .happened(self.venue, asset, times, self.now_us, limit + 100);
        let later = |trade: &VenueTrade| time_ns(trade) > since_ns;
        let stated = self.stated(trades).into_iter().filter(later);
        stated.take(limit).collect()
    }

    /// The oldest bars that open in `[from_us, last_us]`, the open one too.
    pub(super) fn bars(
        &self,
        asset: Asset,
        from_us: i64,
        last_us: i64,
        limit: usize,
    ) -> Vec<VenueCandle> {
        let first = from_us.saturating_add(BAR_US - 1).div_euclid(BAR_US);
        let last = last_us.min(self.now_us).div_euclid(BAR_US);
        let opens = (first..=last).map(|number| number * BAR_US);
        opens
            .filter_map(|open_us| self.bar(asset, open_us))
            .take(limit)
            .collect()
    }

    /// The newest bars that open at `from_us` or later.
    pub(super) fn newest_bars(&self, asset: Asset, from_us: i64, limit: usize) -> Vec<VenueCandle> {
        let span = i64::try_from(limit).unwrap_or(0).saturating_sub(1) * BAR_US;
        let newest = self.now_us.div_euclid(BAR_US) * BAR_US;
        self.bars(asset, from_us.max(newest - span), i64::MAX, limit)
    }

    fn bar(&self, asset: Asset, open_us: i64) -> Option<VenueCandle> {
        let times = (open_us, open_us + BAR_US);
        let trades = self
            .source
            .happened(self.venue, asset, times, self.now_us, usize::MAX);
        let bar = bar(open_us, &trades)?;
        Some(VenueCandle {
            open: self.conduct.shifted(bar.open),
            high: self.conduct.shifted(bar.high),
            low: self.conduct.shifted(bar.low),
            close: self.conduct.shifted(bar.close),
            ..bar
        })
    }
}
