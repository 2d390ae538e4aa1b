//! Prices: trades of venues, observations of sources, closed candles, and the outcome of a round.
//!
//! Owns the tables ticks, candles, source_receipts and resolutions. Feeds only record; [`close_evidence`] decides
//! from what was recorded, through the pure rule in [`rule`]. Must never change a resolution, and
//! never let a trade received after the evidence closed reach one.

pub mod connection_log;
pub mod evidence;
pub mod feeds;
pub mod observations;
pub mod receipt;
pub mod rule;

mod closing;
mod filling;
mod frozen;
mod store;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod log_tests;
#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use datasets::candle::BAR_US;
use datasets::{Asset, Candle, DatasetError};
use domain::{
    Direction, Origin, Outcome, Price, Quantity, RoundId, Tournament, TournamentId, Venue,
};
use scorer::returns::Return;
use thiserror::Error;

use crate::db::Conn;
use crate::rounds::Round;
use closing::{Closing, closing};
use connection_log::{Gap, Measured};
use evidence::{Record, Trade};
use feeds::live::board::VenueStatus;

pub use filling::{Filled, fill_candles};
pub use frozen::{Frozen, feature_row, features_closed_by_us, frozen, write_frozen};

/// Why a price verb fails.
#[derive(Debug, Error)]
pub enum PriceError {
    /// The database refused or is gone: retry.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The tournament names an asset that has no feed.
    #[error("asset {0:?} has no candles; known are btc and eth")]
    UnknownAsset(String),
    /// The candles behind a feature row are not there.
    #[error("features: {0}")]
    Features(#[from] DatasetError),
    /// A stored row that nothing of ours wrote.
    #[error("the stored {what} is broken: {value:?}")]
    Stored {
        /// Which column.
        what: &'static str,
        /// Its content.
        value: String,
    },
    /// An evidence record that cannot be read.
    #[error("evidence record: {0}")]
    Record(serde_json::Error),
    /// A source's body that cannot be packed or unpacked.
    #[error("a source's body: {0}")]
    Body(std::io::Error),
    /// A round is resolved once.
    #[error("round {0} is already resolved differently; nothing was changed")]
    ResolvedDifferently(RoundId),
}

/// One trade of one venue, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// What was traded, `btc`.
    pub asset: String,
    /// Where.
    pub venue: Venue,
    /// The venue's own number of the trade.
    pub trade_id: i64,
    /// At which price.
    pub price: Price,
    /// When, by the venue's clock.
    pub venue_time_us: i64,
    /// When we received it, on the market clock.
    pub receive_time_us: i64,
    /// How much of the asset; 0 where a replay does not know.
    pub quantity: Quantity,
}

impl Tick {
    fn into_trade(self) -> Trade {
        Trade {
            venue: self.venue.into(),
            trade_id: self.trade_id,
            price: self.price,
            venue_time_us: self.venue_time_us,
            receive_time_us: self.receive_time_us,
        }
    }
}

/// How a round ended, with the evidence. Written once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Up, down or void.
    pub outcome: Outcome,
    /// Why it is void; empty when it is not.
    pub reason: String,
    /// Published price at the start; none when void.
    pub p0: Option<Price>,
    /// Published price at the end; none when void.
    pub p1: Option<Price>,
    /// Median return in 1e-12, floored; 0 when too few venues count.
    pub return_e12: i64,
    /// The record that was decided, JSON: `rule::decide(&Record::parse(…)?)` tells every venue.
    pub evidence: String,
    /// keccak256 of `evidence`, `0x…`.
    pub evidence_hash: String,
    /// When it was decided, on the market clock.
    pub resolved_us: i64,
}

/// What the market did in the interval of a resolved round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Where it went.
    pub direction: Direction,
    /// R, the median return of the venues.
    pub market: Return,
}

/// Whether the evidence of a round has closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Not yet.
    NotYet {
        /// Ask again then.
        look_again_us: i64,
    },
    /// Closed and decided; not written yet.
    Closed(Box<Resolution>),
}

/// Records trades; those that are there already stay as they are.
///
/// # Errors
/// Database errors.
pub async fn insert_ticks(conn: &mut Conn, ticks: &[Tick]) -> Result<(), PriceError> {
    Ok(store::insert_ticks(conn, ticks).await?)
}

/// Records closed candles; those that are there already stay as they are.
///
/// # Errors
/// Database errors.
pub async fn insert_candles(
    conn: &mut Conn,
    asset: &str,
    candles: &[Candle],
) -> Result<(), PriceError> {
    Ok(store::insert_candles(conn, asset, candles).await?)
}

