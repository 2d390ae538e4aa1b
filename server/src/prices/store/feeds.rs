//! SQL of gaps, clocks and frozen features.

use domain::{RoundId, Venue};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::broken;
use crate::db::Conn;
use crate::prices::PriceError;
use crate::prices::connection_log::{Gap, Measured};
use crate::prices::frozen::Frozen;

/// Gaps shown or weighed at once at most.
const MOST_GAPS: i64 = 500;

/// Writes a gap, or how far it has been closed or filled.
pub(in crate::prices) async fn put_gap(conn: &mut Conn, gap: &Gap) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO feed_gaps (venue, asset, found_us, from_us, to_us, reason, filled_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (venue, asset, found_us) DO UPDATE SET \
         from_us = excluded.from_us, to_us = excluded.to_us, filled_us = excluded.filled_us",
    )
    .bind(gap.venue.name())
    .bind(&gap.asset)
    .bind(gap.found_us)
    .bind(gap.from_us)
    .bind(gap.to_us)
    .bind(&gap.reason)
    .bind(gap.filled_us)
    .execute(conn)
    .await?;
    Ok(())
}

/// Gaps of an asset that overlap `[from_us, to_us]`, newest first.
pub(in crate::prices) async fn gaps(
    conn: &mut Conn,
    asset: &str,
    (from_us, to_us): (i64, i64),
) -> Result<Vec<Gap>, PriceError> {
    let rows = sqlx::query(
        "SELECT venue, asset, found_us, from_us, to_us, reason, filled_us FROM feed_gaps \
         WHERE asset = $1 AND to_us >= $2 AND from_us <= $3 ORDER BY found_us DESC LIMIT $4",
    )
    .bind(asset)
    .bind(from_us)
    .bind(to_us)
    .bind(MOST_GAPS)
    .fetch_all(conn)
    .await?;
    let gap = |row: &AnyRow| {
        Ok(Gap {
            venue: venue(row)?,
            asset: row.try_get(1)?,
            found_us: row.try_get(2)?,
            from_us: row.try_get(3)?,
            to_us: row.try_get(4)?,
            reason: row.try_get(5)?,
            filled_us: row.try_get(6)?,
        })
    };
    rows.iter().map(gap).collect()
}

pub(in crate::prices) async fn insert_clock(
    conn: &mut Conn,
    measured: &Measured,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO feed_clocks (venue, measured_us, offset_us) VALUES ($1, $2, $3) \
         ON CONFLICT (venue, measured_us) DO NOTHING",
    )
    .bind(measured.venue.name())
    .bind(measured.measured_us)
    .bind(measured.offset_us)
    .execute(conn)
    .await?;
    Ok(())
}

/// Measurements of every venue's clock inside `[from_us, to_us]`, oldest first.
pub(in crate::prices) async fn clocks(
    conn: &mut Conn,
    (from_us, to_us): (i64, i64),
) -> Result<Vec<Measured>, PriceError> {
    let rows = sqlx::query(
        "SELECT venue, measured_us, offset_us FROM feed_clocks \
         WHERE measured_us >= $1 AND measured_us <= $2 ORDER BY measured_us",
    )
    .bind(from_us)
    .bind(to_us)
    .fetch_all(conn)
    .await?;
    let measured = |row: &AnyRow| {
        Ok(Measured {
            venue: venue(row)?,
            measured_us: row.try_get(1)?,
            offset_us: row.try_get(2)?,
        })
    };
    rows.iter().map(measured).collect()
}

/// Forgets gaps and measurements that ended before `before_us`.
pub(in crate::prices) async fn forget_before(
    conn: &mut Conn,
    before_us: i64,
) -> Result<(), sqlx::Error> {
    for text in [
        "DELETE FROM feed_gaps WHERE to_us < $1",
        "DELETE FROM feed_clocks WHERE measured_us < $1",
    ] {
        sqlx::query(text).bind(before_us).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Whether the row was written; false when the round has one already.
pub(in crate::prices) async fn insert_frozen(
    conn: &mut Conn,
    round: &RoundId,
    frozen: &Frozen,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO round_features (round_id, frozen_us, digest, reason) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (round_id) DO NOTHING",
    )
    .bind(round.to_string())
    .bind(frozen.frozen_us)
    .bind(&frozen.digest)
    .bind(&frozen.reason)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(in crate::prices) async fn frozen(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Option<Frozen>, sqlx::Error> {
    let row =
        sqlx::query("SELECT frozen_us, digest, reason FROM round_features WHERE round_id = $1")
            .bind(round.to_string())
            .fetch_optional(conn)
            .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Frozen {
        frozen_us: row.try_get(0)?,
        digest: row.try_get(1)?,
        reason: row.try_get(2)?,
    }))
}

fn venue(row: &AnyRow) -> Result<Venue, PriceError> {
    let name: String = row.try_get(0)?;
    Venue::parse(&name).ok_or_else(|| broken("venue", name))
}
