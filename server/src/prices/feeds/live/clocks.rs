//! How far the venues' clocks are from ours: by the stamps of their trades and by their REST clocks.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use domain::Venue;
use domain::timestamp::SECOND_US;
use tokio_util::sync::CancellationToken;

use super::backfill::get;
use super::board::Board;
use super::venue::Followed;
use crate::prices::connection_log::Measured;
use crate::prices::feeds::protocol;
use crate::wall::pause;

/// Trades of this time are looked at: so short that a clock that jumps at a boundary has moved the
/// median before the boundary's last measurement.
const WINDOW_US: i64 = 10 * SECOND_US;
/// Trades in it at most.
const MOST_TRADES: usize = 1_000;
/// Fewer trades say nothing.
const LEAST_TRADES: usize = 3;
/// After a connection was made the venue may send old trades.
const SETTLING_US: i64 = 2 * SECOND_US;
/// Between two measurements that are written.
const WRITE_EVERY_US: i64 = 2 * SECOND_US;

/// The middle of some numbers; of an even number the mean of the middle two, floored.
pub(super) fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    let high = *values.get(values.len() / 2)?;
    let low = *values.get(values.len().checked_sub(1)? / 2)?;
    i64::try_from((i128::from(low) + i128::from(high)).div_euclid(2)).ok()
}

/// Receive time less stamp of the latest trades of each venue.
#[derive(Debug, Default)]
pub(super) struct Lags {
    venues: BTreeMap<Venue, VecDeque<(i64, i64)>>,
    written_us: i64,
}

impl Lags {
    /// Notes a trade that has just happened, of a connection that is up since `since_us`: the first
    /// ones that it brings may be old.
    pub(super) fn add(
        &mut self,
        venue: Venue,
        since_us: i64,
        (receive_time_us, venue_time_us): (i64, i64),
    ) {
        if receive_time_us < since_us.saturating_add(SETTLING_US) {
            return;
        }
        let lags = self.venues.entry(venue).or_default();
        lags.push_back((
            receive_time_us,
            receive_time_us.saturating_sub(venue_time_us),
        ));
        if lags.len() > MOST_TRADES {
            lags.pop_front();
        }
    }

    /// A connection was lost: what the next one brings is measured anew.
    pub(super) fn restart(&mut self, venue: Venue) {
        self.venues.remove(&venue);
    }

    /// Shows every venue's lag, and answers what is due to be written.
    pub(super) fn measure(&mut self, now_us: i64, board: &Board) -> Vec<Measured> {
        let is_due = now_us - self.written_us >= WRITE_EVERY_US;
        let mut measured = Vec::new();
        for venue in Venue::ALL {
            let lag_us = self.lag_us(now_us, venue);
            board.update(venue, |status| status.lag_us = lag_us);
            let clock_us = board.read(venue, |status| status.clock_us).flatten();
            if let Some(offset_us) = lag_us.or(clock_us).filter(|_| is_due) {
                measured.push(Measured {
                    venue,
                    measured_us: now_us,
                    offset_us,
                });
            }
        }
        if is_due {
            self.written_us = now_us;
        }
        measured
    }

    fn lag_us(&mut self, now_us: i64, venue: Venue) -> Option<i64> {
        let lags = self.venues.get_mut(&venue)?;
        while lags.front().is_some_and(|(at, _)| *at < now_us - WINDOW_US) {
            lags.pop_front();
        }
        if lags.len() < LEAST_TRADES {
            return None;
        }
        median(lags.iter().map(|(_, lag)| *lag).collect())
    }
}

/// Asks a venue's REST clock again and again until `stop`.
pub(super) async fn watch(followed: Followed, stop: CancellationToken) {
    let every = Duration::from_secs(followed.patience.clock_s);
    while !stop.is_cancelled() {
        let clock_us = measure_rest(&followed).await;
        followed
            .board
            .update(followed.venue(), |status| status.clock_us = clock_us);
        tokio::select! {
            () = pause(every) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Our clock less the venue's, taking the middle of asking and being answered as its moment.
async fn measure_rest(followed: &Followed) -> Option<i64> {
    let asked_us = followed.clock.now_us();
    let answer = get(followed, protocol::time_path(followed.venue())).await;
    let answered_us = followed.clock.now_us();
    let venue = followed.venue().name();
    let body = match answer {
        Ok(body) => body,
        Err(error) => {
            tracing::debug!(venue, error, "the venue's clock was not told");
            return None;
        }
    };
    match protocol::decode_time(followed.venue(), &body) {
        Ok(theirs_us) => Some(asked_us + (answered_us - asked_us) / 2 - theirs_us),
        Err(error) => {
            tracing::debug!(venue, %error, "the venue's clock was not understood");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::FeedSettings;
    use super::*;

    const NOW: i64 = 1_709_640_000 * SECOND_US;

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3]), Some(3));
        assert_eq!(median(vec![5, 1, 2]), Some(2));
        assert_eq!(median(vec![-4, -1]), Some(-3));
        assert_eq!(median(vec![i64::MAX, i64::MAX]), Some(i64::MAX));
    }

    #[test]
    fn the_lag_is_the_median_of_ten_seconds_and_starts_anew_with_a_connection() {
        let board = Board::new(&FeedSettings::public_venues().expect("the program's own file"));
        let mut lags = Lags::default();
        let lag = |board: &Board| board.read(Venue::Kraken, |status| status.lag_us).flatten();
        for (second, lag_us) in [
            (-70, 9_000_000),
            (-9, 120_000),
            (-8, 100_000),
            (-7, 4_000_000),
        ] {
            let receive = NOW + second * SECOND_US;
            lags.add(Venue::Kraken, 0, (receive, receive - lag_us));
        }
        let measured = lags.measure(NOW, &board);
        assert_eq!(lag(&board), Some(120_000));
        let expected = Measured {
            venue: Venue::Kraken,
            measured_us: NOW,
            offset_us: 120_000,
        };
        assert_eq!(measured, [expected]);
        assert_eq!(
            lags.measure(NOW + SECOND_US, &board),
            [],
            "written every two seconds"
        );
        lags.restart(Venue::Kraken);
        // Made long after the one before was lost, as when a venue refuses for a while.
        let since_us = NOW + 60 * SECOND_US;
        let old = (since_us + SECOND_US, NOW);
        for _ in 0..LEAST_TRADES {
            lags.add(Venue::Kraken, since_us, old);
        }
        lags.measure(since_us + 2 * SECOND_US, &board);
        assert_eq!(lag(&board), None, "what a fresh connection sends is old");
    }
}
