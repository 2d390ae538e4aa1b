//! Writes what the venues say: trades, the connection log, raw frames. One task for all venues, so
//! that trades and gaps of a moment are written in one transaction.
//!
//! Must never lose a trade because the database was away: a batch is tried until it is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{MarketClock, Venue};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::board::{Board, VenueStatus};
use super::clocks::Lags;
use super::continuity::Known;
use super::market::{Market, Need};
use super::raw::RawFrames;
use super::refill;
use super::venue::Followed;
use crate::db::Db;
use crate::prices::connection_log::{Gap, Measured};
use crate::prices::feeds::message::VenueTrade;
use crate::prices::{PriceError, Tick, insert_ticks, log_clock, log_gap};
use crate::wall::pause;

/// Between two writes.
const WRITE_EVERY: Duration = Duration::from_millis(200);
/// After a write that failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);
/// Events of one transaction at most.
const MOST_EVENTS: usize = 5_000;
/// An event stamped so long before a drain is in it.
const IN_FLIGHT: Duration = Duration::from_millis(300);

/// What the keeper is told.
#[derive(Debug)]
pub(super) enum Event {
    /// A frame, with the trades in it.
    Heard {
        venue: Venue,
        receive_time_us: i64,
        frame: String,
        trades: Vec<VenueTrade>,
    },
    /// A connection has ended.
    Down {
        venue: Venue,
        at_us: i64,
        reason: String,
    },
    /// What a back-fill brought of one market after a known trade.
    Refilled {
        venue: Venue,
        asset: String,
        before: Known,
        trades: Vec<VenueTrade>,
        is_complete: bool,
    },
}

/// What one write holds.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) ticks: Vec<Tick>,
    pub(super) gaps: Vec<Gap>,
    clocks: Vec<Measured>,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.ticks.is_empty() && self.gaps.is_empty() && self.clocks.is_empty()
    }
}

/// The keeper's parts.
pub(super) struct Keeper {
    pub(super) db: Db,
    pub(super) clock: MarketClock,
    pub(super) board: Arc<Board>,
    pub(super) followed: BTreeMap<Venue, Followed>,
    pub(super) markets: BTreeMap<(Venue, String), Market>,
    pub(super) lags: Lags,
    pub(super) raw: RawFrames,
    pub(super) sender: mpsc::Sender<Event>,
    pub(super) stop: CancellationToken,
}

impl Keeper {
    /// Keeps until `stop`, then writes what it has.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Event>, mut pending: Pending) {
        let mut heard = Vec::new();
        while !self.stop.is_cancelled() {
            tokio::select! {
                () = pause(WRITE_EVERY) => {}
                () = self.stop.cancelled() => {}
            }
            let drained_us = self.clock.now_us();
            while heard.len() < MOST_EVENTS
                && let Ok(event) = events.try_recv()
            {
                heard.push(event);
            }
            let is_drained = heard.len() < MOST_EVENTS;
            for event in heard.drain(..) {
                self.take(event, &mut pending);
            }
            pending.clocks = self.lags.measure(self.clock.now_us(), &self.board);
            self.write(&mut pending).await;
            self.show();
            if is_drained {
                let in_flight_us = self.clock.market_us(IN_FLIGHT);
                self.board.recorded_through(drained_us - in_flight_us);
            }
        }
        self.raw.flush();
    }

    fn take(&mut self, event: Event, pending: &mut Pending) {
        match event {
            Event::Heard {
                venue,
                receive_time_us,
                frame,
                trades,
            } => {
                self.raw.keep(venue, receive_time_us, &frame);
                for trade in &trades {
                    self.take_trade(venue, receive_time_us, trade, pending);
                }
            }
            Event::Down {
                venue,
                at_us,
                reason,
            } => {
                self.lags.restart(venue);
                for (_, market) in self.markets.iter_mut().filter(|((v, _), _)| *v == venue) {
                    market.down(at_us, &reason, pending);
                }
            }
            Event::Refilled {
                venue,
                asset,
                before,
                trades,
                is_complete,
            } => {
                let now_us = self.clock.now_us();
                let Some(market) = self.markets.get_mut(&(venue, asset)) else {
                    return;
                };
                market.refill(now_us, &trades, pending);
                if is_complete {
                    market.told_everything(now_us, before, pending);
                }
            }
        }
    }

    fn take_trade(
        &mut self,
        venue: Venue,
        receive_time_us: i64,
        trade: &VenueTrade,
        pending: &mut Pending,
    ) {
        let mut markets = self.markets.iter_mut().filter(|((v, _), _)| *v == venue);
        let Some((_, market)) = markets.find(|(_, market)| market.symbol == trade.symbol) else {
            return;
        };
        let need = market.saw(receive_time_us, trade, pending);
        let up_us = self.board.read(venue, VenueStatus::up_since_us).flatten();
        if let Some(since_us) = up_us.filter(|_| need.is_fresh()) {
            let times = (receive_time_us, trade.venue_time_us);
            self.lags.add(venue, since_us, times);
        }
        if let Need::Refill { before, is_urgent } = need
            && let Some(followed) = self.followed.get(&venue)
        {
            let wanted = refill::Wanted {
                followed: followed.clone(),
                asset: market.asset.clone(),
                symbol: market.symbol.clone(),
                before,
                is_urgent,
            };
            refill::start(wanted, self.sender.clone(), self.stop.clone());
        }
    }

    /// Writes until it is written or the process ends.
    async fn write(&mut self, pending: &mut Pending) {
        self.raw.flush_when_due(self.clock.now_us());
        while !pending.is_empty() {
            match record(&self.db, pending).await {
                Ok(()) => *pending = Pending::default(),
                Err(error) => {
                    tracing::error!(%error, trades = pending.ticks.len(), "trades not written, trying again");
                    tokio::select! {
                        () = pause(AFTER_FAILURE) => {}
                        () = self.stop.cancelled() => return,
                    }
                }
            }
        }
    }

    fn show(&self) {
        for ((venue, asset), market) in &self.markets {
            self.board.update(*venue, |status| {
                if let Some(shown) = status.markets.get_mut(asset) {
                    market.show(shown);
                }
            });
        }
    }
}

async fn record(db: &Db, pending: &Pending) -> Result<(), PriceError> {
    let mut tx = db.begin().await?;
    insert_ticks(&mut tx, &pending.ticks).await?;
    for gap in &pending.gaps {
        log_gap(&mut tx, gap).await?;
    }
    for measured in &pending.clocks {
        log_clock(&mut tx, measured).await?;
    }
    Ok(tx.commit().await?)
}
