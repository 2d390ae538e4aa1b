//! What the feeds are doing right now, for pages, metrics and the jobs that must wait for them.
//!
//! Lives in memory alone: what must outlive the process is in the connection log.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{Origin, Price, Tournament, Venue};

use super::settings::FeedSettings;
use crate::prices::feeds::source::board::SourceBoard;

/// Our clock may differ from the venues' by this much; beyond it nothing locks or resolves.
const CLOCK_LIMIT_US: i64 = 500_000;

/// The state of a venue's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Being made.
    Connecting,
    /// Made, at this moment.
    Up {
        /// Since when, microseconds.
        since_us: i64,
    },
    /// Given up; tried again then.
    Waiting {
        /// When, microseconds.
        until_us: i64,
    },
}

/// One market of a venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketStatus {
    /// The venue's name of it.
    pub symbol: String,
    /// Trades taken since the start, back-filled ones included.
    pub trades: u64,
    /// Those among them that a back-fill brought.
    pub backfilled: u64,
    /// The newest trade's price.
    pub price: Option<Price>,
    /// The newest trade's number.
    pub trade_id: i64,
    /// Its time by the venue's clock; 0 before the first.
    pub venue_time_us: i64,
    /// When it was received; 0 before the first.
    pub received_us: i64,
    /// Times in which trades are missing right now.
    pub open_gaps: usize,
    /// Such times since the start, this one too.
    pub gaps: u64,
}

/// One venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueStatus {
    /// Which.
    pub venue: Venue,
    /// Its connection.
    pub connection: Connection,
    /// Connections that ended since the start.
    pub ended: u64,
    /// Why the last one ended; empty before.
    pub last_end: String,
    /// Frames since the start.
    pub frames: u64,
    /// Frames that nobody documents.
    pub unknown: u64,
    /// Frames that are broken.
    pub broken: u64,
    /// When the last frame came; 0 before the first.
    pub frame_us: i64,
    /// Our time of receiving less its stamps, the median of ten seconds.
    pub lag_us: Option<i64>,
    /// Our clock less its REST clock.
    pub clock_us: Option<i64>,
    /// Its markets by asset.
    pub markets: BTreeMap<String, MarketStatus>,
}

impl VenueStatus {
    /// Since when its connection is up, microseconds; none while it is not.
    #[must_use]
    pub fn up_since_us(&self) -> Option<i64> {
        match self.connection {
            Connection::Up { since_us } => Some(since_us),
            Connection::Connecting | Connection::Waiting { .. } => None,
        }
    }
}

/// The shared state of all feeds.
#[derive(Debug)]
pub struct Board {
    state: Mutex<State>,
    sources: SourceBoard,
}

#[derive(Debug)]
struct State {
    venues: BTreeMap<Venue, VenueStatus>,
    recorded_through_us: i64,
}

impl Board {
    /// Nothing connected yet.
    #[must_use]
    pub fn new(settings: &FeedSettings) -> Self {
        let venues = settings.venues.iter().map(|venue| {
            let markets = venue.markets.iter().map(|(asset, symbol)| {
                let status = MarketStatus {
                    symbol: symbol.clone(),
                    trades: 0,
                    backfilled: 0,
                    price: None,
                    trade_id: 0,
                    venue_time_us: 0,
                    received_us: 0,
                    open_gaps: 0,
                    gaps: 0,
                };
                (asset.clone(), status)
            });
            let status = VenueStatus {
                venue: venue.name,
                connection: Connection::Connecting,
                ended: 0,
                last_end: String::new(),
                frames: 0,
                unknown: 0,
                broken: 0,
                frame_us: 0,
                lag_us: None,
                clock_us: None,
                markets: markets.collect(),
            };
            (venue.name, status)
        });
        Self {
            state: Mutex::new(State {
                venues: venues.collect(),
                recorded_through_us: 0,
            }),
            sources: SourceBoard::new(&settings.sources),
        }
    }

