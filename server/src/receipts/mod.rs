//! Receipts of hosted models' runs: what each ran on, what it answered, what ran it, signed.
//!
//! Owns `run_rounds`, `run_round_models`, `run_runtimes`, `run_receipts` and `run_sequence`. Rows are
//! only added, but for the seal that a round gets once, at its lock. Never executes a model, never
//! decides whether a prediction counts, and never tells who may see what: its callers do.

mod draft;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256};
use contracts::runs::{self, InputBlock, ModelRun, models_root, output_root};
use domain::timestamp::rfc3339;
use domain::{ModelId, RoundId};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::db::Conn;
use crate::models::Model;
use crate::predictions::{Counted, PredictionError, ReceiptSigner};
use crate::record::run::{
    CommittedRow, InputRow, ModelRow, Place, RUNS_FORMAT, RanRow, ReceiptRow, RunsFile, RuntimeRow,
};
use crate::runners::Status;
use draft::{Draft, Earlier, write_drafts};

/// Status of a receipt whose model gave no answer before the lock.
pub const NO_ANSWER: &str = "no-answer";
/// Most characters of a part of a runtime's description.
const PART_LIMIT: usize = 200;

/// Why a receipt cannot be written or read.
#[derive(Debug, Error)]
pub enum ReceiptsError {
    /// The signature failed.
    #[error(transparent)]
    Signing(#[from] PredictionError),
    /// A stored row breaks its own rules.
    #[error("stored run is broken: {0}")]
    Broken(String),
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What the models of a round are given.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// float32 features, row-major.
    pub features: &'a [f32],
    /// The columns' names in their order: one for each column, or none.
    pub names: &'a [&'a str],
    /// Columns.
    pub columns: usize,
}

/// Who answered, and when.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The runner's name.
    pub runner: String,
    /// When the answer had been read whole, market microseconds.
    pub finished_us: i64,
}

/// One model's answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The model.
    pub model: ModelId,
    /// How it fared.
    pub status: Status,
    /// Processor milliseconds.
    pub cpu_ms: i64,
    /// What it answered, one a row; empty unless it did.
    pub output: Vec<f32>,
    /// What the runner says ran it; none from a runner that says nothing.
    pub runtime: Option<RuntimeRow>,
}

/// Roots of a round that stand from the freeze on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roots {
    /// Over the models that are to run.
    pub models: B256,
    /// Over what they are given.
    pub input: B256,
}

/// A receipt of one model, for a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The receipt.
    pub receipt: ReceiptRow,
    /// What ran the model.
    pub runtime: Option<RuntimeRow>,
}

/// Which receipts of a round are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that the lock found: they never change.
    InTime,
    /// All that there are by now.
    All,
}

/// Fixes which models run in a round and what they are given; part of the transaction that
/// publishes the job, whose feature block must be stored. A second call changes nothing.
///
/// # Errors
/// [`ReceiptsError::Broken`] when a model's artifact has no digest.
pub async fn open(
    conn: &mut Conn,
    now_us: i64,
    round: &RoundId,
    given: Given<'_>,
    models: &[Model],
) -> Result<(), ReceiptsError> {
    let mut rows: Vec<ModelRow> = models.iter().map(model_row).collect();
    rows.sort_by(|a, b| a.model.as_str().cmp(b.model.as_str()));
    let listed = rows.iter().map(|row| {
        let broken = || ReceiptsError::Broken(format!("artifact of {}", row.model));
        row.run().ok_or_else(broken)
    });
    let listed = listed.collect::<Result<Vec<ModelRun>, _>>()?;
    let bytes: Vec<u8> = given
        .features
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let sha256 = Sha256::digest(&bytes);
    let columns = given.columns.max(1);
    let input = runs::input_root(&InputBlock {
        rows: (given.features.len() / columns) as u64,
        columns: columns as u64,
        names: given.names,
        sha256: B256::from_slice(&sha256),
        bytes: &bytes,
    });
    let opening = store::Opening {
        features: hex::encode(sha256),
        names: given.names.join("\n"),
        models_root: models_root(&listed),
        input_root: input,
    };
    if store::insert_round(conn, now_us, round, &opening).await? {
        store::insert_models(conn, round, &rows).await?;
    }
    Ok(())
}

