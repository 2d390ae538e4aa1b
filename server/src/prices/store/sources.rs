//! SQL of source receipts.

use domain::SourceId;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{broken, price};
use crate::db::Conn;
use crate::prices::PriceError;
use crate::prices::observations::{Observation, Stored};
use crate::prices::receipt::{Reading, TimeForm};

const COLUMNS: &str = "source, observed_us, revision, fetched_us, price, value, url, value_at, \
                       time_at, time_form, unit, shift, status, sha256";

/// Whether the row was written; false when this revision is there.
pub(in crate::prices) async fn insert(
    conn: &mut Conn,
    observation: &Observation,
    revision: i64,
    body_zstd: &[u8],
) -> Result<bool, sqlx::Error> {
    let reading = &observation.reading;
    let done = sqlx::query(
        "INSERT INTO source_receipts (source, observed_us, revision, fetched_us, price, value, \
         url, value_at, time_at, time_form, unit, shift, status, sha256, body_zstd) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
         ON CONFLICT (source, observed_us, revision) DO NOTHING",
    )
    .bind(observation.source.as_str())
    .bind(observation.observed_us)
    .bind(revision)
    .bind(observation.fetched_us)
    .bind(observation.price.units())
    .bind(&observation.value)
    .bind(&reading.url)
    .bind(&reading.value_at)
    .bind(&reading.time_at)
    .bind(reading.time.name())
    .bind(&reading.unit)
    .bind(&reading.shift)
    .bind(i64::from(observation.status))
    .bind(&observation.sha256)
    .bind(body_zstd)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The last value that the source stated for a moment.
pub(in crate::prices) async fn last_revision(
    conn: &mut Conn,
    source: &SourceId,
    observed_us: i64,
) -> Result<Option<Stored>, PriceError> {
    let text = format!(
        "SELECT {COLUMNS} FROM source_receipts WHERE source = $1 AND observed_us = $2 \
         ORDER BY revision DESC LIMIT 1"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(source.as_str())
        .bind(observed_us)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(stored).transpose()
}

/// Everything stated for the moments in `[from_us, to_us]` and received by `received_by_us`, the
/// newest moment first and its first value first, at most `limit`.
pub(in crate::prices) async fn received(
    conn: &mut Conn,
    source: &SourceId,
    (from_us, to_us): (i64, i64),
    received_by_us: i64,
    limit: i64,
) -> Result<Vec<Stored>, PriceError> {
    let text = format!(
        "SELECT {COLUMNS} FROM source_receipts \
         WHERE source = $1 AND observed_us >= $2 AND observed_us <= $3 AND fetched_us <= $4 \
         ORDER BY observed_us DESC, revision LIMIT $5"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(source.as_str())
        .bind(from_us)
        .bind(to_us)
        .bind(received_by_us)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(stored).collect()
}

/// When the first observation of a moment at or after `from_us` was received.
pub(in crate::prices) async fn first_reached(
    conn: &mut Conn,
    source: &SourceId,
    from_us: i64,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query(
        "SELECT MIN(fetched_us) FROM source_receipts WHERE source = $1 AND observed_us >= $2",
    )
    .bind(source.as_str())
    .bind(from_us)
    .fetch_one(conn)
    .await?
    .try_get(0)
}

/// The moments in `[from_us, to_us]` that the source stated a value for, oldest first, at most
/// 10,000.
pub(in crate::prices) async fn moments(
    conn: &mut Conn,
    source: &SourceId,
    (from_us, to_us): (i64, i64),
) -> Result<Vec<i64>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT observed_us FROM source_receipts WHERE source = $1 AND revision = 0 \
         AND observed_us >= $2 AND observed_us <= $3 ORDER BY observed_us LIMIT 10000",
    )
    .bind(source.as_str())
    .bind(from_us)
    .bind(to_us)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// A body by its digest, compressed.
pub(in crate::prices) async fn body(
    conn: &mut Conn,
    sha256: &str,
) -> Result<Option<Vec<u8>>, sqlx::Error> {
    let row = sqlx::query("SELECT body_zstd FROM source_receipts WHERE sha256 = $1 LIMIT 1")
        .bind(sha256)
        .fetch_optional(conn)
        .await?;
    row.map(|row| row.try_get(0)).transpose()
}

fn stored(row: &AnyRow) -> Result<Stored, PriceError> {
    let source: String = row.try_get(0)?;
    let time: String = row.try_get(9)?;
    let status: i64 = row.try_get(12)?;
    Ok(Stored {
        revision: row.try_get(2)?,
        observation: Observation {
            source: source.parse().map_err(|_| broken("source", source))?,
            observed_us: row.try_get(1)?,
            fetched_us: row.try_get(3)?,
            price: price(row.try_get(4)?)?,
            value: row.try_get(5)?,
            reading: Reading {
                url: row.try_get(6)?,
                value_at: row.try_get(7)?,
                time_at: row.try_get(8)?,
                time: TimeForm::parse(&time).ok_or_else(|| broken("time_form", time))?,
                unit: row.try_get(10)?,
                shift: row.try_get(11)?,
            },
            status: u16::try_from(status).map_err(|_| broken("status", status.to_string()))?,
            sha256: row.try_get(13)?,
        },
    })
}
