//! The generated market: what is traded where, at which moment, at which price.
//!
//! Owns the truth. Everything is a function of the seed: every venue, its history and the outcome
//! of any round can be computed by whoever has the seed. Must never know what is sent.

use std::ops::Range;

use datasets::Asset;
use datasets::candle::BAR_US;
use domain::timestamp::SECOND_US;
use domain::{OutcomeRule, Price, Quantity, Venue};
use server::prices::evidence::{Record, Trade};
use server::prices::feeds::message::{VenueCandle, VenueTrade};

use super::noise::{hash, signed, walk_ppb, wave};

/// Before 2020 nothing was traded here.
const FIRST_US: i64 = 1_577_836_800 * SECOND_US;
const BILLION: i64 = 1_000_000_000;
/// How far a single trade is from its venue's price, parts per billion.
const SPREAD_PPB: i64 = 15_000;
/// How far the basis of a venue wanders within hours, parts per billion.
const BASIS_DRIFT_PPB: i64 = 200_000;
const BASIS_CELL_US: i64 = 3_600 * SECOND_US;
/// Trades of so long after a boundary are evidence: one of them is the witness.
const AFTER_US: i64 = 30 * SECOND_US;
/// How long before a boundary a trade may be a sample, generously.
const BEFORE_US: i64 = 60 * SECOND_US;

/// A seed and all that follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Market {
    seed: u64,
}

/// How a venue trades.
struct Traits {
    /// So many trades in each slot, at least one.
    trades_per_slot: i64,
    slot_us: i64,
    /// Its clock's finest step.
    time_step_us: i64,
    /// Its price level, parts per billion from the market's.
    basis_ppb: i64,
    /// Its quantities are multiples of this, 1e-8.
    quantity_step: i64,
}

fn traits(venue: Venue) -> Traits {
    let (trades_per_slot, slot_us, time_step_us, basis_ppb, quantity_step) = match venue {
        // Quoted in USDT, which is worth a little less than a dollar.
        Venue::Binance => (3, SECOND_US, 1_000, 800_000, 1_000),
        Venue::Coinbase => (2, SECOND_US, 1, 0, 1),
        Venue::Kraken => (2, 3 * SECOND_US, 1, -90_000, 1),
    };
    Traits {
        trades_per_slot,
        slot_us,
        time_step_us,
        basis_ppb,
        quantity_step,
    }
}

/// The smallest step of a price, 1e-8.
fn tick_units(venue: Venue, asset: Asset) -> i64 {
    match (venue, asset) {
        (Venue::Kraken, Asset::Btc) => 10_000_000,
        _ => 1_000_000,
    }
}

/// A venue's own name of a market, as its stream writes it.
#[must_use]
pub fn symbol(venue: Venue, asset: Asset) -> &'static str {
    match (venue, asset) {
        (Venue::Binance, Asset::Btc) => "BTCUSDT",
        (Venue::Binance, Asset::Eth) => "ETHUSDT",
        (Venue::Coinbase, Asset::Btc) => "BTC-USD",
        (Venue::Coinbase, Asset::Eth) => "ETH-USD",
        (Venue::Kraken, Asset::Btc) => "BTC/USD",
        (Venue::Kraken, Asset::Eth) => "ETH/USD",
    }
}

/// The asset of a venue's market name; none when it has no such market.
#[must_use]
pub fn asset_of(venue: Venue, name: &str) -> Option<Asset> {
    let mut assets = Asset::ALL.into_iter();
    assets.find(|asset| symbol(venue, *asset).eq_ignore_ascii_case(name))
}

