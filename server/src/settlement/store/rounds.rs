//! SQL of `round_locks` and `payouts`.

use alloy::primitives::B256;
use domain::{Delta, ModelId, Probability, RoundId, TokenAmount};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::{Lock, Payout, SettlementError, broken};
use super::{from_wide, hash, wide};
use crate::db::Conn;

/// Rows of one multi-row insert.
const CHUNK: usize = 500;

pub(super) const LOCK: &str = "SELECT round_id, chain_round, tournament_key, total_w, total_p, top_hash, root, \
                    salt, commitment, locked_us, commit_intent, commit_tx FROM round_locks ";

pub(super) fn lock_of(row: &AnyRow) -> Result<Lock, SettlementError> {
    let text = |name: &str| -> Result<String, SettlementError> { Ok(row.try_get(name)?) };
    Ok(Lock {
        round: text("round_id")?.parse()?,
        chain_round: hash(&text("chain_round")?)?,
        tournament_key: hash(&text("tournament_key")?)?,
        total_w: amount(row.try_get("total_w")?)?,
        total_p: from_wide(&text("total_p")?)?,
        top_hash: hash(&text("top_hash")?)?,
        root: hash(&text("root")?)?,
        salt: hash(&text("salt")?)?,
        commitment: hash(&text("commitment")?)?,
        locked_us: row.try_get("locked_us")?,
        commit_intent: text("commit_intent")?,
        commit_tx: text("commit_tx")?,
    })
}

fn amount(stored: i64) -> Result<TokenAmount, SettlementError> {
    TokenAmount::from_stored(stored).map_err(|error| broken(error.to_string()))
}