/// Closes and decides the evidence of a round, once its deadlines allow (protocol.md §1).
///
/// Asked later or again it answers the same but for `resolved_us`, unless trades that were received
/// in time were stored in between.
///
/// # Errors
/// Database errors, broken rows.
pub async fn close_evidence(
    conn: &mut Conn,
    now_us: i64,
    round: &Round,
    tournament: &Tournament,
) -> Result<Evidence, PriceError> {
    if tournament.is_of_sources() {
        return observations::close_evidence(conn, now_us, round, tournament).await;
    }
    let (t0_us, t1_us) = (round.schedule.start_us, round.schedule.end_us);
    let asset = tournament.asset.as_str();
    let venues: Vec<Venue> = tournament.venues.iter().filter_map(Origin::venue).collect();
    let mut witnessed = Vec::new();
    for venue in &venues {
        let after = t1_us..t1_us.saturating_add(closing::LAST_US);
        witnessed.extend(store::first_received(conn, asset, *venue, after).await?);
    }
    let needed = (tournament.outcome.quorum, venues.len());
    let closed_us = match closing(now_us, t1_us, needed, &witnessed) {
        Closing::NotYet { look_again_us } => return Ok(Evidence::NotYet { look_again_us }),
        Closing::At { closed_us } => closed_us,
    };
    let mut trades = Vec::new();
    for t_us in [t0_us, t1_us] {
        let from_us = t_us.saturating_sub(evidence::reach_us(&tournament.outcome));
        trades.extend(store::received(conn, asset, from_us..=t_us, closed_us).await?);
        for venue in &venues {
            trades.extend(store::first_after(conn, asset, *venue, t_us, closed_us).await?);
        }
    }
    let counts = |tick: &Tick| venues.contains(&tick.venue);
    let trades = trades
        .into_iter()
        .filter(counts)
        .map(Tick::into_trade)
        .collect();
    let boundaries = [t0_us, t1_us];
    let gaps = store::feeds::gaps(conn, asset, connection_log::gap_span(boundaries)).await?;
    let clocks = store::feeds::clocks(conn, connection_log::clock_span(boundaries)).await?;
    let mut left_out = connection_log::left_out(&gaps, &clocks, boundaries, closed_us);
    left_out.retain(|one| tournament.venues.contains(&one.venue));
    let record = Record::new(&tournament.outcome, (t0_us, t1_us), trades, left_out);
    Ok(Evidence::Closed(Box::new(resolve(&record, now_us)?)))
}

/// Decides a record.
///
/// # Errors
/// [`PriceError::Record`] when the record cannot be written as JSON.
pub fn resolve(record: &Record, now_us: i64) -> Result<Resolution, PriceError> {
    let decision = rule::decide(record);
    let evidence = record.json()?;
    Ok(Resolution {
        outcome: decision.outcome,
        reason: decision
            .void
            .map(|void| void.to_string())
            .unwrap_or_default(),
        p0: decision.prices.map(|(p0, _)| p0),
        p1: decision.prices.map(|(_, p1)| p1),
        return_e12: decision.return_e12.unwrap_or(0),
        evidence_hash: evidence::hash(&evidence),
        evidence,
        resolved_us: now_us,
    })
}

/// Writes a resolution, once. Writing the same again, at whatever time, changes nothing.
///
/// # Errors
/// [`PriceError::ResolvedDifferently`] when another one is there.
pub async fn write_resolution(
    conn: &mut Conn,
    round: &RoundId,
    resolution: &Resolution,
) -> Result<(), PriceError> {
    if store::insert_resolution(conn, round, resolution).await? {
        return Ok(());
    }
    let written = store::resolution(conn, round).await?;
    let timeless = |r: &Resolution| Resolution {
        resolved_us: 0,
        ..r.clone()
    };
    if written.as_ref().map(timeless) == Some(timeless(resolution)) {
        return Ok(());
    }
    Err(PriceError::ResolvedDifferently(round.clone()))
}