/// Writes receipts for answers, in the transaction that stores the answers. A model that has its
/// receipt, or was not to run, is passed over; so is a round that was never opened here.
///
/// # Errors
/// When signing or the database fails; then nothing may be committed.
pub async fn write(
    conn: &mut Conn,
    signer: &ReceiptSigner,
    round: &RoundId,
    executed: &Executed,
    answers: &[Answer],
) -> Result<(), ReceiptsError> {
    let drafts = answers.iter().map(Draft::of).collect();
    write_drafts(conn, signer, round, executed, drafts, Earlier::Stays).await
}

/// As [`write()`], for an answer that replaces an earlier one, as where a comparison of several runners
/// decided against the first. The earlier receipt stays stored; the latest of the lock is the one
/// that the round's commitment holds.
///
/// # Errors
/// As [`write()`].
pub async fn correct(
    conn: &mut Conn,
    signer: &ReceiptSigner,
    round: &RoundId,
    executed: &Executed,
    answers: &[Answer],
) -> Result<(), ReceiptsError> {
    let drafts = answers.iter().map(Draft::of).collect();
    write_drafts(conn, signer, round, executed, drafts, Earlier::IsReplaced).await
}

/// Writes a receipt for every model of a round that has none and no counted prediction: it did not
/// answer. Part of the lock.
///
/// # Errors
/// As [`write()`].
pub async fn close(
    conn: &mut Conn,
    signer: &ReceiptSigner,
    now_us: i64,
    round: &RoundId,
    counted: &[Counted],
) -> Result<(), ReceiptsError> {
    let has_counted: BTreeSet<&ModelId> = counted.iter().map(|one| &one.model).collect();
    let models = store::models(conn, round).await?;
    let silent = models
        .into_iter()
        // Its answer is on its way from one transaction to the next, and so is its receipt.
        .filter(|row| !has_counted.contains(&row.model));
    let drafts = silent.map(|row| Draft {
        model: row.model,
        status: NO_ANSWER.to_owned(),
        cpu_ms: 0,
        output: Vec::new(),
        runtime: None,
    });
    let nobody = Executed {
        runner: String::new(),
        finished_us: now_us,
    };
    let drafts = drafts.collect();
    write_drafts(conn, signer, round, &nobody, drafts, Earlier::Stays).await
}

/// The salt of a round's commitment. Where hosted models were to run, it holds their roots and the
/// root over the receipts of this moment, and is kept; else it is the seed. Once, in the lock.
///
/// # Errors
/// Database errors and broken rows.
pub async fn seal(
    conn: &mut Conn,
    now_us: i64,
    round: &RoundId,
    seed: [u8; 32],
) -> Result<[u8; 32], ReceiptsError> {
    let Some(opened) = store::round(conn, round).await? else {
        return Ok(seed);
    };
    let found = latest(store::of_round(conn, round).await?);
    let leaves = found.iter().map(|row| (row.model.as_str(), row.hash));
    let root = runs::receipts_root(&leaves.collect::<Vec<_>>());
    let last = found.iter().map(|row| row.sequence).max().unwrap_or(0);
    let seal = store::Seal {
        seed: B256::from(seed),
        receipts_root: root,
        last_sequence: last,
        sealed_us: now_us.max(1),
    };
    if !store::seal(conn, round, &seal).await? {
        return Err(ReceiptsError::Broken(format!("{round} is sealed already")));
    }
    Ok(runs::salt(seal.seed, opened.models_root, opened.input_root, root).0)
}

/// The roots of a round; none when no hosted model was to run.
///
/// # Errors
/// Database errors and broken rows.
pub async fn roots(conn: &mut Conn, round: &RoundId) -> Result<Option<Roots>, ReceiptsError> {
    let opened = store::round(conn, round).await?;
    Ok(opened.map(|opened| Roots {
        models: opened.models_root,
        input: opened.input_root,
    }))
}

