//! All SQL of `chain_blocks` and `chain_events`.

use alloy::primitives::{Address, B256};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::event::{Event, Said};
use super::rpc::BlockRef;
use super::{ChainError, whole};
use crate::db::Conn;

/// A stored block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredBlock {
    pub(super) number: u64,
    pub(super) hash: B256,
    pub(super) time_s: u64,
    pub(super) is_final: bool,
}

const BLOCK: &str = "SELECT number, hash, time_s, is_final FROM chain_blocks ";

fn block(row: &AnyRow) -> Result<StoredBlock, ChainError> {
    let hash: String = row.try_get("hash")?;
    Ok(StoredBlock {
        number: whole(row.try_get("number")?)?,
        hash: hash.parse().map_err(|_| ChainError::Broken(hash))?,
        time_s: whole(row.try_get("time_s")?)?,
        is_final: row.try_get::<i64, _>("is_final")? == 1,
    })
}

async fn one(
    conn: &mut Conn,
    sql: String,
    below: Option<i64>,
) -> Result<Option<StoredBlock>, ChainError> {
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
    if let Some(below) = below {
        query = query.bind(below);
    }
    query
        .fetch_optional(conn)
        .await?
        .as_ref()
        .map(block)
        .transpose()
}

pub(super) async fn tip(conn: &mut Conn) -> Result<Option<StoredBlock>, ChainError> {
    one(conn, format!("{BLOCK} ORDER BY number DESC LIMIT 1"), None).await
}

pub(super) async fn below(conn: &mut Conn, number: u64) -> Result<Option<StoredBlock>, ChainError> {
    let sql = format!("{BLOCK} WHERE number < $1 ORDER BY number DESC LIMIT 1");
    one(conn, sql, Some(stored(number))).await
}

pub(super) async fn newest_final(conn: &mut Conn) -> Result<Option<StoredBlock>, ChainError> {
    one(
        conn,
        format!("{BLOCK} WHERE is_final = 1 ORDER BY number DESC LIMIT 1"),
        None,
    )
    .await
}

/// Whether the block was new; a row that is there already belongs to another follower.
pub(super) async fn insert_block(conn: &mut Conn, block: &BlockRef) -> Result<bool, ChainError> {
    let done = sqlx::query(
        "INSERT INTO chain_blocks (number, hash, parent_hash, time_s, is_final) \
         VALUES ($1, $2, $3, $4, 0) ON CONFLICT (number) DO NOTHING",
    )
    .bind(stored(block.number))
    .bind(block.hash.to_string())
    .bind(block.parent_hash.to_string())
    .bind(stored(block.time_s))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn insert_event(conn: &mut Conn, event: &Event) -> Result<(), ChainError> {
    let payload = serde_json::to_string(&event.said)
        .map_err(|error| ChainError::Broken(error.to_string()))?;
    sqlx::query(
        "INSERT INTO chain_events (block_hash, log_index, block_number, block_time_s, tx_hash, \
         address, name, payload, is_final, is_applied) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0) ON CONFLICT (block_hash, log_index) DO NOTHING",
    )
    .bind(&event.block_hash)
    .bind(event.log_index)
    .bind(event.block_number)
    .bind(event.block_time_s)
    .bind(&event.tx_hash)
    .bind(event.address.to_string())
    .bind(event.said.name())
    .bind(payload)
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets what a re-organisation undid. Final rows stay whatever is asked.
pub(super) async fn rewind_above(conn: &mut Conn, number: u64) -> Result<(), ChainError> {
    sqlx::query("DELETE FROM chain_events WHERE block_number > $1 AND is_final = 0")
        .bind(stored(number))
        .execute(&mut *conn)
        .await?;
    sqlx::query("DELETE FROM chain_blocks WHERE number > $1 AND is_final = 0")
        .bind(stored(number))
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn mark_final(conn: &mut Conn, up_to: u64) -> Result<(), ChainError> {
    sqlx::query("UPDATE chain_blocks SET is_final = 1 WHERE number <= $1 AND is_final = 0")
        .bind(stored(up_to))
        .execute(&mut *conn)
        .await?;
    sqlx::query("UPDATE chain_events SET is_final = 1 WHERE block_number <= $1 AND is_final = 0")
        .bind(stored(up_to))
        .execute(conn)
        .await?;
    Ok(())
}

/// Old blocks are of no use: events carry their block's hash and time themselves.
pub(super) async fn prune_below(conn: &mut Conn, number: u64) -> Result<(), ChainError> {
    sqlx::query("DELETE FROM chain_blocks WHERE number < $1 AND is_final = 1")
        .bind(stored(number))
        .execute(conn)
        .await?;
    Ok(())
}

const EVENT: &str = "SELECT block_hash, log_index, block_number, block_time_s, tx_hash, address, \
                     payload, is_final FROM chain_events ";

fn event(row: &AnyRow) -> Result<Event, ChainError> {
    let payload: String = row.try_get("payload")?;
    let said: Said =
        serde_json::from_str(&payload).map_err(|error| ChainError::Broken(error.to_string()))?;
    let address: String = row.try_get("address")?;
    let address: Address = address.parse().map_err(|_| ChainError::Broken(address))?;
    Ok(Event {
        block_hash: row.try_get("block_hash")?,
        log_index: row.try_get("log_index")?,
        block_number: row.try_get("block_number")?,
        block_time_s: row.try_get("block_time_s")?,
        tx_hash: row.try_get("tx_hash")?,
        address,
        is_final: row.try_get::<i64, _>("is_final")? == 1,
        said,
    })
}

pub(super) async fn final_unapplied(conn: &mut Conn, limit: i64) -> Result<Vec<Event>, ChainError> {
    let sql = format!(
        "{EVENT} WHERE is_applied = 0 AND is_final = 1 ORDER BY block_number, log_index LIMIT $1"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(event).collect()
}

pub(super) async fn final_applied(
    conn: &mut Conn,
    (block_number, log_index): (i64, i64),
    limit: i64,
) -> Result<Vec<Event>, ChainError> {
    let sql = format!(
        "{EVENT} WHERE is_applied = 1 AND is_final = 1 AND (block_number > $1 OR (block_number = $1 \
         AND log_index > $2)) ORDER BY block_number, log_index LIMIT $3"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(block_number)
        .bind(log_index)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(event).collect()
}

pub(super) async fn unapplied_named(conn: &mut Conn, name: &str) -> Result<Vec<Event>, ChainError> {
    let sql = format!("{EVENT} WHERE is_applied = 0 AND name = $1");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(name)
        .fetch_all(conn)
        .await?;
    rows.iter().map(event).collect()
}

/// Whether this call was the one that marked it.
pub(super) async fn mark_applied(conn: &mut Conn, event: &Event) -> Result<bool, ChainError> {
    let done = sqlx::query(
        "UPDATE chain_events SET is_applied = 1 \
         WHERE block_hash = $1 AND log_index = $2 AND is_final = 1 AND is_applied = 0",
    )
    .bind(&event.block_hash)
    .bind(event.log_index)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
