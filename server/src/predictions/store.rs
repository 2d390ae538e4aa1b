//! SQL of `predictions` and `counted_predictions`.

pub(super) mod life;

use domain::{ModelId, Probability, RoundId, TokenAmount};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::{Counted, Latest, PredictionError, Receipt};
use crate::db::Conn;

/// "No amount named" in `predictions.ask`.
const NO_ASK: i64 = -1;

pub(super) async fn last_sequence(conn: &mut Conn) -> Result<i64, sqlx::Error> {
    let row = sqlx::query("SELECT COALESCE(MAX(sequence), 0) FROM predictions")
        .fetch_one(conn)
        .await?;
    row.try_get(0)
}

pub(super) async fn insert(
    conn: &mut Conn,
    receipt: &Receipt,
    ask: Option<TokenAmount>,
    text: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO predictions \
         (sequence, round_id, model_id, posted_ppm, counted_ppm, ask, received_us, receipt) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(receipt.sequence)
    .bind(receipt.round.to_string())
    .bind(receipt.model.as_str())
    .bind(i64::from(receipt.posted_ppm))
    .bind(i64::from(receipt.p_ppm))
    .bind(ask.map_or(NO_ASK, TokenAmount::stored))
    .bind(receipt.received_us)
    .bind(text)
    .execute(conn)
    .await?;
    Ok(())
}

/// The model's latest row of the round: posted ppm, ask and receipt text.
pub(super) async fn last(
    conn: &mut Conn,
    round: &RoundId,
    model: &ModelId,
) -> Result<Option<(u32, Option<TokenAmount>, Receipt)>, PredictionError> {
    let row = sqlx::query(
        "SELECT posted_ppm, ask, receipt FROM predictions WHERE round_id = $1 AND model_id = $2 \
         ORDER BY sequence DESC LIMIT 1",
    )
    .bind(round.to_string())
    .bind(model.as_str())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let text: String = row.try_get(2)?;
    let receipt =
        serde_json::from_str(&text).map_err(|e| PredictionError::Broken(e.to_string()))?;
    Ok(Some((ppm(&row, 0)?.ppm(), ask(row.try_get(1)?)?, receipt)))
}

pub(super) async fn last_receipt(
    conn: &mut Conn,
    round: &RoundId,
    model: &ModelId,
) -> Result<Option<Receipt>, PredictionError> {
    Ok(last(conn, round, model)
        .await?
        .map(|(_, _, receipt)| receipt))
}

pub(super) async fn latest(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Vec<Latest>, PredictionError> {
    let rows = sqlx::query(
        "SELECT p.model_id, p.sequence, p.posted_ppm, p.counted_ppm, p.ask FROM predictions p \
         JOIN (SELECT model_id, MAX(sequence) AS last FROM predictions WHERE round_id = $1 \
               GROUP BY model_id) l ON p.sequence = l.last ORDER BY p.model_id",
    )
    .bind(round.to_string())
    .fetch_all(conn)
    .await?;
    let read = |row: &AnyRow| {
        Ok(Latest {
            model: model(row, 0)?,
            sequence: row.try_get(1)?,
            posted: ppm(row, 2)?,
            counted: ppm(row, 3)?,
            ask: ask(row.try_get(4)?)?,
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn insert_counted(
    conn: &mut Conn,
    round: &RoundId,
    one: &Counted,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO counted_predictions \
         (round_id, model_id, sequence, model_index, at_risk, counted_ppm, posted_ppm) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(round.to_string())
    .bind(one.model.as_str())
    .bind(one.sequence)
    .bind(one.model_index.map_or(-1, i64::from))
    .bind(one.at_risk.stored())
    .bind(i64::from(one.counted.ppm()))
    .bind(i64::from(one.posted.ppm()))
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn counted(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Vec<Counted>, PredictionError> {
    let rows = sqlx::query(
        "SELECT model_id, sequence, model_index, at_risk, counted_ppm, posted_ppm \
         FROM counted_predictions WHERE round_id = $1 ORDER BY model_id",
    )
    .bind(round.to_string())
    .fetch_all(conn)
    .await?;
    rows.iter().map(counted_row).collect()
}

/// Of columns in this order: model, sequence, index, at risk, counted, posted.
fn counted_row(row: &AnyRow) -> Result<Counted, PredictionError> {
    let index: i64 = row.try_get(2)?;
    Ok(Counted {
        model: model(row, 0)?,
        sequence: row.try_get(1)?,
        model_index: u32::try_from(index).ok(),
        at_risk: TokenAmount::from_stored(row.try_get(3)?)?,
        counted: ppm(row, 4)?,
        posted: ppm(row, 5)?,
    })
}

fn model(row: &AnyRow, column: usize) -> Result<ModelId, PredictionError> {
    let text: String = row.try_get(column)?;
    text.parse()
        .map_err(|e: domain::IdError| PredictionError::Broken(e.to_string()))
}

fn ppm(row: &AnyRow, column: usize) -> Result<Probability, PredictionError> {
    let ppm: i64 = row.try_get(column)?;
    let ppm = u32::try_from(ppm).unwrap_or(u32::MAX);
    Probability::from_ppm(ppm).map_err(|e| PredictionError::Broken(e.to_string()))
}

fn ask(stored: i64) -> Result<Option<TokenAmount>, PredictionError> {
    if stored == NO_ASK {
        Ok(None)
    } else {
        Ok(Some(TokenAmount::from_stored(stored)?))
    }
}
