//! SQL of those who ask what became of their predictions: locks, payouts and batches of many rounds
//! at once.

use std::collections::HashMap;

use domain::{ModelId, RoundId};
use sqlx::{AssertSqlSafe, Row};

use super::super::{BatchState, Lock, Payout, RoundBatch, SettlementError, broken};
use super::rounds::{LOCK, PAYOUT_COLUMNS, lock_of, payout};
use crate::db::{Conn, placeholders, questions, wanted_pairs};

pub(in super::super) async fn locks(
    conn: &mut Conn,
    rounds: &[RoundId],
) -> Result<HashMap<RoundId, Lock>, SettlementError> {
    let mut found = HashMap::with_capacity(rounds.len());
    for chunk in questions(rounds) {
        let places = placeholders(1, chunk.len());
        let sql = AssertSqlSafe(format!("{LOCK} WHERE round_id IN {places}"));
        let mut query = sqlx::query(sql);
        for round in chunk {
            query = query.bind(round.to_string());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let lock = lock_of(&row)?;
            found.insert(lock.round.clone(), lock);
        }
    }
    Ok(found)
}

pub(in super::super) async fn payouts(
    conn: &mut Conn,
    pairs: &[(RoundId, ModelId)],
) -> Result<HashMap<(RoundId, ModelId), Payout>, SettlementError> {
    let mut found = HashMap::with_capacity(pairs.len());
    for chunk in questions(pairs) {
        let sql = AssertSqlSafe(format!(
            "SELECT {PAYOUT_COLUMNS} FROM {} CROSS JOIN payouts \
             WHERE payouts.round_id = wanted.column1 AND model_id = wanted.column2",
            wanted_pairs(chunk.len())
        ));
        let mut query = sqlx::query(sql);
        for (round, model) in chunk {
            query = query.bind(round.to_string()).bind(model.as_str());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let payout = payout(&row)?;
            found.insert((payout.round.clone(), payout.model.clone()), payout);
        }
    }
    Ok(found)
}

/// The newest attempt of each round's batch.
pub(in super::super) async fn batches(
    conn: &mut Conn,
    rounds: &[RoundId],
) -> Result<HashMap<RoundId, RoundBatch>, SettlementError> {
    let mut found = HashMap::with_capacity(rounds.len());
    for chunk in questions(rounds) {
        let places = placeholders(1, chunk.len());
        // In this order, so that the newest attempt is the one that stays.
        let sql = AssertSqlSafe(format!(
            "SELECT batch_rounds.round_id, batches.id, seq, attempt, state, propose_tx, accept_tx \
             FROM batch_rounds JOIN batches ON batches.id = batch_rounds.batch_id \
             WHERE batch_rounds.round_id IN {places} ORDER BY seq, attempt"
        ));
        let mut query = sqlx::query(sql);
        for round in chunk {
            query = query.bind(round.to_string());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let (round, state): (String, String) =
                (row.try_get("round_id")?, row.try_get("state")?);
            let batch = RoundBatch {
                id: row.try_get("id")?,
                seq: row.try_get("seq")?,
                attempt: row.try_get("attempt")?,
                state: BatchState::parse(&state).ok_or_else(|| broken(format!("state {state}")))?,
                propose_tx: row.try_get("propose_tx")?,
                accept_tx: row.try_get("accept_tx")?,
            };
            found.insert(round.parse()?, batch);
        }
    }
    Ok(found)
}
