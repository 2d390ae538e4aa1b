//! The replay feed: recorded candles played as the trades of several venues.
//!
//! Every price is one that the candle states: open, the extremes, close, then the close again each
//! second until the bar ends, so that a reference price at a bar's end is its close and outcomes
//! equal the dataset's targets. All venues come from the one recording: the second and third are
//! it times a constant, so pages must say that their agreement proves nothing. Everything is a
//! function of the candles: a restart yields the same trades with the same ids.

use std::time::Duration;

use datasets::Candle;
use datasets::candle::{BAR_US, CandleSeries};
use domain::timestamp::{SECOND_US, rfc3339};
use domain::{MarketClock, Price, Venue};

use super::super::{PriceError, Tick, latest_tick};
use super::{Batch, record};
use crate::db::Db;

/// Candles recorded before the start: a day, more than a feature row needs.
const WARM_UP_BARS: i64 = 288;
/// From a venue's trade to our receiving it.
const LATENCY_US: i64 = 80_000;
/// Seconds at a bar's end that repeat its close; more than the samples of a reference price.
const CLOSING_SECONDS: i64 = 20;
/// Room for the trade ids of one bar.
const IDS_PER_BAR: i64 = 32;
/// Recorded in one transaction when catching up.
const CATCH_UP_US: i64 = 12 * BAR_US;
/// Least wall time between two writes: at speed 60 nine market seconds.
const LEAST_PAUSE: Duration = Duration::from_millis(150);

/// Candles that play themselves.
#[derive(Clone, Debug)]
pub struct Replay {
    series: Vec<CandleSeries>,
    venues: Vec<Venue>,
}

impl Replay {
    /// Plays `series`, one per asset, as trades of `venues`.
    #[must_use]
    pub fn new(series: Vec<CandleSeries>, venues: Vec<Venue>) -> Self {
        Self { series, venues }
    }

    /// When the recording begins.
    #[must_use]
    pub fn start_us(&self) -> i64 {
        let firsts = self
            .series
            .iter()
            .filter_map(|series| series.as_slice().first());
        firsts.map(|candle| candle.open_time_us).max().unwrap_or(0)
    }

    /// The latest end of a round that can resolve: one bar before the recording ends, since the
    /// bar after a round holds its witnesses.
    #[must_use]
    pub fn end_us(&self) -> i64 {
        self.last_us().saturating_sub(BAR_US)
    }

    /// When the recording ends.
    fn last_us(&self) -> i64 {
        let lasts = self
            .series
            .iter()
            .filter_map(|series| series.as_slice().last());
        lasts.map(Candle::close_time_us).min().unwrap_or(0)
    }

    /// What becomes known in `(from_us, to_us]`: trades received and candles closed.
    #[must_use]
    pub fn between(&self, from_us: i64, to_us: i64) -> Batch {
        let mut batch = Batch::default();
        for series in &self.series {
            let asset = series.asset().name();
            // A trade is received in its own bar or, late, in the next.
            for candle in bars_touching(series, from_us.saturating_sub(BAR_US), to_us) {
                for venue in &self.venues {
                    let ticks = bar_ticks(asset, *venue, candle).into_iter();
                    batch.ticks.extend(
                        ticks.filter(|t| t.receive_time_us > from_us && t.receive_time_us <= to_us),
                    );
                }
                if candle.close_time_us() > from_us && candle.close_time_us() <= to_us {
                    batch.candles.push((asset.to_owned(), *candle));
                }
            }
        }
        batch
    }

    /// The closed candles that a start at `now_us` has to know already.
    fn history(&self, now_us: i64) -> Batch {
        let from_us = now_us.saturating_sub(WARM_UP_BARS * BAR_US);
        let known = |series: &CandleSeries| {
            let closed = series.closed_by(now_us).to_vec();
            let asset = series.asset().name().to_owned();
            let recent = closed
                .into_iter()
                .filter(move |candle| candle.open_time_us >= from_us);
            recent
                .map(|candle| (asset.clone(), candle))
                .collect::<Vec<_>>()
        };
        Batch {
            ticks: Vec::new(),
            candles: self.series.iter().flat_map(known).collect(),
        }
    }
}

fn bars_touching(series: &CandleSeries, from_us: i64, to_us: i64) -> &[Candle] {
    let candles = series.as_slice();
    let first = candles.partition_point(|candle| candle.close_time_us() <= from_us);
    let end = candles.partition_point(|candle| candle.open_time_us <= to_us);
    candles.get(first..end).unwrap_or_default()
}

