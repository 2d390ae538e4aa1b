//! SQL of what is sealed, opened and staked in `predictions`.

use std::collections::HashMap;

use domain::{ModelId, RoundId, TokenAmount};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::{NO_STAKE, Opening, PredictionError, Receipt, Unopened};
use super::{ask, hash, model};
use crate::chain::B256;
use crate::db::Conn;

/// The receipt of the latest row that is this seal.
pub(in crate::predictions) async fn receipt_of_seal(
    conn: &mut Conn,
    round: &RoundId,
    model: &ModelId,
    seal: B256,
) -> Result<Option<Receipt>, PredictionError> {
    let row = sqlx::query(
        "SELECT receipt FROM predictions WHERE round_id = $1 AND model_id = $2 AND seal = $3 \
         AND salt = '' ORDER BY sequence DESC LIMIT 1",
    )
    .bind(round.to_string())
    .bind(model.as_str())
    .bind(seal.to_string())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let text: String = row.try_get(0)?;
    let receipt = serde_json::from_str(&text);
    receipt
        .map(Some)
        .map_err(|e| PredictionError::Broken(e.to_string()))
}

/// Closed seals that are their models' latest rows of the round. Its work is in proportion to the
/// seals, not to the predictions.
const CLOSED: &str = "FROM predictions p WHERE p.round_id = $1 AND p.seal <> '' AND p.salt = '' \
    AND NOT EXISTS (SELECT 1 FROM predictions q WHERE q.round_id = p.round_id \
        AND q.model_id = p.model_id AND q.sequence > p.sequence)";

pub(in crate::predictions) async fn is_any_sealed(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<bool, sqlx::Error> {
    let sql = AssertSqlSafe(format!("SELECT p.sequence {CLOSED} LIMIT 1"));
    let row = sqlx::query(sql).bind(round.to_string());
    Ok(row.fetch_optional(conn).await?.is_some())
}

pub(in crate::predictions) async fn unopened(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Vec<Unopened>, PredictionError> {
    let sql = AssertSqlSafe(format!(
        "SELECT p.model_id, p.sequence, p.seal {CLOSED} ORDER BY p.model_id"
    ));
    let rows = sqlx::query(sql)
        .bind(round.to_string())
        .fetch_all(conn)
        .await?;
    let read = |row: &AnyRow| {
        Ok(Unopened {
            model: model(row, 0)?,
            sequence: row.try_get(1)?,
            seal: hash(row, 2)?.ok_or_else(|| PredictionError::Broken("no seal".into()))?,
        })
    };
    rows.iter().map(read).collect()
}

pub(in crate::predictions) async fn openings(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<HashMap<i64, Opening>, PredictionError> {
    let rows = sqlx::query(
        "SELECT p.sequence, p.seal, p.salt, p.seal_index, p.ask, \
         (SELECT MAX(q.sequence) FROM predictions q WHERE q.round_id = p.round_id \
          AND q.model_id = p.model_id AND q.seal = p.seal AND q.sequence < p.sequence) \
         FROM predictions p WHERE p.round_id = $1 AND p.salt <> ''",
    )
    .bind(round.to_string())
    .fetch_all(conn)
    .await?;
    let broken = || PredictionError::Broken("an opened seal".into());
    let read = |row: &AnyRow| {
        let index: i64 = row.try_get(3)?;
        let sealed: Option<i64> = row.try_get(5)?;
        let opening = Opening {
            sequence: sealed.ok_or_else(broken)?,
            seal: hash(row, 1)?.ok_or_else(broken)?,
            salt: hash(row, 2)?.ok_or_else(broken)?,
            index: u32::try_from(index).map_err(|_| broken())?,
            stake_units: ask(row.try_get(4)?)?.map_or(NO_STAKE, TokenAmount::units),
        };
        Ok((row.try_get(0)?, opening))
    };
    rows.iter().map(read).collect()
}

pub(in crate::predictions) async fn models_heard(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<usize, sqlx::Error> {
    let row = sqlx::query("SELECT COUNT(DISTINCT model_id) FROM predictions WHERE round_id = $1")
        .bind(round.to_string())
        .fetch_one(conn)
        .await?;
    let count: i64 = row.try_get(0)?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Two models, at most, of which a prediction of the round would risk something.
pub(in crate::predictions) async fn staked(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT model_id FROM predictions WHERE round_id = $1 AND stake_counted > 0 \
         GROUP BY model_id LIMIT 2",
    )
    .bind(round.to_string())
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