/// The runs of a round; none when no hosted model was to run.
///
/// # Errors
/// Database errors and broken rows.
pub async fn of_round(
    conn: &mut Conn,
    chain_id: u64,
    registry: Address,
    round: &RoundId,
    which: Which,
) -> Result<Option<RunsFile>, ReceiptsError> {
    let Some(opened) = store::round(conn, round).await? else {
        return Ok(None);
    };
    let sealed = opened.seal.as_ref();
    let in_time = |row: &store::Row| sealed.is_some_and(|seal| row.sequence <= seal.last_sequence);
    let mut rows = store::of_round(conn, round).await?;
    rows.retain(|row| which == Which::All || in_time(row));
    let rows = latest(rows);
    let runtimes = runtimes(conn, &rows).await?;
    let committed = sealed.map(|seal| CommittedRow {
        seed: seal.seed,
        receipts_root: seal.receipts_root,
        salt: runs::salt(
            seal.seed,
            opened.models_root,
            opened.input_root,
            seal.receipts_root,
        ),
    });
    let models = store::models(conn, round).await?;
    let ran = rows.iter().map(|row| RanRow {
        receipt: receipt(row),
        output: hex::encode(&row.outputs),
        in_time: in_time(row),
    });
    Ok(Some(RunsFile {
        format: RUNS_FORMAT.to_owned(),
        place: Place::of(round, chain_id, registry),
        input: InputRow {
            rows: opened.rows,
            columns: opened.columns,
            names: opened.names.lines().map(str::to_owned).collect(),
            sha256: opened.features,
            bytes: hex::encode(&opened.bytes),
        },
        models,
        runtimes: runtimes.into_values().collect(),
        runs: ran.collect(),
        committed,
    }))
}

/// Receipts of a model, the latest first, numbered below `before` where it is given.
///
/// # Errors
/// Database errors and broken rows.
pub async fn of_model(
    conn: &mut Conn,
    model: &ModelId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Listed>, ReceiptsError> {
    let rows = store::of_model(conn, model, before.unwrap_or(i64::MAX), limit).await?;
    let runtimes = runtimes(conn, &rows).await?;
    let listed = rows.iter().map(|row| Listed {
        receipt: receipt(row),
        runtime: runtimes.get(&row.runtime).cloned(),
    });
    Ok(listed.collect())
}

/// A runtime's description with bounded parts; none when its library's digest is none.
#[must_use]
pub fn bounded(mut runtime: RuntimeRow) -> Option<RuntimeRow> {
    for part in [
        &mut runtime.profile,
        &mut runtime.ort_version,
        &mut runtime.provider,
        &mut runtime.options,
        &mut runtime.isa,
        &mut runtime.build,
        &mut runtime.sandbox,
    ] {
        *part = part.chars().take(PART_LIMIT).collect();
    }
    runtime.digest().map(|_| runtime)
}

/// The last receipt of each model; rows come by model and number.
fn latest(rows: Vec<store::Row>) -> Vec<store::Row> {
    let mut kept: Vec<store::Row> = Vec::with_capacity(rows.len());
    for row in rows {
        kept.pop_if(|last| last.model == row.model);
        kept.push(row);
    }
    kept
}

fn receipt(row: &store::Row) -> ReceiptRow {
    let number = |stored: i64| u64::try_from(stored).unwrap_or_default();
    let (answers, _) = row.outputs.as_chunks::<4>();
    let answers: Vec<f32> = answers
        .iter()
        .map(|four| f32::from_le_bytes(*four))
        .collect();
    ReceiptRow {
        sequence: number(row.sequence),
        round: row.round.clone(),
        model: row.model.clone(),
        model_digest: row.artifact.clone(),
        canonical_digest: row.canonical.clone(),
        input_root: row.input_root,
        output_root: output_root(&answers),
        runtime_digest: row.runtime,
        status: row.status.clone(),
        cpu_ms: number(row.cpu_ms),
        finished_at: rfc3339(row.finished_us),
        finished_us: number(row.finished_us),
        runner: row.runner.clone(),
        hash: row.hash,
        signature: row.signature.clone(),
        signer: row.signer,
    }
}

async fn runtimes(
    conn: &mut Conn,
    rows: &[store::Row],
) -> Result<BTreeMap<B256, RuntimeRow>, ReceiptsError> {
    let named: BTreeSet<B256> = rows.iter().map(|row| row.runtime).collect();
    let mut found = BTreeMap::new();
    for digest in named {
        if let Some(runtime) = store::runtime(conn, digest).await? {
            found.insert(digest, runtime);
        }
    }
    Ok(found)
}

/// The canonical digest is what the check of the upload found, where it made one.
fn model_row(model: &Model) -> ModelRow {
    let card: serde_json::Value = serde_json::from_str(&model.card).unwrap_or_default();
    let canonical = card
        .get("canonical_digest")
        .and_then(serde_json::Value::as_str)
        .filter(|digest| digest.len() == 64 && hex::decode(digest).is_ok());
    ModelRow {
        model: model.id.clone(),
        artifact: model.artifact.clone(),
        canonical: canonical.map(str::to_owned),
    }
}
