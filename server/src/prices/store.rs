//! All SQL of ticks, candles and resolutions.

pub(super) mod feeds;
pub(super) mod sources;

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};

use datasets::Candle;
use domain::{Direction, Outcome, Price, Quantity, RoundId, TournamentId, Venue};
use scorer::returns::Return;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::{Move, PriceError, Resolution, Tick};
use crate::db::{Conn, placeholders};

/// Rows of one insert; seven columns each stay far under SQLite's 32,766 placeholders.
const ROWS_PER_INSERT: usize = 200;
/// Rounds of one question.
const ROUNDS_PER_SELECT: usize = 500;
const TICK: &str = "asset, venue, trade_id, price, venue_time_us, receive_time_us, quantity_e8";

pub(super) async fn insert_ticks(conn: &mut Conn, ticks: &[Tick]) -> Result<(), sqlx::Error> {
    for chunk in ticks.chunks(ROWS_PER_INSERT) {
        let text = format!(
            "INSERT INTO ticks ({TICK}) VALUES {} ON CONFLICT (asset, venue, trade_id) DO NOTHING",
            placeholders(chunk.len(), 7)
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for tick in chunk {
            query = query
                .bind(&tick.asset)
                .bind(tick.venue.name())
                .bind(tick.trade_id)
                .bind(tick.price.units())
                .bind(tick.venue_time_us)
                .bind(tick.receive_time_us)
                .bind(tick.quantity.units());
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

pub(super) async fn insert_candles(
    conn: &mut Conn,
    asset: &str,
    candles: &[Candle],
) -> Result<(), sqlx::Error> {
    for chunk in candles.chunks(ROWS_PER_INSERT) {
        let text = format!(
            "INSERT INTO candles (asset, open_time_us, open, high, low, close, volume_e8) \
             VALUES {} ON CONFLICT (asset, open_time_us) DO NOTHING",
            placeholders(chunk.len(), 7)
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for candle in chunk {
            query = query
                .bind(asset)
                .bind(candle.open_time_us)
                .bind(candle.open.units())
                .bind(candle.high.units())
                .bind(candle.low.units())
                .bind(candle.close.units())
                .bind(volume_units(candle.volume));
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

/// Venues state at most eight digits, so this loses nothing: [`Quantity::to_f64`] returns the same
/// bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float to integer cast saturates"
)]
fn volume_units(volume: f64) -> i64 {
    (volume * 1e8).round_ties_even() as i64
}

/// When the first trade of `venue` inside `after` (its start excluded) was received.
pub(super) async fn first_received(
    conn: &mut Conn,
    asset: &str,
    venue: Venue,
    after: Range<i64>,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query(
        "SELECT MIN(receive_time_us) FROM ticks \
         WHERE asset = $1 AND venue = $2 AND venue_time_us > $3 AND venue_time_us < $4",
    )
    .bind(asset)
    .bind(venue.name())
    .bind(after.start)
    .bind(after.end)
    .fetch_one(conn)
    .await?
    .try_get(0)
}

/// Trades of all venues inside `times`, received by `received_by_us`.
pub(super) async fn received(
    conn: &mut Conn,
    asset: &str,
    times: RangeInclusive<i64>,
    received_by_us: i64,
) -> Result<Vec<Tick>, PriceError> {
    let rows = sqlx::query(
        "SELECT asset, venue, trade_id, price, venue_time_us, receive_time_us, quantity_e8 \
         FROM ticks \
         WHERE asset = $1 AND venue_time_us >= $2 AND venue_time_us <= $3 \
         AND receive_time_us <= $4",
    )
    .bind(asset)
    .bind(*times.start())
    .bind(*times.end())
    .bind(received_by_us)
    .fetch_all(conn)
    .await?;
    rows.iter().map(tick).collect()
}

/// The first trade of `venue` after `t_us` that was received by `received_by_us`.
pub(super) async fn first_after(
    conn: &mut Conn,
    asset: &str,
    venue: Venue,
    t_us: i64,
    received_by_us: i64,
) -> Result<Option<Tick>, PriceError> {
    let row = sqlx::query(
        "SELECT asset, venue, trade_id, price, venue_time_us, receive_time_us, quantity_e8 \
         FROM ticks \
         WHERE asset = $1 AND venue = $2 AND venue_time_us > $3 AND receive_time_us <= $4 \
         ORDER BY venue_time_us, trade_id LIMIT 1",
    )
    .bind(asset)
    .bind(venue.name())
    .bind(t_us)
    .bind(received_by_us)
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(tick).transpose()
}

pub(super) async fn latest_tick(
    conn: &mut Conn,
    asset: &str,
    now_us: i64,
) -> Result<Option<Tick>, PriceError> {
    let row = sqlx::query(
        "SELECT asset, venue, trade_id, price, venue_time_us, receive_time_us, quantity_e8 \
         FROM ticks \
         WHERE asset = $1 AND receive_time_us <= $2 \
         ORDER BY venue_time_us DESC, trade_id DESC LIMIT 1",
    )
    .bind(asset)
    .bind(now_us)
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(tick).transpose()
}

/// Trades of one venue that happened in `times`, by time and number.
pub(super) async fn of_venue(
    conn: &mut Conn,
    asset: &str,
    venue: Venue,
    times: Range<i64>,
) -> Result<Vec<Tick>, PriceError> {
    let rows = sqlx::query(
        "SELECT asset, venue, trade_id, price, venue_time_us, receive_time_us, quantity_e8 \
         FROM ticks \
         WHERE asset = $1 AND venue = $2 AND venue_time_us >= $3 AND venue_time_us < $4 \
         ORDER BY venue_time_us, trade_id",
    )
    .bind(asset)
    .bind(venue.name())
    .bind(times.start)
    .bind(times.end)
    .fetch_all(conn)
    .await?;
    rows.iter().map(tick).collect()
}

/// The trade of one venue with the highest number of those until `time_us`.
pub(super) async fn newest_of_venue(
    conn: &mut Conn,
    asset: &str,
    venue: Venue,
    time_us: i64,
) -> Result<Option<Tick>, PriceError> {
    let row = sqlx::query(
        "SELECT asset, venue, trade_id, price, venue_time_us, receive_time_us, quantity_e8 \
         FROM ticks \
         WHERE asset = $1 AND venue = $2 AND venue_time_us <= $3 ORDER BY trade_id DESC LIMIT 1",
    )
    .bind(asset)
    .bind(venue.name())
    .bind(time_us)
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(tick).transpose()
}

pub(super) async fn forget_ticks_before(
    conn: &mut Conn,
    asset: &str,
    before_us: i64,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query("DELETE FROM ticks WHERE asset = $1 AND venue_time_us < $2")
        .bind(asset)
        .bind(before_us)
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

pub(super) async fn candles(
    conn: &mut Conn,
    asset: &str,
    from_us: i64,
    to_us: i64,
) -> Result<Vec<Candle>, PriceError> {
    let rows = sqlx::query(
        "SELECT open_time_us, open, high, low, close, volume_e8 FROM candles \
         WHERE asset = $1 AND open_time_us >= $2 AND open_time_us < $3 ORDER BY open_time_us",
    )
    .bind(asset)
    .bind(from_us)
    .bind(to_us)
    .fetch_all(conn)
    .await?;
    rows.iter().map(candle).collect()
}

/// Candles that opened by `opened_by_us`, the newest first.
pub(super) async fn newest_candles(
    conn: &mut Conn,
    asset: &str,
    opened_by_us: i64,
    limit: i64,
) -> Result<Vec<Candle>, PriceError> {
    let rows = sqlx::query(
        "SELECT open_time_us, open, high, low, close, volume_e8 FROM candles \
         WHERE asset = $1 AND open_time_us <= $2 ORDER BY open_time_us DESC LIMIT $3",
    )
    .bind(asset)
    .bind(opened_by_us)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(candle).collect()
}

fn candle(row: &AnyRow) -> Result<Candle, PriceError> {
    Ok(Candle {
        open_time_us: row.try_get(0)?,
        open: price(row.try_get(1)?)?,
        high: price(row.try_get(2)?)?,
        low: price(row.try_get(3)?)?,
        close: price(row.try_get(4)?)?,
        volume: quantity(row.try_get(5)?)?.to_f64(),
    })
}

/// Whether the row was written; false when the round has one already.
pub(super) async fn insert_resolution(
    conn: &mut Conn,
    round: &RoundId,
    resolution: &Resolution,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO resolutions (round_id, tournament_id, start_us, outcome, reason, p0, p1, \
         return_e12, evidence, evidence_hash, resolved_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (round_id) DO NOTHING",
    )
    .bind(round.to_string())
    .bind(round.tournament().as_str())
    .bind(round.start_us())
    .bind(resolution.outcome.name())
    .bind(&resolution.reason)
    .bind(resolution.p0.map_or(0, Price::units))
    .bind(resolution.p1.map_or(0, Price::units))
    .bind(resolution.return_e12)
    .bind(&resolution.evidence)
    .bind(&resolution.evidence_hash)
    .bind(resolution.resolved_us)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn resolution(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Option<Resolution>, PriceError> {
    let row = sqlx::query(
        "SELECT outcome, reason, p0, p1, return_e12, evidence, evidence_hash, resolved_us \
         FROM resolutions WHERE round_id = $1",
    )
    .bind(round.to_string())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let published = |units: i64| {
        if units == 0 {
            Ok(None)
        } else {
            price(units).map(Some)
        }
    };
    Ok(Some(Resolution {
        outcome: outcome(&row.try_get::<String, _>(0)?)?,
        reason: row.try_get(1)?,
        p0: published(row.try_get(2)?)?,
        p1: published(row.try_get(3)?)?,
        return_e12: row.try_get(4)?,
        evidence: row.try_get(5)?,
        evidence_hash: row.try_get(6)?,
        resolved_us: row.try_get(7)?,
    }))
}

pub(super) async fn outcomes(
    conn: &mut Conn,
    tournament: &TournamentId,
    before_start_us: i64,
    limit: i64,
) -> Result<Vec<(RoundId, Outcome)>, PriceError> {
    let rows = sqlx::query(
        "SELECT start_us, outcome FROM resolutions \
         WHERE tournament_id = $1 AND start_us < $2 ORDER BY start_us DESC LIMIT $3",
    )
    .bind(tournament.as_str())
    .bind(before_start_us)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let entry = |row: &AnyRow| {
        let start_us: i64 = row.try_get(0)?;
        let round = RoundId::new(tournament.clone(), start_us)
            .map_err(|_| broken("start_us", start_us.to_string()))?;
        Ok((round, outcome(&row.try_get::<String, _>(1)?)?))
    };
    rows.iter().map(entry).collect()
}

pub(super) async fn directions(
    conn: &mut Conn,
    tournament: &TournamentId,
    before_start_us: i64,
    limit: i64,
) -> Result<Vec<Direction>, PriceError> {
    let rows = sqlx::query(
        "SELECT outcome FROM resolutions \
         WHERE tournament_id = $1 AND start_us < $2 AND outcome <> 'void' \
         ORDER BY start_us DESC LIMIT $3",
    )
    .bind(tournament.as_str())
    .bind(before_start_us)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let direction = |row: &AnyRow| {
        let name: String = row.try_get(0)?;
        match outcome(&name)? {
            Outcome::Direction(direction) => Ok(direction),
            Outcome::Void => Err(broken("outcome", name)),
        }
    };
    rows.iter().rev().map(direction).collect()
}

pub(super) async fn moves(
    conn: &mut Conn,
    rounds: &[RoundId],
) -> Result<HashMap<RoundId, Move>, PriceError> {
    let resolved = resolved(conn, rounds).await?;
    let moved = |(round, outcome, market)| match outcome {
        Outcome::Direction(direction) => Some((round, Move { direction, market })),
        Outcome::Void => None,
    };
    Ok(resolved.into_iter().filter_map(moved).collect())
}

pub(super) async fn outcomes_of(
    conn: &mut Conn,
    rounds: &[RoundId],
) -> Result<HashMap<RoundId, Outcome>, PriceError> {
    let resolved = resolved(conn, rounds).await?;
    let known = resolved.into_iter().map(|(round, known, _)| (round, known));
    Ok(known.collect())
}

/// Outcome and return of those of `rounds` that are resolved, in one query for each 500.
async fn resolved(
    conn: &mut Conn,
    rounds: &[RoundId],
) -> Result<Vec<(RoundId, Outcome, Return)>, PriceError> {
    let mut resolved = Vec::with_capacity(rounds.len());
    for chunk in rounds.chunks(ROUNDS_PER_SELECT) {
        let text = format!(
            "SELECT round_id, outcome, return_e12 FROM resolutions WHERE round_id IN {}",
            placeholders(1, chunk.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for round in chunk {
            query = query.bind(round.to_string());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let round: String = row.try_get(0)?;
            let round = round.parse().map_err(|_| broken("round_id", round))?;
            let known = outcome(&row.try_get::<String, _>(1)?)?;
            resolved.push((round, known, Return::from_units(row.try_get(2)?)));
        }
    }
    Ok(resolved)
}

fn tick(row: &AnyRow) -> Result<Tick, PriceError> {
    let venue: String = row.try_get(1)?;
    Ok(Tick {
        asset: row.try_get(0)?,
        venue: Venue::parse(&venue).ok_or_else(|| broken("venue", venue))?,
        trade_id: row.try_get(2)?,
        price: price(row.try_get(3)?)?,
        venue_time_us: row.try_get(4)?,
        receive_time_us: row.try_get(5)?,
        quantity: quantity(row.try_get(6)?)?,
    })
}

fn price(units: i64) -> Result<Price, PriceError> {
    Price::from_units(units).map_err(|_| broken("price", units.to_string()))
}

fn quantity(units: i64) -> Result<Quantity, PriceError> {
    Quantity::from_units(units).map_err(|_| broken("quantity_e8", units.to_string()))
}

fn outcome(name: &str) -> Result<Outcome, PriceError> {
    Outcome::parse(name).ok_or_else(|| broken("outcome", name.to_owned()))
}

fn broken(what: &'static str, value: String) -> PriceError {
    PriceError::Stored { what, value }
}
