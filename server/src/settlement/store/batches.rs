//! SQL of `batches`, `batch_rounds` and `batch_changes`.

use std::collections::HashMap;

use contracts::changes::Change;
use domain::{RoundId, TokenAmount};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::{Batch, BatchState, SettlementError, broken};
use super::hash;
use crate::chain::B256;
use crate::db::{Conn, placeholders, questions};

/// A batch with what only settlement needs.
#[derive(Clone, Debug)]
pub(in super::super) struct Stored {
    pub(in super::super) batch: Batch,
    pub(in super::super) new_top: B256,
    pub(in super::super) pool_used: i64,
    pub(in super::super) dies_us: i64,
}

const BATCH: &str = "SELECT batches.id, vault, seq, attempt, state, prev_root, new_top, new_root, \
    burned, pool_used, record_hash, propose_tx, accept_tx, gas_used, accept_after_us, dies_us, \
    reason FROM batches ";

/// States of a batch that is on its way.
const LIVE: &str = "('planned', 'proposing', 'proposed', 'accepting', 'accepted')";

async fn stored(conn: &mut Conn, row: &AnyRow) -> Result<Stored, SettlementError> {
    let id: String = row.try_get("id")?;
    let mut rounds = rounds(conn, std::slice::from_ref(&id)).await?;
    stored_with(row, rounds.remove(&id).unwrap_or_default())
}

fn stored_with(row: &AnyRow, rounds: Vec<RoundId>) -> Result<Stored, SettlementError> {
    let text = |name: &str| -> Result<String, SettlementError> { Ok(row.try_get(name)?) };
    let (id, state) = (text("id")?, text("state")?);
    let burned: i64 = row.try_get("burned")?;
    Ok(Stored {
        batch: Batch {
            id,
            vault: text("vault")?,
            seq: row.try_get("seq")?,
            attempt: row.try_get("attempt")?,
            state: BatchState::parse(&state).ok_or_else(|| broken(format!("state {state}")))?,
            prev_root: text("prev_root")?,
            new_root: text("new_root")?,
            rounds,
            propose_tx: text("propose_tx")?,
            accept_tx: text("accept_tx")?,
            gas_used: row.try_get("gas_used")?,
            burned: TokenAmount::from_stored(burned).map_err(|error| broken(error.to_string()))?,
            accept_after_us: row.try_get("accept_after_us")?,
            record_hash: text("record_hash")?,
            reason: text("reason")?,
        },
        new_top: hash(&text("new_top")?)?,
        pool_used: row.try_get("pool_used")?,
        dies_us: row.try_get("dies_us")?,
    })
}

async fn all(conn: &mut Conn, rows: &[AnyRow]) -> Result<Vec<Stored>, SettlementError> {
    let ids = rows.iter().map(|row| row.try_get("id"));
    let ids: Vec<String> = ids.collect::<Result<_, _>>()?;
    let mut rounds = rounds(conn, &ids).await?;
    let mut batches = Vec::with_capacity(rows.len());
    for (row, id) in rows.iter().zip(&ids) {
        batches.push(stored_with(row, rounds.remove(id).unwrap_or_default())?);
    }
    Ok(batches)
}

