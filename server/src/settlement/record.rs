//! The public record of a batch as files, and the proofs that wallets withdraw with. The record's
//! hash stands on the chain; the files are the same whenever they are built.

use std::collections::HashMap;

use alloy::primitives::{Address, B256};
use contracts::changes::Change;
use contracts::tree::{LedgerLeaf, LedgerSums, Proof};
use domain::{ModelId, Outcome, Probability, RoundId, RoundState};
use scorer::skill::reference_half_even;
use serde::Serialize;

use super::batch::{hash, stored_units};
use super::lock::start_s;
use super::store::batches::Stored;
use super::{Lock, SettlementError, broken, store, tree};
use crate::chain::Deployment;
use crate::db::Conn;
use crate::predictions::{self, Counted, Opening, PredictionError, Unopened};
use crate::prices::Resolution;
use crate::receipts::Which;
use crate::record::RecordFile;
use crate::record::format::{
    BATCH_FORMAT, BatchFile, ChangeRow, DEPLOYMENT_PATH, DeploymentFile, FileRef, IndexEntry,
    Pointer, PredictionRow, ROUND_FORMAT, RoundFile, RoundRef, RunsRef, ScoreRow, SealRow,
    SkillRow, TournamentRef, UnopenedRow, batch_path, bytes_of, digest, evidence_path,
    pointer_path, round_path, rule_path,
};
use crate::record::run::runs_path;
use crate::{models, prices, receipts, rounds, scores, stakes};

/// The files of a batch and its line in the index.
#[derive(Clone, Debug)]
pub struct BatchRecord {
    /// In the order in which they are published.
    pub files: Vec<RecordFile>,
    /// What makes the batch known.
    pub entry: IndexEntry,
}

/// The public record of a batch, by its id. `rpc` is the node's address where people may know it.
///
/// # Errors
/// [`SettlementError::Broken`] when it is not what was planned.
pub async fn record(
    conn: &mut Conn,
    deployment: &Deployment,
    rpc: Option<String>,
    id: &str,
) -> Result<BatchRecord, SettlementError> {
    let stored = super::batch::get(conn, id).await?;
    let changes = store::batches::changes(conn, id).await?;
    let mut record = build(conn, deployment, &stored, &changes).await?;
    if record.entry.keccak256.to_string() != stored.batch.record_hash {
        return Err(broken(format!(
            "the record of batch {id} is not the one that was planned"
        )));
    }
    record
        .files
        .push(deployment_file(conn, deployment, rpc).await?);
    Ok(record)
}

/// Everything but the deployment, which may change beside a batch.
pub(super) async fn build(
    conn: &mut Conn,
    deployment: &Deployment,
    stored: &Stored,
    changes: &[Change],
) -> Result<BatchRecord, SettlementError> {
    let batch = &stored.batch;
    let mut files = Vec::new();
    let mut round_refs = Vec::with_capacity(batch.rounds.len());
    for round in &batch.rounds {
        round_refs.push(round_files(conn, deployment, round, &mut files).await?);
    }
    let vault: Address = batch
        .vault
        .parse()
        .map_err(|_| broken(format!("vault {}", batch.vault)))?;
    let file = BatchFile {
        format: BATCH_FORMAT.to_owned(),
        chain_id: deployment.chain_id,
        registry: deployment.registry,
        vault,
        seq: batch.seq,
        attempt: batch.attempt,
        prev_root: hash(&batch.prev_root)?,
        new_top: stored.new_top,
        new_root: hash(&batch.new_root)?,
        burned: batch.burned.units(),
        pool_used: stored_units(stored.pool_used)?,
        changes: changes.iter().map(change_row).collect(),
        rounds: round_refs,
    };
    let path = batch_path(vault, batch.seq, batch.attempt);
    let written = json_file(path.clone(), &file)?;
    let entry = IndexEntry {
        vault,
        seq: batch.seq,
        attempt: batch.attempt,
        rounds: batch.rounds.len(),
        file: path.clone(),
        keccak256: digest(&written.bytes),
    };
    files.push(written);
    for round in &batch.rounds {
        let pointer = Pointer {
            batch: path.clone(),
        };
        files.push(json_file(pointer_path(round), &pointer)?);
    }
    Ok(BatchRecord { files, entry })
}

