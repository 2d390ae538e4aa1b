//! All SQL of the runs' receipts.

use alloy::primitives::{Address, B256};
use domain::{ModelId, RoundId};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::ReceiptsError;
use crate::db::{Conn, placeholders};
use crate::record::run::{ModelRow, RuntimeRow};

/// Rows of one statement; twelve columns each stay far under SQLite's 32,766 placeholders.
const ROWS_PER_STATEMENT: usize = 500;

const SELECT: &str = "SELECT r.sequence, r.round_id, r.model_id, r.status, r.cpu_ms, r.finished_us,
        r.runner, r.runtime, r.outputs, r.hash, r.signature, r.signer, m.artifact, m.canonical,
        o.input_root
    FROM run_receipts r
    JOIN run_round_models m ON m.round_id = r.round_id AND m.model_id = r.model_id
    JOIN run_rounds o ON o.round_id = r.round_id";

/// What the freeze fixes.
pub(super) struct Opening {
    pub(super) features: String,
    pub(super) names: String,
    pub(super) models_root: B256,
    pub(super) input_root: B256,
}

/// What the lock adds, once.
pub(super) struct Seal {
    pub(super) seed: B256,
    pub(super) receipts_root: B256,
    /// Later receipts of the round are not under the root.
    pub(super) last_sequence: i64,
    pub(super) sealed_us: i64,
}

/// An opened round with its feature block.
pub(super) struct Opened {
    pub(super) features: String,
    pub(super) names: String,
    pub(super) models_root: B256,
    pub(super) input_root: B256,
    pub(super) rows: u64,
    pub(super) columns: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) seal: Option<Seal>,
}

/// A receipt with what it says of its model and round.
pub(super) struct Row {
    pub(super) sequence: i64,
    pub(super) round: RoundId,
    pub(super) model: ModelId,
    pub(super) status: String,
    pub(super) cpu_ms: i64,
    pub(super) finished_us: i64,
    pub(super) runner: String,
    pub(super) runtime: B256,
    pub(super) outputs: Vec<u8>,
    pub(super) hash: B256,
    pub(super) signature: String,
    pub(super) signer: Address,
    pub(super) artifact: String,
    pub(super) canonical: Option<String>,
    pub(super) input_root: B256,
}