/// The rounds of batches, oldest first, by batch.
async fn rounds(
    conn: &mut Conn,
    ids: &[String],
) -> Result<HashMap<String, Vec<RoundId>>, SettlementError> {
    let mut found = HashMap::<String, Vec<RoundId>>::with_capacity(ids.len());
    for chunk in questions(ids) {
        let text = format!(
            "SELECT batch_id, round_id FROM batch_rounds WHERE batch_id IN {}",
            placeholders(1, chunk.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for id in chunk {
            query = query.bind(id.as_str());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let round = row.try_get::<String, _>("round_id")?.parse::<RoundId>()?;
            let of_batch = found.entry(row.try_get("batch_id")?).or_default();
            of_batch.push(round);
        }
    }
    for rounds in found.values_mut() {
        rounds.sort_by(|a, b| (a.start_us(), a.tournament()).cmp(&(b.start_us(), b.tournament())));
    }
    Ok(found)
}

pub(in super::super) async fn get(
    conn: &mut Conn,
    id: &str,
) -> Result<Option<Stored>, SettlementError> {
    let sql = AssertSqlSafe(format!("{BATCH} WHERE id = $1"));
    let row = sqlx::query(sql).bind(id).fetch_optional(&mut *conn).await?;
    match row {
        Some(row) => stored(conn, &row).await.map(Some),
        None => Ok(None),
    }
}

pub(in super::super) async fn of_round(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Option<Batch>, SettlementError> {
    let sql = AssertSqlSafe(format!(
        "{BATCH} JOIN batch_rounds ON batch_rounds.batch_id = batches.id \
         WHERE batch_rounds.round_id = $1 ORDER BY seq DESC, attempt DESC LIMIT 1"
    ));
    let row = sqlx::query(sql)
        .bind(round.to_string())
        .fetch_optional(&mut *conn)
        .await?;
    match row {
        Some(row) => stored(conn, &row).await.map(|stored| Some(stored.batch)),
        None => Ok(None),
    }
}

pub(in super::super) async fn newest(
    conn: &mut Conn,
    limit: i64,
) -> Result<Vec<Batch>, SettlementError> {
    let sql = AssertSqlSafe(format!("{BATCH} ORDER BY seq DESC, attempt DESC LIMIT $1"));
    let rows = sqlx::query(sql).bind(limit).fetch_all(&mut *conn).await?;
    Ok(all(conn, &rows)
        .await?
        .into_iter()
        .map(|stored| stored.batch)
        .collect())
}

/// The one batch of a vault that is on its way, if there is one.
pub(in super::super) async fn live(
    conn: &mut Conn,
    vault: &str,
) -> Result<Option<Stored>, SettlementError> {
    let sql = AssertSqlSafe(format!("{BATCH} WHERE vault = $1 AND state IN {LIVE}"));
    let rows = sqlx::query(sql).bind(vault).fetch_all(&mut *conn).await?;
    let mut live = all(conn, &rows).await?;
    match live.len() {
        0 | 1 => Ok(live.pop()),
        more => Err(broken(format!(
            "{more} batches of {vault} are on their way at once"
        ))),
    }
}

/// The newest batch in this state at a place of the vault's sequence, if it has this root.
pub(in super::super) async fn at(
    conn: &mut Conn,
    vault: &str,
    (seq, root): (i64, &str),
    state: BatchState,
) -> Result<Option<Stored>, SettlementError> {
    let sql = AssertSqlSafe(format!(
        "{BATCH} WHERE vault = $1 AND seq = $2 AND new_root = $3 AND state = $4 \
         ORDER BY attempt DESC LIMIT 1"
    ));
    let row = sqlx::query(sql)
        .bind(vault)
        .bind(seq)
        .bind(root)
        .bind(state.name())
        .fetch_optional(&mut *conn)
        .await?;
    match row {
        Some(row) => stored(conn, &row).await.map(Some),
        None => Ok(None),
    }
}

/// Batches that are final: also the seq of the last.
pub(in super::super) async fn final_seq(
    conn: &mut Conn,
    vault: &str,
) -> Result<i64, SettlementError> {
    let row = sqlx::query(
        "SELECT COALESCE(MAX(seq), 0) AS last, COUNT(*) AS count FROM batches \
         WHERE vault = $1 AND state = 'final'",
    )
    .bind(vault)
    .fetch_one(conn)
    .await?;
    let (last, count): (i64, i64) = (row.try_get("last")?, row.try_get("count")?);
    if last == count {
        Ok(last)
    } else {
        Err(broken(format!("final batches of {vault} have a gap")))
    }
}

pub(in super::super) async fn final_count(conn: &mut Conn) -> Result<i64, SettlementError> {
    let row = sqlx::query("SELECT COUNT(*) AS count FROM batches WHERE state = 'final'")
        .fetch_one(conn)
        .await?;
    Ok(row.try_get("count")?)
}

pub(in super::super) async fn attempts_of(
    conn: &mut Conn,
    vault: &str,
    seq: i64,
) -> Result<i64, SettlementError> {
    let row = sqlx::query(
        "SELECT COALESCE(MAX(attempt), 0) AS last FROM batches WHERE vault = $1 AND seq = $2",
    )
    .bind(vault)
    .bind(seq)
    .fetch_one(conn)
    .await?;
    Ok(row.try_get("last")?)
}

pub(in super::super) async fn insert(
    conn: &mut Conn,
    now_us: i64,
    new: &Stored,
    changes: &[Change],
) -> Result<bool, SettlementError> {
    let batch = &new.batch;
    let done = sqlx::query(
        "INSERT INTO batches (id, vault, seq, attempt, state, prev_root, new_top, new_root, burned, \
         pool_used, record_hash, propose_tx, accept_tx, gas_used, accept_after_us, dies_us, created_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '', '', 0, 0, 0, $12) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(&batch.id)
    .bind(&batch.vault)
    .bind(batch.seq)
    .bind(batch.attempt)
    .bind(batch.state.name())
    .bind(&batch.prev_root)
    .bind(new.new_top.to_string())
    .bind(&batch.new_root)
    .bind(batch.burned.stored())
    .bind(new.pool_used)
    .bind(&batch.record_hash)
    .bind(now_us)
    .execute(&mut *conn)
    .await?;
    if done.rows_affected() != 1 {
        return Ok(false);
    }
    for round in &batch.rounds {
        sqlx::query("INSERT INTO batch_rounds (batch_id, round_id) VALUES ($1, $2)")
            .bind(&batch.id)
            .bind(round.to_string())
            .execute(&mut *conn)
            .await?;
    }
    for change in changes {
        let reward = i64::try_from(change.pool_reward).map_err(|_| broken("a pool reward"))?;
        sqlx::query(
            "INSERT INTO batch_changes (batch_id, model_index, stake_delta, pool_reward) \
             VALUES ($1, $2, $3, $4)",
        )
        .bind(&batch.id)
        .bind(i64::from(change.index))
        .bind(change.stake_delta)
        .bind(reward)
        .execute(&mut *conn)
        .await?;
    }
    Ok(true)
}

pub(in super::super) async fn changes(
    conn: &mut Conn,
    id: &str,
) -> Result<Vec<Change>, SettlementError> {
    let rows = sqlx::query(
        "SELECT model_index, stake_delta, pool_reward FROM batch_changes \
         WHERE batch_id = $1 ORDER BY model_index",
    )
    .bind(id)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let (index, reward): (i64, i64) = (row.try_get(0)?, row.try_get(2)?);
            Ok(Change {
                index: u32::try_from(index).map_err(|_| broken(format!("index {index}")))?,
                stake_delta: row.try_get(1)?,
                pool_reward: u64::try_from(reward).map_err(|_| broken("a pool reward"))?,
            })
        })
        .collect()
}

/// Moves a batch on; `false` when it is not in `from` any more.
pub(in super::super) async fn set_state(
    conn: &mut Conn,
    id: &str,
    from: BatchState,
    to: BatchState,
) -> Result<bool, SettlementError> {
    let done = sqlx::query("UPDATE batches SET state = $1 WHERE id = $2 AND state = $3")
        .bind(to.name())
        .bind(id)
        .bind(from.name())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Says why a batch was rejected.
pub(in super::super) async fn set_reason(
    conn: &mut Conn,
    id: &str,
    reason: &str,
) -> Result<(), SettlementError> {
    sqlx::query("UPDATE batches SET reason = $1 WHERE id = $2")
        .bind(reason)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

pub(in super::super) async fn set_proposed(
    conn: &mut Conn,
    id: &str,
    tx_hash: &str,
    accept_after_us: i64,
    dies_us: i64,
) -> Result<(), SettlementError> {
    sqlx::query(
        "UPDATE batches SET propose_tx = $1, accept_after_us = $2, dies_us = $3 WHERE id = $4",
    )
    .bind(tx_hash)
    .bind(accept_after_us)
    .bind(dies_us)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}

pub(in super::super) async fn set_accepted(
    conn: &mut Conn,
    id: &str,
    tx_hash: &str,
) -> Result<(), SettlementError> {
    sqlx::query("UPDATE batches SET accept_tx = $1 WHERE id = $2")
        .bind(tx_hash)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

pub(in super::super) async fn add_gas(
    conn: &mut Conn,
    id: &str,
    gas_used: i64,
) -> Result<(), SettlementError> {
    sqlx::query("UPDATE batches SET gas_used = gas_used + $1 WHERE id = $2")
        .bind(gas_used)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}