fn change_row(change: &Change) -> ChangeRow {
    ChangeRow {
        index: change.index,
        stake_delta: change.stake_delta,
        pool_reward: change.pool_reward,
    }
}

fn json_file(path: String, content: &impl Serialize) -> Result<RecordFile, SettlementError> {
    let bytes = bytes_of(content).map_err(|error| broken(error.to_string()))?;
    Ok(RecordFile { path, bytes })
}

/// What a round's file is made of.
struct Facts {
    lock: Lock,
    entered: rounds::Entered,
    /// Up or down; none when the round is void.
    direction: Option<domain::Direction>,
    void_reason: String,
    resolution: Option<Resolution>,
    counted: Vec<Counted>,
    /// Seals that were opened, by the number of the prediction that opened them.
    openings: HashMap<i64, Opening>,
    never_revealed: Vec<Unopened>,
}

async fn facts(conn: &mut Conn, id: &RoundId) -> Result<Facts, SettlementError> {
    let lock = store::rounds::lock(conn, id).await?;
    let lock = lock.ok_or_else(|| SettlementError::NotLocked(id.clone()))?;
    let round = rounds::get(conn, id).await?;
    let is_void = round.state == RoundState::Void;
    let resolution = prices::resolution(conn, id).await?;
    let direction = match resolution.as_ref().map(|resolution| resolution.outcome) {
        Some(Outcome::Direction(direction)) if !is_void => Some(direction),
        _ if is_void => None,
        _ => return Err(broken(format!("{id} has no outcome"))),
    };
    let counted = predictions::counted(conn, id).await;
    let openings = predictions::openings(conn, id).await;
    let never_revealed = predictions::unopened(conn, id).await;
    let unread = |error: PredictionError| broken(error.to_string());
    Ok(Facts {
        lock,
        entered: rounds::tournament(conn, id.tournament()).await?,
        direction,
        void_reason: round.void_reason,
        resolution,
        counted: counted.map_err(unread)?,
        openings: openings.map_err(unread)?,
        never_revealed: never_revealed.map_err(unread)?,
    })
}

/// Adds the files of a round: rule, evidence, the round itself.
async fn round_files(
    conn: &mut Conn,
    deployment: &Deployment,
    id: &RoundId,
    files: &mut Vec<RecordFile>,
) -> Result<RoundRef, SettlementError> {
    let facts = facts(conn, id).await?;
    let rule = RecordFile {
        path: rule_path(id.tournament()),
        bytes: facts.entered.file.clone().into_bytes(),
    };
    if !files.contains(&rule) {
        files.push(rule);
    }
    if let Some(resolution) = &facts.resolution {
        files.push(RecordFile {
            path: evidence_path(id),
            bytes: resolution.evidence.clone().into_bytes(),
        });
    }
    let predictions = prediction_rows(conn, id, &facts).await?;
    let mut file = round_file(deployment, id, &facts, predictions)?;
    file.runs = runs_file(conn, deployment, id, files).await?;
    let bytes = json_file(String::new(), &file)?.bytes;
    let keccak256 = digest(&bytes);
    let path = round_path(id, keccak256);
    files.push(RecordFile {
        path: path.clone(),
        bytes,
    });
    Ok(RoundRef {
        round: id.clone(),
        outcome: file.outcome,
        void_reason: file.void_reason,
        at: FileRef {
            file: path,
            keccak256,
        },
    })
}

