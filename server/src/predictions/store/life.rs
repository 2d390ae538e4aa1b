//! SQL of those who ask what became of their predictions.

use std::cmp::Reverse;
use std::collections::HashMap;

use domain::{ModelId, RoundId};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::{Counted, PredictionError, Receipt};
use super::counted_row;
use crate::db::{Conn, placeholders, questions, wanted_pairs};

/// Models of one question; SQLite joins at most 500 selections.
const MODELS: usize = 100;

/// One model's predictions that no later one replaced, from the index of its sequences.
const STANDING: &str = "SELECT p.sequence AS sequence FROM predictions p \
    WHERE p.model_id = {model} AND p.sequence < $1 AND NOT EXISTS (SELECT 1 FROM predictions q \
    WHERE q.round_id = p.round_id AND q.model_id = p.model_id AND q.sequence > p.sequence) \
    ORDER BY p.sequence DESC LIMIT $2";

pub(in crate::predictions) async fn latest_of_models(
    conn: &mut Conn,
    models: &[ModelId],
    before: i64,
    limit: i64,
) -> Result<Vec<Receipt>, PredictionError> {
    let mut standing = Vec::new();
    for chunk in models.chunks(MODELS) {
        let of_model = |place: usize| {
            let standing = STANDING.replace("{model}", &format!("${}", place + 3));
            format!("SELECT sequence FROM ({standing}) AS of_{place}")
        };
        // Sorted here: a database that merges so many ordered parts takes longer.
        let parts: Vec<String> = (0..chunk.len()).map(of_model).collect();
        let mut query = sqlx::query(AssertSqlSafe(parts.join(" UNION ALL ")));
        query = query.bind(before).bind(limit);
        for model in chunk {
            query = query.bind(model.as_str());
        }
        for row in query.fetch_all(&mut *conn).await? {
            standing.push(row.try_get::<i64, _>(0)?);
        }
    }
    standing.sort_unstable_by_key(|sequence| Reverse(*sequence));
    standing.truncate(usize::try_from(limit).unwrap_or(0));
    numbered(conn, &standing).await
}

/// The receipts of these sequences, in their order.
async fn numbered(conn: &mut Conn, sequences: &[i64]) -> Result<Vec<Receipt>, PredictionError> {
    let mut found = Vec::with_capacity(sequences.len());
    for chunk in questions(sequences) {
        let text = format!(
            "SELECT receipt FROM predictions WHERE sequence IN {} ORDER BY sequence DESC",
            placeholders(1, chunk.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for sequence in chunk {
            query = query.bind(*sequence);
        }
        for row in query.fetch_all(&mut *conn).await? {
            found.push(receipt(&row, 0)?);
        }
    }
    Ok(found)
}

pub(in crate::predictions) async fn receipts(
    conn: &mut Conn,
    round: &RoundId,
    model: &ModelId,
    limit: i64,
) -> Result<Vec<Receipt>, PredictionError> {
    let rows = sqlx::query(
        "SELECT receipt FROM predictions WHERE round_id = $1 AND model_id = $2 \
         ORDER BY sequence DESC LIMIT $3",
    )
    .bind(round.to_string())
    .bind(model.as_str())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| receipt(row, 0)).collect()
}

pub(in crate::predictions) async fn counted_of(
    conn: &mut Conn,
    pairs: &[(RoundId, ModelId)],
) -> Result<HashMap<(RoundId, ModelId), Counted>, PredictionError> {
    let mut found = HashMap::with_capacity(pairs.len());
    for chunk in questions(pairs) {
        let text = format!(
            "SELECT model_id, sequence, model_index, at_risk, counted_ppm, posted_ppm, round_id \
             FROM {} CROSS JOIN counted_predictions \
             WHERE round_id = wanted.column1 AND model_id = wanted.column2",
            wanted_pairs(chunk.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for (round, model) in chunk {
            query = query.bind(round.to_string()).bind(model.as_str());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let counted = counted_row(&row)?;
            found.insert((round(&row, 6)?, counted.model.clone()), counted);
        }
    }
    Ok(found)
}

fn receipt(row: &AnyRow, column: usize) -> Result<Receipt, PredictionError> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|error| PredictionError::Broken(error.to_string()))
}

fn round(row: &AnyRow, column: usize) -> Result<RoundId, PredictionError> {
    let text: String = row.try_get(column)?;
    text.parse()
        .map_err(|error: domain::IdError| PredictionError::Broken(error.to_string()))
}
