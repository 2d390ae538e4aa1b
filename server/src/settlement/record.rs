//! The public record of a batch, and the proofs that wallets withdraw with. The record's hash
//! stands on the chain; the text is the same whenever it is built.

use contracts::tree::{LedgerLeaf, LedgerSums, Proof};
use domain::{Delta, ModelId};
use serde::Serialize;

use super::{Batch, SettlementError, broken, store, tree};
use crate::db::Conn;
use crate::{prices, stakes};

#[derive(Serialize)]
struct BatchRecord<'a> {
    vault: &'a str,
    seq: i64,
    prev_root: &'a str,
    new_root: &'a str,
    burned: String,
    rounds: Vec<RoundRecord>,
}

#[derive(Serialize)]
struct RoundRecord {
    round: String,
    chain_round: String,
    #[serde(rename = "W")]
    total_w: String,
    #[serde(rename = "P")]
    total_p: String,
    root: String,
    salt: String,
    outcome: &'static str,
    evidence: String,
    payouts: Vec<PayoutRecord>,
}

#[derive(Serialize)]
struct PayoutRecord {
    index: u32,
    w: String,
    p: u32,
    #[serde(rename = "D")]
    delta: Delta,
}

/// The record of a batch, JSON, by its id; `None` when there is no such batch.
///
/// # Errors
/// Database errors and broken rows.
pub async fn record(conn: &mut Conn, id: &str) -> Result<Option<String>, SettlementError> {
    let Some(stored) = store::batches::get(conn, id).await? else {
        return Ok(None);
    };
    text(conn, &stored.batch).await.map(Some)
}

pub(super) async fn text(conn: &mut Conn, batch: &Batch) -> Result<String, SettlementError> {
    let mut rounds = Vec::with_capacity(batch.rounds.len());
    for round in &batch.rounds {
        let lock = store::rounds::lock(conn, round).await?;
        let lock = lock.ok_or_else(|| SettlementError::NotLocked(round.clone()))?;
        let payouts = store::rounds::payouts(conn, round).await?;
        let resolution = prices::resolution(conn, round).await?;
        let evidence = resolution
            .as_ref()
            .map(|resolution| resolution.evidence_hash.clone());
        rounds.push(RoundRecord {
            round: round.to_string(),
            chain_round: lock.chain_round.to_string(),
            total_w: lock.total_w.to_string(),
            total_p: lock.total_p.to_string(),
            root: lock.root.to_string(),
            salt: lock.salt.to_string(),
            outcome: resolution.map_or("void", |resolution| resolution.outcome.name()),
            evidence: evidence.unwrap_or_default(),
            payouts: payouts
                .iter()
                .map(|payout| PayoutRecord {
                    index: payout.model_index,
                    w: payout.at_risk.to_string(),
                    p: payout.counted.ppm(),
                    delta: payout.delta,
                })
                .collect(),
        });
    }
    let record = BatchRecord {
        vault: &batch.vault,
        seq: batch.seq,
        prev_root: &batch.prev_root,
        new_root: &batch.new_root,
        burned: batch.burned.to_string(),
        rounds,
    };
    serde_json::to_string(&record).map_err(|error| broken(error.to_string()))
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