    /// Everything, for showing.
    #[must_use]
    pub fn venues(&self) -> Vec<VenueStatus> {
        self.state().venues.values().cloned().collect()
    }

    /// The numeric sources.
    #[must_use]
    pub fn sources(&self) -> &SourceBoard {
        &self.sources
    }

    /// What the tournament's venues or sources said by this moment, `now_us` at the latest, is in
    /// the database. `now_us` must have been read before the call.
    #[must_use]
    pub fn recorded_through_us(&self, tournament: &Tournament, now_us: i64) -> i64 {
        if tournament.is_of_sources() {
            let sources = tournament.venues.iter().filter_map(Origin::source);
            return self.sources.recorded_through_us(sources, now_us);
        }
        now_us.min(self.state().recorded_through_us)
    }

    /// How far our clock is from the venues': the median over their stamps and REST clocks; none
    /// while fewer than two venues tell.
    #[must_use]
    pub fn our_offset_us(&self) -> Option<i64> {
        let state = self.state();
        let telling = state
            .venues
            .values()
            .filter(|venue| venue.lag_us.is_some() || venue.clock_us.is_some());
        if telling.count() < 2.min(state.venues.len()) {
            return None;
        }
        let offsets = state
            .venues
            .values()
            .flat_map(|venue| [venue.lag_us, venue.clock_us])
            .flatten();
        super::clocks::median(offsets.collect())
    }

    /// Why nothing may lock or resolve now; none when our clock is right.
    #[must_use]
    pub fn clock_alert(&self) -> Option<String> {
        let offset_us = self.our_offset_us()?;
        if offset_us.abs() <= CLOCK_LIMIT_US {
            return None;
        }
        let way = if offset_us > 0 { "ahead of" } else { "behind" };
        let ms = offset_us.abs() / 1_000;
        Some(format!(
            "our clock is {ms} ms {way} the venues', the limit is 500"
        ))
    }

    pub(super) fn recorded_through(&self, now_us: i64) {
        let mut state = self.state();
        state.recorded_through_us = state.recorded_through_us.max(now_us);
    }

    /// Changes one venue's status.
    pub(super) fn update(&self, venue: Venue, change: impl FnOnce(&mut VenueStatus)) {
        if let Some(status) = self.state().venues.get_mut(&venue) {
            change(status);
        }
    }

    /// Reads one venue's status.
    pub(super) fn read<T>(&self, venue: Venue, look: impl FnOnce(&VenueStatus) -> T) -> Option<T> {
        self.state().venues.get(&venue).map(look)
    }

    /// A venue whose trades come so late, for tests of what is shown.
    #[cfg(test)]
    pub(crate) fn set_lag(&self, venue: Venue, lag_us: i64) {
        self.update(venue, |status| status.lag_us = Some(lag_us));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves numbers that are still good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        Board::new(&FeedSettings::public_venues().expect("the program's own file"))
    }

    fn set(board: &Board, venue: Venue, lag_us: i64, clock_us: i64) {
        board.update(venue, |status| {
            status.lag_us = Some(lag_us);
            status.clock_us = Some(clock_us);
        });
    }

    #[test]
    fn one_venue_that_is_off_does_not_move_our_clock() {
        let board = board();
        assert_eq!(board.our_offset_us(), None);
        set(&board, Venue::Binance, 5_100_000, 5_000_000);
        assert_eq!(board.our_offset_us(), None, "one venue says nothing of us");
        set(&board, Venue::Coinbase, 90_000, 10_000);
        set(&board, Venue::Kraken, 120_000, -20_000);
        assert_eq!(board.our_offset_us(), Some(105_000));
        assert_eq!(board.clock_alert(), None);
    }

    #[test]
    fn all_venues_off_by_five_seconds_is_our_clock() {
        let board = board();
        for venue in Venue::ALL {
            set(&board, venue, -4_900_000, -5_000_000);
        }
        let alert = board.clock_alert().expect("an alert");
        assert!(alert.starts_with("our clock is 4950 ms behind"), "{alert}");
    }
}
