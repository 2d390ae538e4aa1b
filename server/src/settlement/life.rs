//! What settlement knows of single predictions: their rounds' locks and batches, what they were
//! paid, and the proof that they are under the commitment.

use std::collections::HashMap;

use contracts::tree::{Node, PredictionLeaf, PredictionSums, Proof};
use domain::{ModelId, RoundId};

use super::{BatchState, Lock, Payout, SettlementError, broken, store, tree};
use crate::db::Conn;
use crate::predictions::Counted;

/// The batch of a round, its newest attempt, as the owner of a prediction sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundBatch {
    /// Its id.
    pub id: String,
    /// Its place in the vault's sequence, from 1.
    pub seq: i64,
    /// Counts the batches that tried this place, from 1.
    pub attempt: i64,
    /// Where it stands.
    pub state: BatchState,
    /// The proposal's transaction once final; empty before.
    pub propose_tx: String,
    /// The acceptance's transaction once final; empty before.
    pub accept_tx: String,
}

/// That a round counts a prediction: its leaf and the siblings up to the top that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The round's lock: root, salt, commitment.
    pub lock: Lock,
    /// What was counted.
    pub leaf: PredictionLeaf,
    /// From the leaf upwards.
    pub proof: Proof<PredictionSums>,
    /// The top: its hash, W and P.
    pub top: Node<PredictionSums>,
}

/// The locks of rounds, by round; those that have none are left out. One query for each 256.
///
/// # Errors
/// Database errors and broken rows.
pub async fn locks_of(
    conn: &mut Conn,
    rounds: &[RoundId],
) -> Result<HashMap<RoundId, Lock>, SettlementError> {
    store::life::locks(conn, rounds).await
}

/// The payouts of exactly these pairs. One query for each 256.
///
/// # Errors
/// Database errors and broken rows.
pub async fn payouts_of(
    conn: &mut Conn,
    pairs: &[(RoundId, ModelId)],
) -> Result<HashMap<(RoundId, ModelId), Payout>, SettlementError> {
    store::life::payouts(conn, pairs).await
}

/// The batches of rounds, by round. One query for each 256.
///
/// # Errors
/// Database errors and broken rows.
pub async fn batches_of(
    conn: &mut Conn,
    rounds: &[RoundId],
) -> Result<HashMap<RoundId, RoundBatch>, SettlementError> {
    store::life::batches(conn, rounds).await
}

/// The proof that a round counts the model at `index`; `None` when it counts none there. `counted`
/// are all predictions of the round. Siblings are sums of w·p: for nobody before the outcome.
///
/// # Errors
/// [`SettlementError::NotLocked`]; [`SettlementError::Broken`] when what is counted is not what was
/// committed.
pub async fn inclusion(
    conn: &mut Conn,
    round: &RoundId,
    counted: &[Counted],
    index: u32,
) -> Result<Option<Inclusion>, SettlementError> {
    let lock = store::rounds::lock(conn, round).await?;
    let lock = lock.ok_or_else(|| SettlementError::NotLocked(round.clone()))?;
    let leaves = tree::leaves(&tree::staked(counted)?);
    let Some(leaf) = leaves.iter().find(|leaf| leaf.index == index).copied() else {
        return Ok(None);
    };
    let tree = tree::over(&leaves)?;
    let proof = tree
        .proof(index)
        .map_err(|error| broken(error.to_string()))?;
    if !proof.verify(lock.root, &leaf) {
        return Err(broken(format!(
            "model {index} of {round} is not under the root that was committed"
        )));
    }
    Ok(Some(Inclusion {
        top: tree.top(),
        lock,
        leaf,
        proof,
    }))
}