impl Market {
    /// The market of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    fn hash(self, venue: Venue, asset: Asset, place: &[u64]) -> u64 {
        let market = hash(self.seed, &[1 + venue as u64, 1 + asset as u64]);
        hash(market, place)
    }

    /// The number of the last trade until `t_us`; 0 when there is none. Numbers start at 1 and
    /// have no holes.
    #[must_use]
    pub fn last_id(self, venue: Venue, asset: Asset, t_us: i64) -> i64 {
        let traits = traits(venue);
        let slot = (t_us - FIRST_US).div_euclid(traits.slot_us);
        if slot < 0 {
            return 0;
        }
        let times = self.slot_times(venue, asset, slot);
        let done = times.iter().filter(|time| **time <= t_us).count();
        slot * traits.trades_per_slot + i64::try_from(done).unwrap_or(0)
    }

    /// When the trades of a slot happen, rising.
    fn slot_times(self, venue: Venue, asset: Asset, slot: i64) -> Vec<i64> {
        let traits = traits(venue);
        let start_us = FIRST_US + slot * traits.slot_us;
        let drawn = |number: i64| {
            let place = [slot.unsigned_abs(), number.unsigned_abs()];
            let offset = self.hash(venue, asset, &place) % traits.slot_us.unsigned_abs();
            let offset = i64::try_from(offset).unwrap_or(0);
            start_us + offset - offset % traits.time_step_us
        };
        // Now and then one order takes several others: trades of one moment.
        let is_sweep = self
            .hash(venue, asset, &[slot.unsigned_abs()])
            .is_multiple_of(5);
        let one = |number: i64| drawn(if is_sweep { 0 } else { number });
        let mut times: Vec<i64> = (0..traits.trades_per_slot).map(one).collect();
        times.sort_unstable();
        times
    }

    /// A trade by its number; none when it is below 1.
    #[must_use]
    pub fn trade(self, venue: Venue, asset: Asset, trade_id: i64) -> Option<VenueTrade> {
        let traits = traits(venue);
        let from_zero = trade_id.checked_sub(1).filter(|number| *number >= 0)?;
        let slot = from_zero / traits.trades_per_slot;
        let place = usize::try_from(from_zero % traits.trades_per_slot).ok()?;
        let venue_time_us = *self.slot_times(venue, asset, slot).get(place)?;
        let noise = self.hash(venue, asset, &[trade_id.unsigned_abs(), 0, 1]);
        let amount = self.hash(venue, asset, &[trade_id.unsigned_abs(), 0, 2]);
        // Small amounts are frequent, large ones rare.
        let largest = 200_000_000_u64 >> (amount >> 60);
        let units = i64::try_from(amount % largest).ok()? + traits.quantity_step;
        Some(VenueTrade {
            symbol: symbol(venue, asset).to_owned(),
            trade_id,
            price: self.price(venue, asset, venue_time_us, signed(noise, SPREAD_PPB))?,
            quantity: Quantity::from_units(units - units % traits.quantity_step).ok()?,
            venue_time_us,
        })
    }

    fn price(self, venue: Venue, asset: Asset, t_us: i64, noise_ppb: i64) -> Option<Price> {
        let level: i64 = match asset {
            Asset::Btc => 6_400_000_000_000,
            Asset::Eth => 320_000_000_000,
        };
        let drift_seed = self.hash(venue, asset, &[0, 0, 3]);
        let drift = wave(drift_seed, t_us, BASIS_CELL_US, BASIS_DRIFT_PPB);
        let walk = walk_ppb(hash(self.seed, &[1 + asset as u64]), t_us);
        let own = traits(venue).basis_ppb + drift + noise_ppb;
        let billion = i128::from(BILLION);
        let units = i128::from(level) * (billion + i128::from(walk)) / billion
            * (billion + i128::from(own))
            / billion;
        let tick = i128::from(tick_units(venue, asset));
        let on_tick = (units + tick / 2) / tick * tick;
        Price::from_units(i64::try_from(on_tick).ok()?).ok()
    }

    /// The trades of a venue that happen in `[from_us, to_us)`, in order.
    #[must_use]
    pub fn trades(self, venue: Venue, asset: Asset, from_us: i64, to_us: i64) -> Vec<VenueTrade> {
        let first = self.last_id(venue, asset, from_us - 1) + 1;
        let last = self.last_id(venue, asset, to_us - 1);
        let numbers = first..=last;
        numbers
            .filter_map(|trade_id| self.trade(venue, asset, trade_id))
            .collect()
    }

    /// The five-minute bar of a venue's trades that opens at `open_time_us`; none without a trade.
    #[must_use]
    pub fn candle(self, venue: Venue, asset: Asset, open_time_us: i64) -> Option<VenueCandle> {
        let trades = self.trades(venue, asset, open_time_us, open_time_us + BAR_US);
        bar(open_time_us, &trades)
    }

    /// The record of a round over `[t0_us, t1_us)` if every venue were honest and each trade were
    /// received `latency_us` after it happened. `rule::decide` tells the true outcome from it.
    #[must_use]
    pub fn expected_evidence(
        self,
        asset: Asset,
        rule: &OutcomeRule,
        (t0_us, t1_us): (i64, i64),
        latency_us: i64,
    ) -> Record {
        let around = |t_us: i64| t_us - BEFORE_US..t_us + AFTER_US;
        let mut trades = Vec::new();
        for venue in Venue::ALL {
            for Range { start, end } in [around(t0_us), around(t1_us)] {
                let heard = self.trades(venue, asset, start, end).into_iter();
                trades.extend(heard.map(|trade| Trade {
                    venue: venue.into(),
                    trade_id: trade.trade_id,
                    price: trade.price,
                    venue_time_us: trade.venue_time_us,
                    receive_time_us: trade.venue_time_us + latency_us,
                }));
            }
        }
        Record::new(rule, (t0_us, t1_us), trades, Vec::new())
    }
}

/// The bar of trades in order; none without a trade.
#[must_use]
pub fn bar(open_time_us: i64, trades: &[VenueTrade]) -> Option<VenueCandle> {
    let (first, last) = (trades.first()?, trades.last()?);
    let volume: i64 = trades.iter().map(|trade| trade.quantity.units()).sum();
    Some(VenueCandle {
        open_time_us,
        open: first.price,
        high: trades.iter().map(|trade| trade.price).max()?,
        low: trades.iter().map(|trade| trade.price).min()?,
        close: last.price,
        volume: Quantity::from_units(volume).ok()?,
    })
}
