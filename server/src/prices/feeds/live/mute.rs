//! Finds a market that is mute although the connection lives and the subscription was acknowledged,
//! by comparing venues: others trade the asset, and the venue's REST interface has trades that its
//! stream did not bring.

use std::sync::Arc;
use std::time::Duration;

use domain::Venue;
use domain::timestamp::SECOND_US;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::backfill;
use super::board::{Board, MarketStatus, VenueStatus};
use super::continuity::Known;
use super::venue::Followed;
use crate::wall::pause;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Another venue's trade is recent for this long.
const RECENT_US: i64 = 4 * SECOND_US;
/// A trade that REST knows and the stream did not bring for this long.
const OVERDUE_US: i64 = 2 * SECOND_US;
/// Between two looks into the same market.
const LOOK_AGAIN_US: i64 = 3 * SECOND_US;
/// A connection made so soon after our order was made because of it.
const ORDERED_US: i64 = 15 * SECOND_US;
/// A connection's first trades may be its snapshot.
const SETTLING_US: i64 = 2 * SECOND_US;

/// A market that is suspiciously quiet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Suspect {
    asset: String,
    symbol: String,
    known: Option<Known>,
    silent_s: i64,
}

/// Watches one venue until `stop`; orders its connection to be made anew when a market is mute.
pub(super) async fn watch(
    followed: Followed,
    orders: mpsc::Sender<String>,
    stop: CancellationToken,
) {
    let (mut looked_us, mut ordered_us) = (0, 0);
    while !stop.is_cancelled() {
        tokio::select! {
            () = pause(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
        let now_us = followed.clock.now_us();
        if now_us - looked_us < LOOK_AGAIN_US {
            continue;
        }
        let mute_us = i64::try_from(followed.patience.mute_s)
            .unwrap_or(i64::MAX)
            .saturating_mul(SECOND_US);
        for suspect in suspects(
            &followed.board,
            followed.venue(),
            now_us,
            (mute_us, ordered_us),
        ) {
            looked_us = now_us;
            if let Some(why) = is_mute(&followed, &suspect, now_us).await {
                tracing::warn!(venue = followed.venue().name(), why, "mute");
                ordered_us = now_us;
                orders.try_send(why).ok();
                break;
            }
        }
    }
}

/// The markets of a connected venue without a trade for `mute_us`, while another venue's last
/// trade of the asset is recent. `ordered_us` is when this venue's connection was last ordered anew:
/// a venue that is late brings nothing at first, and ordered again and again it never would.
fn suspects(
    board: &Arc<Board>,
    venue: Venue,
    now_us: i64,
    (mute_us, ordered_us): (i64, i64),
) -> Vec<Suspect> {
    let venues = board.venues();
    let ours = venues.iter().find(|status| status.venue == venue);
    let Some((ours, since_us)) = ours.and_then(|ours| Some((ours, ours.up_since_us()?))) else {
        return Vec::new();
    };
    let is_ordered = (0..=ORDERED_US).contains(&(since_us - ordered_us));
    let patience_us = |market: &MarketStatus| {
        let is_new = market.received_us <= since_us + SETTLING_US;
        if is_ordered && is_new {
            mute_us.saturating_mul(2)
        } else {
            mute_us
        }
    };
    let suspect = |(asset, market): (&String, &MarketStatus)| {
        let quiet_since_us = market.received_us.max(since_us);
        let is_quiet = now_us - quiet_since_us >= patience_us(market);
        let others = venues.iter().filter(|status| status.venue != venue);
        let is_traded = others
            .filter_map(|status| last_received(status, asset))
            .any(|received_us| now_us - received_us <= RECENT_US);
        (is_quiet && is_traded).then(|| Suspect {
            asset: asset.clone(),
            symbol: market.symbol.clone(),
            known: (market.venue_time_us > 0).then_some(Known {
                trade_id: market.trade_id,
                venue_time_us: market.venue_time_us,
            }),
            silent_s: (now_us - quiet_since_us) / SECOND_US,
        })
    };
    ours.markets.iter().filter_map(suspect).collect()
}

fn last_received(status: &VenueStatus, asset: &str) -> Option<i64> {
    let market = status.markets.get(asset)?;
    (market.received_us > 0).then_some(market.received_us)
}

/// Asks REST whether there were trades. A quiet market is no mute one: without an answer the idle
/// timer decides.
async fn is_mute(followed: &Followed, suspect: &Suspect, now_us: i64) -> Option<String> {
    let Suspect {
        asset, silent_s, ..
    } = suspect;
    let Some(known) = suspect.known else {
        return Some(format!(
            "{asset} was subscribed and has not traded for {silent_s} s, other venues have"
        ));
    };
    let filled = match backfill::after(followed, &suspect.symbol, known).await {
        Ok(filled) => filled,
        Err(error) => {
            tracing::debug!(
                venue = followed.venue().name(),
                error,
                "cannot tell mute from quiet"
            );
            return None;
        }
    };
    let overdue = filled
        .trades
        .iter()
        .filter(|trade| now_us - trade.venue_time_us >= OVERDUE_US)
        .count();
    (overdue > 0)
        .then(|| format!("{overdue} trades of {asset} in the last {silent_s} s did not come"))
}

#[cfg(test)]
mod tests {
    use super::super::board::Connection;
    use super::super::settings::FeedSettings;
    use super::*;

    const NOW: i64 = 1_709_640_000 * SECOND_US;

    fn board(ages_s: [(Venue, i64); 3]) -> Arc<Board> {
        let board = Board::new(&FeedSettings::public_venues().expect("the program's own file"));
        for (venue, age_s) in ages_s {
            board.update(venue, |status| {
                status.connection = Connection::Up {
                    since_us: NOW - 60 * SECOND_US,
                };
                for market in status.markets.values_mut() {
                    market.received_us = NOW - age_s * SECOND_US;
                    market.venue_time_us = market.received_us;
                    market.trade_id = 7;
                }
            });
        }
        Arc::new(board)
    }

    /// Who is suspect after six seconds, when the connection was last ordered anew at `ordered_us`.
    fn suspected(board: &Arc<Board>, venue: Venue, now_us: i64, ordered_us: i64) -> Vec<Suspect> {
        suspects(board, venue, now_us, (6 * SECOND_US, ordered_us))
    }

    #[test]
    fn a_market_is_suspect_only_while_others_trade() {
        let one = board([
            (Venue::Binance, 7),
            (Venue::Coinbase, 1),
            (Venue::Kraken, 30),
        ]);
        let found = suspected(&one, Venue::Binance, NOW, 0);
        let found: Vec<_> = found
            .iter()
            .map(|s| (s.asset.as_str(), s.silent_s))
            .collect();
        assert_eq!(found, [("btc", 7), ("eth", 7)]);
        assert_eq!(suspected(&one, Venue::Coinbase, NOW, 0), []);
        let quiet = board([
            (Venue::Binance, 7),
            (Venue::Coinbase, 8),
            (Venue::Kraken, 30),
        ]);
        assert_eq!(suspected(&quiet, Venue::Binance, NOW, 0), []);
    }

    #[test]
    fn a_connection_just_made_is_given_time_and_twice_when_it_was_ordered() {
        let board = board([
            (Venue::Binance, 60),
            (Venue::Coinbase, 1),
            (Venue::Kraken, 1),
        ]);
        let since_us = NOW - 5 * SECOND_US;
        board.update(Venue::Binance, |status| {
            status.connection = Connection::Up { since_us };
        });
        assert_eq!(suspected(&board, Venue::Binance, NOW, 0), []);
        let later = NOW + SECOND_US;
        assert_eq!(suspected(&board, Venue::Binance, later, 0).len(), 2);
        let ordered_us = since_us - SECOND_US;
        assert_eq!(suspected(&board, Venue::Binance, later, ordered_us), []);
        let much_later = later + 4 * SECOND_US;
        board.update(Venue::Kraken, |status| {
            for market in status.markets.values_mut() {
                market.received_us = much_later;
            }
        });
        assert_eq!(
            suspected(&board, Venue::Binance, much_later, ordered_us),
            []
        );
        // A market that has come to life is watched as closely as ever.
        board.update(Venue::Binance, |status| {
            for market in status.markets.values_mut() {
                market.received_us = since_us + 3 * SECOND_US;
            }
        });
        let found = suspected(&board, Venue::Binance, much_later, ordered_us);
        assert_eq!(found.len(), 2);
    }
}
