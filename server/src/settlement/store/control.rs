//! SQL of `leases`, `halts`, `reconciliations` and `nonces`.

use sqlx::Row;

use super::super::halt::Halt;
use super::super::{Reconciliation, SettlementError, broken};
use crate::db::Conn;

/// Takes the lease if it is free, ours or run out; a new holder gets a higher fence.
pub(in super::super) async fn take_lease(
    conn: &mut Conn,
    name: &str,
    holder: &str,
    now_us: i64,
    until_us: i64,
) -> Result<Option<i64>, SettlementError> {
    sqlx::query(
        "INSERT INTO leases (name, holder, fence, until_us) VALUES ($1, '', 0, 0) \
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(name)
    .execute(&mut *conn)
    .await?;
    let row = sqlx::query(
        "UPDATE leases SET fence = CASE WHEN holder = $1 THEN fence ELSE fence + 1 END, \
         taken_us = CASE WHEN holder = $1 THEN taken_us ELSE $4 END, renewed_us = $4, \
         holder = $1, until_us = $2 WHERE name = $3 AND (holder = $1 OR until_us <= $4) \
         RETURNING fence",
    )
    .bind(holder)
    .bind(until_us)
    .bind(name)
    .bind(now_us)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| row.try_get("fence")).transpose()?)
}

/// Locks the lease's row for this transaction, if it is still ours.
pub(in super::super) async fn touch_lease(
    conn: &mut Conn,
    name: &str,
    holder: &str,
    fence: i64,
) -> Result<bool, SettlementError> {
    let done = sqlx::query(
        "UPDATE leases SET fence = fence WHERE name = $1 AND holder = $2 AND fence = $3",
    )
    .bind(name)
    .bind(holder)
    .bind(fence)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(in super::super) async fn end_lease(
    conn: &mut Conn,
    name: &str,
    holder: &str,
    fence: i64,
) -> Result<(), SettlementError> {
    sqlx::query("UPDATE leases SET until_us = 0 WHERE name = $1 AND holder = $2 AND fence = $3")
        .bind(name)
        .bind(holder)
        .bind(fence)
        .execute(conn)
        .await?;
    Ok(())
}

pub(in super::super) async fn open_halt(conn: &mut Conn) -> Result<Option<Halt>, SettlementError> {
    let row = sqlx::query(
        "SELECT id, reason, halted_us FROM halts WHERE resumed_us = 0 ORDER BY halted_us, id LIMIT 1",
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Halt {
            id: row.try_get("id")?,
            reason: row.try_get("reason")?,
            halted_us: row.try_get("halted_us")?,
        })
    })
    .transpose()
}

pub(in super::super) async fn insert_halt(
    conn: &mut Conn,
    halt: &Halt,
) -> Result<(), SettlementError> {
    sqlx::query(
        "INSERT INTO halts (id, reason, halted_us, resumed_us, resume_reason) \
         VALUES ($1, $2, $3, 0, '') ON CONFLICT (id) DO NOTHING",
    )
    .bind(&halt.id)
    .bind(&halt.reason)
    .bind(halt.halted_us)
    .execute(conn)
    .await?;
    Ok(())
}

pub(in super::super) async fn end_halts(
    conn: &mut Conn,
    now_us: i64,
    reason: &str,
) -> Result<(), SettlementError> {
    sqlx::query("UPDATE halts SET resumed_us = $1, resume_reason = $2 WHERE resumed_us = 0")
        .bind(now_us)
        .bind(reason)
        .execute(conn)
        .await?;
    Ok(())
}

pub(in super::super) async fn insert_reconciliation(
    conn: &mut Conn,
    id: &str,
    one: &Reconciliation,
) -> Result<(), SettlementError> {
    let payload = serde_json::to_string(one).map_err(|error| broken(error.to_string()))?;
    sqlx::query(
        "INSERT INTO reconciliations (id, vault, ledger, chain, equal, at_us, payload) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING",
    )
    .bind(id)
    .bind(&one.vault)
    .bind(&one.ledger)
    .bind(&one.chain)
    .bind(i64::from(one.equal))
    .bind(one.at_us)
    .bind(payload)
    .execute(conn)
    .await?;
    Ok(())
}

pub(in super::super) async fn latest_reconciliation(
    conn: &mut Conn,
) -> Result<Option<Reconciliation>, SettlementError> {
    let row =
        sqlx::query("SELECT payload FROM reconciliations ORDER BY at_us DESC, id DESC LIMIT 1")
            .fetch_optional(conn)
            .await?;
    let payload: Option<String> = row.map(|row| row.try_get("payload")).transpose()?;
    payload
        .map(|text| serde_json::from_str(&text).map_err(|error| broken(error.to_string())))
        .transpose()
}

/// Reconciliations that passed and are older than the newest so many are of no use.
pub(in super::super) async fn prune_reconciliations(
    conn: &mut Conn,
    before_us: i64,
) -> Result<(), SettlementError> {
    sqlx::query("DELETE FROM reconciliations WHERE equal = 1 AND at_us < $1")
        .bind(before_us)
        .execute(conn)
        .await?;
    Ok(())
}

pub(in super::super) async fn nonce(
    conn: &mut Conn,
    signer: &str,
) -> Result<Option<i64>, SettlementError> {
    let row = sqlx::query("SELECT next FROM nonces WHERE signer = $1")
        .bind(signer)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| row.try_get("next")).transpose()?)
}

pub(in super::super) async fn seed_nonce(
    conn: &mut Conn,
    signer: &str,
    next: i64,
) -> Result<(), SettlementError> {
    sqlx::query(
        "INSERT INTO nonces (signer, next) VALUES ($1, $2) ON CONFLICT (signer) DO NOTHING",
    )
    .bind(signer)
    .bind(next)
    .execute(conn)
    .await?;
    Ok(())
}

pub(in super::super) async fn take_nonce(
    conn: &mut Conn,
    signer: &str,
) -> Result<i64, SettlementError> {
    let row = sqlx::query(
        "UPDATE nonces SET next = next + 1 WHERE signer = $1 RETURNING next - 1 AS taken",
    )
    .bind(signer)
    .fetch_optional(conn)
    .await?;
    let row = row.ok_or_else(|| broken(format!("the nonce of {signer} was never read")))?;
    Ok(row.try_get("taken")?)
}
