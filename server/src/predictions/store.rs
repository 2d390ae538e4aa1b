//! SQL of `predictions` and `counted_predictions`; that of `idempotency_keys` is beside it.

mod keys;
mod seals;

pub(super) mod life;

use domain::{ModelId, Probability, RoundId, TokenAmount};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::{Acknowledged, Counted, Latest, PredictionError, Receipt, Said, Signed, Submission};
use crate::chain::B256;
use crate::db::{Conn, pieces, placeholders, questions};

pub(super) use keys::{answer, claim_key, forget_key, forget_keys_before, kept_keys, set_answer};
pub(super) use seals::{is_any_sealed, models_heard, openings, receipt_of_seal, staked, unopened};

/// "No amount named" in `predictions.ask`.
const NO_ASK: i64 = -1;

pub(super) async fn last_sequence(conn: &mut Conn) -> Result<i64, sqlx::Error> {
    let row = sqlx::query("SELECT COALESCE(MAX(sequence), 0) FROM predictions")
        .fetch_one(conn)
        .await?;
    row.try_get(0)
}

pub(super) async fn insert(conn: &mut Conn, signed: &[Signed]) -> Result<(), sqlx::Error> {
    for piece in pieces(signed) {
        let text = format!(
            "INSERT INTO predictions (sequence, round_id, model_id, posted_ppm, counted_ppm, ask, \
             received_us, receipt, stake_counted, seal, salt, seal_index, nonce) VALUES {}",
            placeholders(piece.len(), 13)
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for Signed {
            receipt,
            draft,
            text,
        } in piece
        {
            let said = &draft.submission.said;
            let salt = match said {
                Said::Opened { salt, .. } => Some(*salt),
                Said::Open { .. } | Said::Sealed { .. } => None,
            };
            query = query
                .bind(receipt.sequence)
                .bind(receipt.round.to_string())
                .bind(receipt.model.as_str())
                .bind(i64::from(receipt.posted_ppm.unwrap_or(0)))
                .bind(i64::from(receipt.p_ppm.unwrap_or(0)))
                .bind(said.ask().map_or(NO_ASK, TokenAmount::stored))
                .bind(receipt.received_us)
                .bind(text)
                .bind(draft.stake_counted.stored())
                .bind(hash_text(draft.seal))
                .bind(hash_text(salt))
                .bind(i64::from(draft.index))
                .bind(draft.nonce);
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

/// A model's latest row of a round; its receipt is read only where it is needed.
pub(super) struct Last {
    pub(super) said: Said,
    /// The seal of it, closed or opened.
    pub(super) seal: Option<B256>,
    /// The index that the seal was made with, of what opens it.
    pub(super) index: u32,
    /// The highest nonce that was signed so far.
    pub(super) nonce: i64,
    receipt: String,
}

impl Last {
    pub(super) fn receipt(&self) -> Result<Receipt, PredictionError> {
        serde_json::from_str(&self.receipt).map_err(|e| PredictionError::Broken(e.to_string()))
    }
}

/// The latest row of the round and model of each submission, in their order.
pub(super) async fn last_of_each(
    conn: &mut Conn,
    submissions: &[&Submission],
) -> Result<Vec<Option<Last>>, PredictionError> {
    let mut found: Vec<Option<Last>> = submissions.iter().map(|_| None).collect();
    let asked: Vec<(usize, &Submission)> = submissions.iter().copied().enumerate().collect();
    for question in questions(&asked) {
        // The columns of VALUES are called column1, column2 and column3 on both databases.
        let text = format!(
            "SELECT a.column1, p.posted_ppm, p.ask, p.receipt, p.seal, p.salt, \
             p.seal_index, p.nonce \
             FROM (VALUES {}) AS a JOIN predictions p ON p.sequence = \
             (SELECT MAX(q.sequence) FROM predictions q \
              WHERE q.round_id = a.column2 AND q.model_id = a.column3)",
            placeholders(question.len(), 3)
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for (place, submission) in question {
            query = query
                .bind(i64::try_from(*place).unwrap_or(i64::MAX))
                .bind(submission.round.to_string())
                .bind(submission.model.as_str());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let place = usize::try_from(row.try_get::<i64, _>(0)?).ok();
            let slot = place.and_then(|place| found.get_mut(place));
            let slot = slot.ok_or_else(|| PredictionError::Broken("an unasked row".to_owned()))?;
            *slot = Some(last(&row, 1)?);
        }
    }
    Ok(found)
}

/// From the columns posted_ppm, ask, receipt, seal, salt, seal_index and nonce.
fn last(row: &AnyRow, first: usize) -> Result<Last, PredictionError> {
    let (posted, ask) = (ppm(row, first)?, ask(row.try_get(first + 1)?)?);
    let (seal, salt) = (hash(row, first + 3)?, hash(row, first + 4)?);
    let said = match (seal, salt) {
        (None, _) => Said::Open { posted, ask },
        (Some(seal), None) => Said::Sealed { seal },
        (Some(_), Some(salt)) => Said::Opened { posted, ask, salt },
    };
    Ok(Last {
        said,
        seal,
        index: u32::try_from(row.try_get::<i64, _>(first + 5)?)
            .map_err(|e| PredictionError::Broken(e.to_string()))?,
        nonce: row.try_get(first + 6)?,
        receipt: row.try_get(first + 2)?,
    })
}

pub(super) async fn last_receipt(
    conn: &mut Conn,
    round: &RoundId,
    model: &ModelId,
) -> Result<Option<Receipt>, PredictionError> {
    let row = sqlx::query(
        "SELECT posted_ppm, ask, receipt, seal, salt, seal_index, nonce FROM predictions \
         WHERE round_id = $1 AND model_id = $2 ORDER BY sequence DESC LIMIT 1",
    )
    .bind(round.to_string())
    .bind(model.as_str())
    .fetch_optional(conn)
    .await?;
    row.map(|row| last(&row, 0)?.receipt()).transpose()
}

pub(super) async fn latest(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Vec<Latest>, PredictionError> {
    let rows = sqlx::query(
        "SELECT p.model_id, p.sequence, p.posted_ppm, p.counted_ppm, p.ask FROM predictions p \
         JOIN (SELECT model_id, MAX(sequence) AS last FROM predictions WHERE round_id = $1 \
               GROUP BY model_id) l ON p.sequence = l.last \
         WHERE p.seal = '' OR p.salt <> '' ORDER BY p.model_id",
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

pub(super) async fn acknowledged(
    conn: &mut Conn,
    round: &RoundId,
    after: i64,
    limit: i64,
) -> Result<Vec<Acknowledged>, PredictionError> {
    let rows = sqlx::query(
        "SELECT sequence, model_id, received_us FROM predictions \
         WHERE round_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
    )
    .bind(round.to_string())
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let read = |row: &AnyRow| {
        Ok(Acknowledged {
            sequence: row.try_get(0)?,
            model: model(row, 1)?,
            received_us: row.try_get(2)?,
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

/// A seal or a salt; an empty text stands for none.
fn hash(row: &AnyRow, column: usize) -> Result<Option<B256>, PredictionError> {
    let text: String = row.try_get(column)?;
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse();
    parsed
        .map(Some)
        .map_err(|_| PredictionError::Broken(format!("{text:?} is no hash")))
}

fn hash_text(hash: Option<B256>) -> String {
    hash.map(|hash| hash.to_string()).unwrap_or_default()
}