/// Whether the round is new.
pub(super) async fn insert_round(
    conn: &mut Conn,
    now_us: i64,
    round: &RoundId,
    opening: &Opening,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO run_rounds (round_id, features, names, models_root, input_root, opened_us,
                                 seed, receipts_root, last_sequence, sealed_us)
         VALUES ($1, $2, $3, $4, $5, $6, '', '', 0, 0) ON CONFLICT DO NOTHING",
    )
    .bind(round.to_string())
    .bind(&opening.features)
    .bind(&opening.names)
    .bind(opening.models_root.to_string())
    .bind(opening.input_root.to_string())
    .bind(now_us)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn insert_models(
    conn: &mut Conn,
    round: &RoundId,
    models: &[ModelRow],
) -> Result<(), sqlx::Error> {
    for chunk in models.chunks(ROWS_PER_STATEMENT) {
        let text = format!(
            "INSERT INTO run_round_models (round_id, model_id, artifact, canonical) VALUES {}",
            placeholders(chunk.len(), 4)
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for row in chunk {
            query = query
                .bind(round.to_string())
                .bind(row.model.as_str())
                .bind(&row.artifact)
                .bind(row.canonical.as_deref().unwrap_or_default());
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

pub(super) async fn round(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Option<Opened>, ReceiptsError> {
    let row = sqlx::query(
        "SELECT o.features, o.names, o.models_root, o.input_root, o.seed, o.receipts_root,
                o.last_sequence, o.sealed_us, f.row_count, f.column_count, f.bytes
         FROM run_rounds o JOIN feature_blocks f ON f.digest = o.features WHERE o.round_id = $1",
    )
    .bind(round.to_string())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let sealed_us: i64 = row.try_get("sealed_us")?;
    let seal = match sealed_us {
        0 => None,
        sealed_us => Some(Seal {
            seed: hash(&row, "seed")?,
            receipts_root: hash(&row, "receipts_root")?,
            last_sequence: row.try_get("last_sequence")?,
            sealed_us,
        }),
    };
    let count = |name: &str| -> Result<u64, ReceiptsError> {
        let stored: i64 = row.try_get(name)?;
        u64::try_from(stored).map_err(|_| ReceiptsError::Broken(format!("{name} is {stored}")))
    };
    Ok(Some(Opened {
        features: row.try_get("features")?,
        names: row.try_get("names")?,
        models_root: hash(&row, "models_root")?,
        input_root: hash(&row, "input_root")?,
        rows: count("row_count")?,
        columns: count("column_count")?,
        bytes: row.try_get("bytes")?,
        seal,
    }))
}

/// The models of a round by id.
pub(super) async fn models(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Vec<ModelRow>, ReceiptsError> {
    let rows = sqlx::query(
        "SELECT model_id, artifact, canonical FROM run_round_models WHERE round_id = $1",
    )
    .bind(round.to_string())
    .fetch_all(conn)
    .await?;
    let row = |row: &AnyRow| -> Result<ModelRow, ReceiptsError> {
        Ok(ModelRow {
            model: id(row, "model_id")?,
            artifact: row.try_get("artifact")?,
            canonical: canonical(row)?,
        })
    };
    let mut models: Vec<ModelRow> = rows.iter().map(row).collect::<Result<_, _>>()?;
    // Sorted here: databases differ in how they order text.
    models.sort_by(|a, b| a.model.as_str().cmp(b.model.as_str()));
    Ok(models)
}

/// Whether the round had no seal.
pub(super) async fn seal(
    conn: &mut Conn,
    round: &RoundId,
    seal: &Seal,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE run_rounds SET seed = $1, receipts_root = $2, last_sequence = $3, sealed_us = $4
         WHERE round_id = $5 AND sealed_us = 0",
    )
    .bind(seal.seed.to_string())
    .bind(seal.receipts_root.to_string())
    .bind(seal.last_sequence)
    .bind(seal.sealed_us)
    .bind(round.to_string())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The number of the last receipt; the row stays locked until the transaction ends, so that a
/// number is neither given twice nor skipped.
pub(super) async fn hold_sequence(conn: &mut Conn) -> Result<i64, sqlx::Error> {
    let row = sqlx::query("UPDATE run_sequence SET last = last WHERE id = 1 RETURNING last")
        .fetch_one(conn)
        .await?;
    row.try_get(0)
}

pub(super) async fn set_sequence(conn: &mut Conn, last: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE run_sequence SET last = $1 WHERE id = 1")
        .bind(last)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn insert_runtime(
    conn: &mut Conn,
    digest: B256,
    runtime: &RuntimeRow,
) -> Result<(), ReceiptsError> {
    let text =
        serde_json::to_string(runtime).map_err(|error| ReceiptsError::Broken(error.to_string()))?;
    sqlx::query(
        "INSERT INTO run_runtimes (digest, description) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    )
    .bind(digest.to_string())
    .bind(text)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn runtime(
    conn: &mut Conn,
    digest: B256,
) -> Result<Option<RuntimeRow>, ReceiptsError> {
    let row = sqlx::query("SELECT description FROM run_runtimes WHERE digest = $1")
        .bind(digest.to_string())
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let text: String = row.try_get(0)?;
    let runtime = serde_json::from_str(&text);
    runtime
        .map(Some)
        .map_err(|error| ReceiptsError::Broken(error.to_string()))
}

/// A number that was given before is an error and nothing may be committed.
pub(super) async fn insert(conn: &mut Conn, rows: &[Row]) -> Result<(), sqlx::Error> {
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        let text = format!(
            "INSERT INTO run_receipts (sequence, round_id, model_id, status, cpu_ms, finished_us,
                                       runner, runtime, outputs, hash, signature, signer)
             VALUES {}",
            placeholders(chunk.len(), 12)
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for row in chunk {
            query = query
                .bind(row.sequence)
                .bind(row.round.to_string())
                .bind(row.model.as_str())
                .bind(&row.status)
                .bind(row.cpu_ms)
                .bind(row.finished_us)
                .bind(&row.runner)
                .bind(row.runtime.to_string())
                .bind(row.outputs.clone())
                .bind(row.hash.to_string())
                .bind(&row.signature)
                .bind(row.signer.to_string());
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

/// The receipts of a round by model id, those of one model by number.
pub(super) async fn of_round(conn: &mut Conn, round: &RoundId) -> Result<Vec<Row>, ReceiptsError> {
    let rows = sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE r.round_id = $1")))
        .bind(round.to_string())
        .fetch_all(conn)
        .await?;
    let mut rows: Vec<Row> = rows.iter().map(row).collect::<Result<_, _>>()?;
    rows.sort_by(|a, b| {
        let models = a.model.as_str().cmp(b.model.as_str());
        models.then(a.sequence.cmp(&b.sequence))
    });
    Ok(rows)
}

/// The receipts of a model below a number, the latest first.
pub(super) async fn of_model(
    conn: &mut Conn,
    model: &ModelId,
    before: i64,
    limit: i64,
) -> Result<Vec<Row>, ReceiptsError> {
    let text = format!(
        "{SELECT} WHERE r.model_id = $1 AND r.sequence < $2 ORDER BY r.sequence DESC LIMIT $3"
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(model.as_str())
        .bind(before)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(row).collect()
}

fn row(row: &AnyRow) -> Result<Row, ReceiptsError> {
    let signer: String = row.try_get("signer")?;
    Ok(Row {
        sequence: row.try_get("sequence")?,
        round: id(row, "round_id")?,
        model: id(row, "model_id")?,
        status: row.try_get("status")?,
        cpu_ms: row.try_get("cpu_ms")?,
        finished_us: row.try_get("finished_us")?,
        runner: row.try_get("runner")?,
        runtime: hash(row, "runtime")?,
        outputs: row.try_get("outputs")?,
        hash: hash(row, "hash")?,
        signature: row.try_get("signature")?,
        signer: signer
            .parse()
            .map_err(|_| ReceiptsError::Broken(format!("signer {signer}")))?,
        artifact: row.try_get("artifact")?,
        canonical: canonical(row)?,
        input_root: hash(row, "input_root")?,
    })
}

fn canonical(row: &AnyRow) -> Result<Option<String>, sqlx::Error> {
    let text: String = row.try_get("canonical")?;
    Ok((!text.is_empty()).then_some(text))
}

fn hash(row: &AnyRow, name: &str) -> Result<B256, ReceiptsError> {
    let text: String = row.try_get(name)?;
    text.parse()
        .map_err(|_| ReceiptsError::Broken(format!("{name} is {text:?}")))
}

fn id<T: std::str::FromStr>(row: &AnyRow, name: &str) -> Result<T, ReceiptsError> {
    let text: String = row.try_get(name)?;
    text.parse()
        .map_err(|_| ReceiptsError::Broken(format!("{name} is {text:?}")))
}