/// The resolution of a round, if it has one.
///
/// # Errors
/// Database errors, broken rows.
pub async fn resolution(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Option<Resolution>, PriceError> {
    store::resolution(conn, round).await
}

/// Outcomes of rounds that start before `before_start_us`, newest first, void ones too.
///
/// # Errors
/// Database errors, broken rows.
pub async fn outcomes(
    conn: &mut Conn,
    tournament: &TournamentId,
    before_start_us: i64,
    limit: i64,
) -> Result<Vec<(RoundId, Outcome)>, PriceError> {
    store::outcomes(conn, tournament, before_start_us, limit).await
}

/// The last `limit` directions of rounds that start before `before_start_us`, oldest first; void
/// rounds have none.
///
/// # Errors
/// Database errors, broken rows.
pub async fn directions(
    conn: &mut Conn,
    tournament: &TournamentId,
    before_start_us: i64,
    limit: i64,
) -> Result<Vec<Direction>, PriceError> {
    store::directions(conn, tournament, before_start_us, limit).await
}

/// What the market did in each of `rounds`; void ones and those without a resolution are left out.
///
/// # Errors
/// Database errors, broken rows.
pub async fn moves(
    conn: &mut Conn,
    rounds: &[RoundId],
) -> Result<HashMap<RoundId, Move>, PriceError> {
    store::moves(conn, rounds).await
}

/// The outcomes of `rounds`; those without a resolution are left out. One query for each 500.
///
/// # Errors
/// Database errors, broken rows.
pub async fn outcomes_of(
    conn: &mut Conn,
    rounds: &[RoundId],
) -> Result<HashMap<RoundId, Outcome>, PriceError> {
    store::outcomes_of(conn, rounds).await
}

/// The last `limit` candles of an asset that closed by `closed_by_us`, the newest first.
///
/// # Errors
/// Database errors, broken rows.
pub async fn newest_candles(
    conn: &mut Conn,
    asset: &str,
    closed_by_us: i64,
    limit: i64,
) -> Result<Vec<Candle>, PriceError> {
    let opened_by_us = closed_by_us.saturating_sub(BAR_US);
    store::newest_candles(conn, asset, opened_by_us, limit).await
}

/// Closed candles that open in `[from_us, to_us)`, oldest first.
///
/// # Errors
/// Database errors, broken rows.
pub async fn candles(
    conn: &mut Conn,
    asset: &str,
    from_us: i64,
    to_us: i64,
) -> Result<Vec<Candle>, PriceError> {
    store::candles(conn, asset, from_us, to_us).await
}

/// The latest trade of any venue that was received by `now_us`.
///
/// # Errors
/// Database errors, broken rows.
pub async fn latest_tick(
    conn: &mut Conn,
    asset: &str,
    now_us: i64,
) -> Result<Option<Tick>, PriceError> {
    store::latest_tick(conn, asset, now_us).await
}

/// Trades of one venue that happened in `[from_us, to_us)`, by time and number.
///
/// # Errors
/// Database errors, broken rows.
pub async fn trades_of_venue(
    conn: &mut Conn,
    asset: &str,
    venue: Venue,
    (from_us, to_us): (i64, i64),
) -> Result<Vec<Tick>, PriceError> {
    store::of_venue(conn, asset, venue, from_us..to_us).await
}

/// The trade of one venue with the highest number.
///
/// # Errors
/// Database errors, broken rows.
pub async fn newest_trade(
    conn: &mut Conn,
    asset: &str,
    venue: Venue,
) -> Result<Option<Tick>, PriceError> {
    store::newest_of_venue(conn, asset, venue, i64::MAX).await
}

/// The trade of one venue with the highest number of those until `time_us`.
///
/// # Errors
/// Database errors, broken rows.
pub async fn trade_at(
    conn: &mut Conn,
    asset: &str,
    venue: Venue,
    time_us: i64,
) -> Result<Option<Tick>, PriceError> {
    store::newest_of_venue(conn, asset, venue, time_us).await
}

/// Writes a gap of the connection log, or how far it has been closed or filled.
///
/// # Errors
/// Database errors.
pub async fn log_gap(conn: &mut Conn, gap: &Gap) -> Result<(), PriceError> {
    Ok(store::feeds::put_gap(conn, gap).await?)
}

/// Gaps of an asset that overlap `[from_us, to_us]`, newest first, at most 500.
///
/// # Errors
/// Database errors, broken rows.
pub async fn gaps(conn: &mut Conn, asset: &str, span: (i64, i64)) -> Result<Vec<Gap>, PriceError> {
    store::feeds::gaps(conn, asset, span).await
}

/// The gaps since `from_us` of all assets that `venues` trade, newest first.
///
/// # Errors
/// Database errors, broken rows.
pub async fn gaps_since(
    conn: &mut Conn,
    venues: &[VenueStatus],
    from_us: i64,
) -> Result<Vec<Gap>, PriceError> {
    let mut found = Vec::new();
    for asset in assets_of(venues) {
        found.extend(gaps(conn, &asset, (from_us, i64::MAX)).await?);
    }
    found.sort_by_key(|gap| std::cmp::Reverse(gap.found_us));
    Ok(found)
}

/// The assets that live feeds follow, by name.
fn assets_of(venues: &[VenueStatus]) -> BTreeSet<String> {
    let markets = venues.iter().flat_map(|venue| venue.markets.keys());
    markets.cloned().collect()
}

/// Writes how far a venue's clock was from ours.
///
/// # Errors
/// Database errors.
pub async fn log_clock(conn: &mut Conn, measured: &Measured) -> Result<(), PriceError> {
    Ok(store::feeds::insert_clock(conn, measured).await?)
}

/// Forgets trades, gaps and clocks before `before_us`; resolutions keep their evidence. Answers how
/// many trades.
///
/// # Errors
/// Database errors.
pub async fn forget_ticks_before(conn: &mut Conn, before_us: i64) -> Result<u64, PriceError> {
    let mut forgotten = 0;
    for asset in Asset::ALL {
        forgotten += store::forget_ticks_before(conn, asset.name(), before_us).await?;
    }
    store::feeds::forget_before(conn, before_us).await?;
    Ok(forgotten)
}

fn known_asset(name: &str) -> Result<Asset, PriceError> {
    let known = Asset::ALL.into_iter().find(|asset| asset.name() == name);
    known.ok_or_else(|| PriceError::UnknownAsset(name.to_owned()))
}
