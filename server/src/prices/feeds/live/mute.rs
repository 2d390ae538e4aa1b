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
use super::board::{Board, Connection, VenueStatus};
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
    let mut looked_us = 0;
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
        let Some(suspect) = suspect(&followed.board, followed.venue(), now_us, mute_us) else {
            continue;
        };
        looked_us = now_us;
        if let Some(why) = is_mute(&followed, &suspect, now_us).await {
            tracing::warn!(venue = followed.venue().name(), why, "mute");
            orders.try_send(why).ok();
        }
    }
}

/// The first market of a connected venue without a trade for `mute_us`, while another venue's last
/// trade of the asset is recent.
fn suspect(board: &Arc<Board>, venue: Venue, now_us: i64, mute_us: i64) -> Option<Suspect> {
    let venues = board.venues();
    let ours = venues.iter().find(|status| status.venue == venue)?;
    let Connection::Up { since_us } = ours.connection else {
        return None;
    };
    ours.markets.iter().find_map(|(asset, market)| {
        let quiet_since_us = market.received_us.max(since_us);
        let is_quiet = now_us - quiet_since_us >= mute_us;
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
    })
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
            tracing::debug!(venue = followed.venue().name(), error, "cannot tell mute from quiet");
            return None;
        }
    };
    let overdue = filled
        .trades
        .iter()
        .filter(|trade| now_us - trade.venue_time_us >= OVERDUE_US)
        .count();
    (overdue > 0).then(|| {
        format!("{overdue} trades of {asset} in the last {silent_s} s did not come")
    })
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_market_is_suspect_only_while_others_trade() {
        let one = board([(Venue::Binance, 7), (Venue::Coinbase, 1), (Venue::Kraken, 30)]);
        let found = suspect(&one, Venue::Binance, NOW, 6 * SECOND_US).expect("a suspect");
        assert_eq!((found.asset.as_str(), found.silent_s), ("btc", 7));
        assert_eq!(suspect(&one, Venue::Coinbase, NOW, 6 * SECOND_US), None);
        let quiet = board([(Venue::Binance, 7), (Venue::Coinbase, 8), (Venue::Kraken, 30)]);
        assert_eq!(suspect(&quiet, Venue::Binance, NOW, 6 * SECOND_US), None);
    }

    #[test]
    fn a_connection_just_made_is_given_time() {
        let board = board([(Venue::Binance, 60), (Venue::Coinbase, 1), (Venue::Kraken, 1)]);
        board.update(Venue::Binance, |status| {
            status.connection = Connection::Up {
                since_us: NOW - 5 * SECOND_US,
            };
        });
        assert_eq!(suspect(&board, Venue::Binance, NOW, 6 * SECOND_US), None);
        let later = NOW + SECOND_US;
        assert!(suspect(&board, Venue::Binance, later, 6 * SECOND_US).is_some());
    }
}
