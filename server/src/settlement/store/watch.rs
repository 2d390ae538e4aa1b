//! SQL of what an operator watches, over the tables of this slice.

use sqlx::{AssertSqlSafe, Row};

use super::super::intent::{Action, IntentState};
use super::super::watch::{Closed, Counts, Holder, KeyState};
use super::super::{BatchState, Reconciliation, SettlementError, broken};
use super::intents::{INTENT, intent};
use crate::db::Conn;

pub(in super::super) async fn holder(conn: &mut Conn) -> Result<Option<Holder>, SettlementError> {
    let row = sqlx::query(
        "SELECT holder, fence, taken_us, renewed_us, until_us FROM leases \
         ORDER BY until_us DESC LIMIT 1",
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Holder {
            holder: row.try_get("holder")?,
            fence: row.try_get("fence")?,
            taken_us: row.try_get("taken_us")?,
            renewed_us: row.try_get("renewed_us")?,
            until_us: row.try_get("until_us")?,
        })
    })
    .transpose()
}

pub(in super::super) async fn closed(
    conn: &mut Conn,
    limit: i64,
) -> Result<Vec<Closed>, SettlementError> {
    let sql = AssertSqlSafe(format!(
        "{INTENT} WHERE closed_us > 0 ORDER BY closed_us DESC, id LIMIT $1"
    ));
    let rows = sqlx::query(sql).bind(limit).fetch_all(conn).await?;
    rows.iter()
        .map(|row| {
            Ok(Closed {
                intent: intent(row)?,
                gas_used: row.try_get("gas_used")?,
                closed_us: row.try_get("closed_us")?,
            })
        })
        .collect()
}

pub(in super::super) async fn keys(conn: &mut Conn) -> Result<Vec<KeyState>, SettlementError> {
    let rows =
        sqlx::query("SELECT signer, next, balance_wei, balance_us FROM nonces ORDER BY signer")
            .fetch_all(conn)
            .await?;
    rows.iter()
        .map(|row| {
            Ok(KeyState {
                signer: row.try_get("signer")?,
                next_nonce: row.try_get("next")?,
                balance_wei: row.try_get("balance_wei")?,
                balance_us: row.try_get("balance_us")?,
            })
        })
        .collect()
}

pub(in super::super) async fn set_balance(
    conn: &mut Conn,
    signer: &str,
    balance_wei: &str,
    wall_us: i64,
) -> Result<(), SettlementError> {
    sqlx::query("UPDATE nonces SET balance_wei = $1, balance_us = $2 WHERE signer = $3")
        .bind(balance_wei)
        .bind(wall_us)
        .bind(signer)
        .execute(conn)
        .await?;
    Ok(())
}

pub(in super::super) async fn reconciliations(
    conn: &mut Conn,
    limit: i64,
) -> Result<Vec<Reconciliation>, SettlementError> {
    let rows =
        sqlx::query("SELECT payload FROM reconciliations ORDER BY at_us DESC, id DESC LIMIT $1")
            .bind(limit)
            .fetch_all(conn)
            .await?;
    rows.iter()
        .map(|row| {
            let payload: String = row.try_get("payload")?;
            serde_json::from_str(&payload).map_err(|error| broken(error.to_string()))
        })
        .collect()
}

/// Counts over attempts and open intents; the rest stays as it is in a new value.
pub(in super::super) async fn attempts(conn: &mut Conn) -> Result<Counts, SettlementError> {
    let all = sqlx::query(
        "SELECT COUNT(*) AS attempts, \
         CAST(COALESCE(SUM(CASE WHEN number > 1 AND is_cancel = 0 THEN 1 ELSE 0 END), 0) AS BIGINT) \
         AS bumps, CAST(COALESCE(SUM(is_cancel), 0) AS BIGINT) AS cancels FROM attempts",
    )
    .fetch_one(&mut *conn)
    .await?;
    let open = sqlx::query(
        "SELECT COALESCE(MIN(created_us), 0) AS oldest, \
         CAST(COALESCE(SUM(CASE WHEN failures > 0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS refused \
         FROM intents WHERE state IN ('planned', 'sent')",
    )
    .fetch_one(conn)
    .await?;
    let oldest: i64 = open.try_get("oldest")?;
    Ok(Counts {
        attempts: all.try_get("attempts")?,
        fee_bumps: all.try_get("bumps")?,
        cancels: all.try_get("cancels")?,
        oldest_open_us: (oldest > 0).then_some(oldest),
        refused: open.try_get("refused")?,
        ..Counts::default()
    })
}

pub(in super::super) async fn open_count(
    conn: &mut Conn,
    action: Action,
    state: IntentState,
) -> Result<i64, SettlementError> {
    let row = sqlx::query("SELECT COUNT(*) FROM intents WHERE state = $1 AND action = $2")
        .bind(state.name())
        .bind(action.name())
        .fetch_one(conn)
        .await?;
    Ok(row.try_get(0)?)
}

pub(in super::super) async fn batches_by_state(
    conn: &mut Conn,
) -> Result<Vec<(BatchState, i64)>, SettlementError> {
    let rows = sqlx::query("SELECT state, COUNT(*) AS count FROM batches GROUP BY state")
        .fetch_all(conn)
        .await?;
    let mut counts: Vec<(BatchState, i64)> = BatchState::ALL.map(|state| (state, 0)).into();
    for row in &rows {
        let name: String = row.try_get("state")?;
        let of = counts.iter_mut().find(|(state, _)| state.name() == name);
        let (_, count) = of.ok_or_else(|| broken(format!("state {name}")))?;
        *count = row.try_get("count")?;
    }
    Ok(counts)
}