fn round_file(
    deployment: &Deployment,
    id: &RoundId,
    facts: &Facts,
    predictions: Predictions,
) -> Result<RoundFile, SettlementError> {
    let lock = &facts.lock;
    // What a round says of prices counts only when it has an outcome.
    let decided = facts
        .resolution
        .as_ref()
        .filter(|_| facts.direction.is_some());
    let evidence = facts.resolution.as_ref().map(|resolution| {
        Ok::<_, SettlementError>(FileRef {
            file: evidence_path(id),
            keccak256: hash(&resolution.evidence_hash)?,
        })
    });
    let price = |price: Option<domain::Price>| price.map(|price| price.to_string());
    Ok(RoundFile {
        format: ROUND_FORMAT.to_owned(),
        round: id.clone(),
        chain_id: deployment.chain_id,
        registry: deployment.registry,
        tournament_key: lock.tournament_key,
        starts_at: start_s(id)?,
        chain_round: lock.chain_round,
        rule_file: rule_path(id.tournament()),
        rule_hash: rule_hash(&facts.entered)?,
        rule: facts.entered.tournament.clone(),
        outcome: facts
            .direction
            .map_or(Outcome::Void, Outcome::Direction)
            .name()
            .to_owned(),
        void_reason: facts.void_reason.clone(),
        p0: decided.and_then(|resolution| price(resolution.p0)),
        p1: decided.and_then(|resolution| price(resolution.p1)),
        return_e12: decided.map(|resolution| resolution.return_e12),
        evidence: evidence.transpose()?,
        total_w: lock.total_w.units(),
        total_p: lock.total_p,
        top: lock.top_hash,
        root: lock.root,
        salt: lock.salt,
        commitment: lock.commitment,
        reference_ppm: predictions.reference.map(Probability::ppm),
        burned: predictions.burned,
        predictions: predictions.rows,
        never_revealed: facts.never_revealed.iter().map(UnopenedRow::from).collect(),
        runs: None,
    })
}

/// Adds the file of the runs that the round's salt holds; none in a round without any.
async fn runs_file(
    conn: &mut Conn,
    deployment: &Deployment,
    id: &RoundId,
    files: &mut Vec<RecordFile>,
) -> Result<Option<RunsRef>, SettlementError> {
    let (chain_id, registry) = (deployment.chain_id, deployment.registry);
    let runs = receipts::of_round(conn, chain_id, registry, id, Which::InTime).await;
    let Some(runs) = runs.map_err(|error| broken(error.to_string()))? else {
        return Ok(None);
    };
    let Some(committed) = &runs.committed else {
        return Ok(None);
    };
    let roots = runs.models_tree().map(|tree| tree.root());
    let roots = roots.zip(runs.input.root());
    let (models_root, (input_root, _)) =
        roots.ok_or_else(|| broken(format!("the runs of {id}")))?;
    let (receipts_root, seed) = (committed.receipts_root, committed.seed);
    let written = json_file(runs_path(id), &runs)?;
    let at = FileRef {
        file: written.path.clone(),
        keccak256: digest(&written.bytes),
    };
    files.push(written);
    Ok(Some(RunsRef {
        models_root,
        input_root,
        receipts_root,
        seed,
        at,
    }))
}

fn rule_hash(entered: &rounds::Entered) -> Result<B256, SettlementError> {
    hash(&format!("0x{}", entered.rule_hash))
}

struct Predictions {
    rows: Vec<PredictionRow>,
    reference: Option<Probability>,
    burned: u64,
}