/// The trades of one bar at one venue, in order.
fn bar_ticks(asset: &str, venue: Venue, candle: &Candle) -> Vec<Tick> {
    let (offset_us, basis_e4) = venue_traits(venue);
    // A rising bar is taken to have dipped first, a falling one to have peaked first.
    let (first, second) = if candle.close >= candle.open {
        (candle.low, candle.high)
    } else {
        (candle.high, candle.low)
    };
    let closing = (0..CLOSING_SECONDS).map(|second| (280 + second, candle.close));
    let path = [
        (0, candle.open),
        (70, first),
        (140, second),
        (210, candle.close),
    ];
    let first_id = candle.open_time_us.div_euclid(BAR_US) * IDS_PER_BAR;
    let ticks = path.into_iter().chain(closing).zip(first_id..);
    ticks
        .map(|((second, price), trade_id)| {
            let venue_time_us = candle.open_time_us + second * SECOND_US + offset_us;
            Tick {
                asset: asset.to_owned(),
                venue,
                trade_id,
                price: at_basis(price, basis_e4),
                venue_time_us,
                receive_time_us: venue_time_us + LATENCY_US,
                quantity: domain::Quantity::ZERO,
            }
        })
        .collect()
}

/// When in a second a venue trades, and its constant price level in 1e-4 of the recording's.
fn venue_traits(venue: Venue) -> (i64, i64) {
    match venue {
        Venue::Binance => (100_000, 10_000),
        Venue::Coinbase => (250_000, 10_002),
        Venue::Kraken => (400_000, 9_997),
    }
}

/// The price at a venue's level, floored to 1e-8: far finer than any move that counts.
fn at_basis(price: Price, basis_e4: i64) -> Price {
    let units = i128::from(price.units()) * i128::from(basis_e4) / 10_000;
    i64::try_from(units)
        .ok()
        .and_then(|units| Price::from_units(units).ok())
        .unwrap_or(price)
}

/// Records everything until `now_us` that is not there yet: history before the first start, and
/// whatever passed while the process was down. Call it before anything that reads prices starts.
///
/// # Errors
/// Database errors.
pub async fn catch_up(db: &Db, replay: &Replay, now_us: i64) -> Result<(), PriceError> {
    record(db, &replay.history(now_us)).await?;
    let mut from_us = resume_us(db, replay, now_us).await?;
    let to_us = now_us.min(replay.last_us());
    while from_us < to_us {
        let next_us = to_us.min(from_us.saturating_add(CATCH_UP_US));
        record(db, &replay.between(from_us, next_us)).await?;
        from_us = next_us;
    }
    Ok(())
}

/// From where to go on: a bar before the oldest of the assets' latest trades, so that nothing is
/// missing; what is recorded twice is ignored.
async fn resume_us(db: &Db, replay: &Replay, now_us: i64) -> Result<i64, PriceError> {
    let mut conn = db.read().await?;
    // A first start knows the trades of two bars: those that a round about to lock needs.
    let fresh_us = now_us.saturating_sub(2 * BAR_US);
    let mut resume_us = fresh_us;
    for series in &replay.series {
        let latest = latest_tick(&mut conn, series.asset().name(), now_us).await?;
        let after_us = latest.map_or(fresh_us, |tick| tick.venue_time_us.saturating_sub(BAR_US));
        resume_us = resume_us.min(after_us);
    }
    Ok(resume_us)
}

/// Catches up, then records as the market clock passes, until it shows `until_us` or the recording
/// ends. Dropping the future at any point loses nothing: the next run goes on from what is stored.
///
/// # Errors
/// Database errors while catching up. Later ones are logged and the same span is tried again.
pub async fn run(
    db: &Db,
    market: &MarketClock,
    replay: &Replay,
    until_us: i64,
) -> Result<(), PriceError> {
    let mut recorded_us = market.now_us();
    catch_up(db, replay, recorded_us).await?;
    let end_us = replay.last_us();
    let stop_us = until_us.min(end_us);
    while recorded_us < stop_us {
        let pause = market
            .wall_until(recorded_us.saturating_add(SECOND_US))
            .max(LEAST_PAUSE);
        crate::wall::pause(pause).await;
        let now_us = market.now_us().min(stop_us);
        match record(db, &replay.between(recorded_us, now_us)).await {
            Ok(()) => recorded_us = recorded_us.max(now_us),
            Err(error) => tracing::warn!(%error, "replay: prices not recorded, trying again"),
        }
    }
    if stop_us == end_us {
        tracing::info!(
            end = rfc3339(end_us),
            "replay: the recording has ended, no more prices"
        );
    }
    Ok(())
}