pub(in super::super) async fn insert_lock(
    conn: &mut Conn,
    lock: &Lock,
) -> Result<bool, SettlementError> {
    let done = sqlx::query(
        "INSERT INTO round_locks (round_id, chain_round, tournament_key, start_us, total_w, \
         total_p, top_hash, root, salt, commitment, locked_us, commit_intent, commit_tx) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '', '') \
         ON CONFLICT (round_id) DO NOTHING",
    )
    .bind(lock.round.to_string())
    .bind(lock.chain_round.to_string())
    .bind(lock.tournament_key.to_string())
    .bind(lock.round.start_us())
    .bind(lock.total_w.stored())
    .bind(wide(lock.total_p))
    .bind(lock.top_hash.to_string())
    .bind(lock.root.to_string())
    .bind(lock.salt.to_string())
    .bind(lock.commitment.to_string())
    .bind(lock.locked_us)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(in super::super) async fn lock(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Option<Lock>, SettlementError> {
    let sql = AssertSqlSafe(format!("{LOCK} WHERE round_id = $1"));
    let row = sqlx::query(sql)
        .bind(round.to_string())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(lock_of).transpose()
}

pub(in super::super) async fn by_chain_round(
    conn: &mut Conn,
    chain_round: B256,
) -> Result<Option<Lock>, SettlementError> {
    let sql = AssertSqlSafe(format!("{LOCK} WHERE chain_round = $1"));
    let row = sqlx::query(sql)
        .bind(chain_round.to_string())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(lock_of).transpose()
}

/// Locks without an intent to commit whose T is still ahead, the most urgent first.
pub(in super::super) async fn to_commit(
    conn: &mut Conn,
    now_us: i64,
) -> Result<Vec<Lock>, SettlementError> {
    let sql = AssertSqlSafe(format!(
        "{LOCK} WHERE commit_intent = '' AND start_us > $1 ORDER BY start_us, round_id LIMIT 192"
    ));
    let rows = sqlx::query(sql).bind(now_us).fetch_all(conn).await?;
    rows.iter().map(lock_of).collect()
}

/// Whether the row had no intent before.
pub(in super::super) async fn set_commit_intent(
    conn: &mut Conn,
    round: &RoundId,
    intent: &str,
) -> Result<bool, SettlementError> {
    let done = sqlx::query(
        "UPDATE round_locks SET commit_intent = $1 WHERE round_id = $2 AND commit_intent = ''",
    )
    .bind(intent)
    .bind(round.to_string())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(in super::super) async fn set_commit_tx(
    conn: &mut Conn,
    round: &RoundId,
    tx_hash: &str,
) -> Result<(), SettlementError> {
    sqlx::query("UPDATE round_locks SET commit_tx = $1 WHERE round_id = $2 AND commit_tx = ''")
        .bind(tx_hash)
        .bind(round.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

pub(in super::super) async fn of_intent(
    conn: &mut Conn,
    intent: &str,
) -> Result<Vec<RoundId>, SettlementError> {
    let rows = sqlx::query("SELECT round_id FROM round_locks WHERE commit_intent = $1")
        .bind(intent)
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| Ok(row.try_get::<String, _>("round_id")?.parse()?))
        .collect()
}

/// Committed rounds that started after `start_us` and that no batch holds, oldest first.
pub(in super::super) async fn without_batch(
    conn: &mut Conn,
    start_us: i64,
) -> Result<Vec<Lock>, SettlementError> {
    let sql = AssertSqlSafe(format!(
        "{LOCK} WHERE commit_tx <> '' AND start_us > $1 AND NOT EXISTS (SELECT 1 FROM batch_rounds \
         JOIN batches ON batches.id = batch_rounds.batch_id \
         WHERE batch_rounds.round_id = round_locks.round_id AND batches.state <> 'rejected') \
         ORDER BY start_us, round_id LIMIT 1000"
    ));
    let rows = sqlx::query(sql).bind(start_us).fetch_all(conn).await?;
    rows.iter().map(lock_of).collect()
}

/// Writes all payouts of a round; `false` when one was there.
pub(in super::super) async fn insert_payouts(
    conn: &mut Conn,
    payouts: &[Payout],
) -> Result<bool, SettlementError> {
    let mut written: u64 = 0;
    for chunk in payouts.chunks(CHUNK) {
        let mut sql = String::from(
            "INSERT INTO payouts (round_id, model_id, model_index, at_risk, counted_ppm, delta) VALUES ",
        );
        for row in 0..chunk.len() {
            let comma = if row == 0 { "" } else { ", " };
            let place = |offset: usize| row.saturating_mul(6).saturating_add(offset);
            sql.push_str(&format!(
                "{comma}(${}, ${}, ${}, ${}, ${}, ${})",
                place(1),
                place(2),
                place(3),
                place(4),
                place(5),
                place(6)
            ));
        }
        sql.push_str(" ON CONFLICT (round_id, model_id) DO NOTHING");
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for payout in chunk {
            query = query
                .bind(payout.round.to_string())
                .bind(payout.model.as_str().to_owned())
                .bind(i64::from(payout.model_index))
                .bind(payout.at_risk.stored())
                .bind(i64::from(payout.counted.ppm()))
                .bind(payout.delta.units());
        }
        written = written.saturating_add(query.execute(&mut *conn).await?.rows_affected());
    }
    Ok(u64::try_from(payouts.len()) == Ok(written))
}

pub(super) const PAYOUT_COLUMNS: &str =
    "payouts.round_id, model_id, model_index, at_risk, counted_ppm, delta";

pub(super) fn payout(row: &AnyRow) -> Result<Payout, SettlementError> {
    let round: String = row.try_get("round_id")?;
    let model: String = row.try_get("model_id")?;
    let index: i64 = row.try_get("model_index")?;
    let ppm: i64 = row.try_get("counted_ppm")?;
    let counted = u32::try_from(ppm)
        .ok()
        .and_then(|ppm| Probability::from_ppm(ppm).ok());
    Ok(Payout {
        round: round.parse()?,
        model: model.parse()?,
        model_index: u32::try_from(index).map_err(|_| broken(format!("index {index}")))?,
        at_risk: amount(row.try_get("at_risk")?)?,
        counted: counted.ok_or_else(|| broken(format!("{ppm} ppm")))?,
        delta: Delta::from_units(row.try_get("delta")?),
    })
}

pub(in super::super) async fn payouts(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Vec<Payout>, SettlementError> {
    let sql = AssertSqlSafe(format!(
        "SELECT {PAYOUT_COLUMNS} FROM payouts WHERE round_id = $1 ORDER BY model_index"
    ));
    let rows = sqlx::query(sql)
        .bind(round.to_string())
        .fetch_all(conn)
        .await?;
    rows.iter().map(payout).collect()
}

pub(in super::super) async fn payouts_of_model(
    conn: &mut Conn,
    model: &ModelId,
) -> Result<Vec<Payout>, SettlementError> {
    let sql = AssertSqlSafe(format!(
        "SELECT {PAYOUT_COLUMNS} FROM payouts \
         JOIN round_locks ON round_locks.round_id = payouts.round_id WHERE model_id = $1 ORDER BY round_locks.start_us DESC LIMIT 10000"
    ));
    let rows = sqlx::query(sql)
        .bind(model.as_str())
        .fetch_all(conn)
        .await?;
    rows.iter().map(payout).collect()
}