/// Predictions beside their stored scores and payouts; a void round has neither.
async fn prediction_rows(
    conn: &mut Conn,
    id: &RoundId,
    facts: &Facts,
) -> Result<Predictions, SettlementError> {
    let ids: Vec<ModelId> = facts.counted.iter().map(|one| one.model.clone()).collect();
    let found = models::by_ids(conn, &ids).await;
    let found = found.map_err(|error| broken(error.to_string()))?;
    let is_reference = |model: &ModelId| {
        let found = found.iter().find(|one| one.id == *model);
        found.is_some_and(|one| one.is_reference)
    };
    let spoken = facts.counted.iter().filter(|one| is_reference(&one.model));
    let spoken: Vec<Probability> = spoken.map(|one| one.counted).collect();
    let reference = facts.direction.map(|_| reference_half_even(&spoken));
    let (mut scored, mut paid) = (HashMap::new(), HashMap::new());
    if facts.direction.is_some() {
        let rows = scores::of_round(conn, id).await;
        let rows = rows.map_err(|error| broken(error.to_string()))?;
        scored.extend(
            rows.iter()
                .map(|row| (row.model.clone(), ScoreRow::from(row))),
        );
        let payouts = store::rounds::payouts(conn, id).await?;
        paid.extend(payouts.into_iter().map(|one| (one.model, one.delta)));
    }
    let burned = super::sum(paid.values().copied()).saturating_neg();
    let rows = facts.counted.iter().map(|one| PredictionRow {
        model: one.model.to_string(),
        index: one.model_index,
        w: one.at_risk.units(),
        p: one.counted.ppm(),
        posted: one.posted.ppm(),
        sequence: one.sequence,
        seal: facts.openings.get(&one.sequence).map(SealRow::from),
        is_reference: is_reference(&one.model),
        scores: scored.get(&one.model).copied(),
        skill: facts
            .direction
            .zip(reference)
            .filter(|_| one.model_index.is_some())
            .map(|(y, reference)| SkillRow::of(one.counted, reference, y)),
        delta: paid.get(&one.model).map_or(0, |delta| delta.units()),
        fee_share: 0,
    });
    let mut rows: Vec<PredictionRow> = rows.collect();
    rows.sort_by(|a, b| a.model.cmp(&b.model));
    Ok(Predictions {
        rows,
        reference,
        burned: u64::try_from(burned).map_err(|_| broken(format!("{id} pays {burned} more")))?,
    })
}

async fn deployment_file(
    conn: &mut Conn,
    deployment: &Deployment,
    rpc: Option<String>,
) -> Result<RecordFile, SettlementError> {
    let mut tournaments = Vec::new();
    for entered in rounds::tournaments(conn).await? {
        tournaments.push(TournamentRef {
            key: hash(&entered.chain_key)?,
            rule_hash: rule_hash(&entered)?,
            file: rule_path(&entered.tournament.id),
            id: entered.tournament.id,
        });
    }
    let signers = predictions::receipt_signers(conn).await;
    let contracts = serde_json::to_value(deployment);
    let file = DeploymentFile {
        chain_id: deployment.chain_id,
        registry: deployment.registry,
        vaults: [("direction".to_owned(), deployment.vault)].into(),
        deployed_block: deployment.deployed_block,
        receipt_signers: signers.map_err(|error| broken(error.to_string()))?,
        rpc,
        tournaments,
        contracts: contracts.map_err(|error| broken(error.to_string()))?,
    };
    json_file(DEPLOYMENT_PATH.to_owned(), &file)
}

/// A model's entry in the ledger at the last final batch and its proof, as `withdraw` takes them.
///
/// # Errors
/// [`SettlementError::NoStake`], [`SettlementError::Broken`].
pub async fn withdrawal_proof(
    conn: &mut Conn,
    model: &ModelId,
) -> Result<(LedgerLeaf, Proof<LedgerSums>), SettlementError> {
    let stake = stakes::of_model(conn, model).await?;
    let stake = stake.ok_or_else(|| SettlementError::NoStake(model.clone()))?;
    let index = stake.model_index;
    let tree = tree::of_ledger(&stakes::ledger(conn, &stake.vault).await?, &[])?;
    let leaf = LedgerLeaf {
        index,
        stake_delta: i128::from(stake.stake_delta),
        pool_reward: u128::try_from(stake.pool_reward).map_err(|_| broken("a reward below 0"))?,
    };
    let proof = tree
        .proof(index)
        .map_err(|error| broken(error.to_string()))?;
    if !proof.verify(tree.root(), &leaf) {
        return Err(broken(format!("the proof of {model} does not verify")));
    }
    Ok((leaf, proof))
}
