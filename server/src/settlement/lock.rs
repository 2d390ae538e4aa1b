//! The lock: tree, root, salt and commitment of a round, written once.

use alloy::primitives::B256;
use contracts::round;
use domain::timestamp::SECOND_US;
use domain::{RoundId, TokenAmount};

use super::{SettlementError, broken, store, tree};
use crate::chain::Deployment;
use crate::db::Conn;
use crate::predictions::Counted;
use crate::rounds::{self, Round};

/// What a round committed to. Salt and sums are secret until its batch publishes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The round.
    pub round: RoundId,
    /// The registry's name of the round.
    pub chain_round: B256,
    /// The registry's name of the tournament.
    pub tournament_key: B256,
    /// W = Σ w.
    pub total_w: TokenAmount,
    /// P = Σ w·p, units · ppm.
    pub total_p: u128,
    /// Hash of the tree's top node.
    pub top_hash: B256,
    /// Root of the tree.
    pub root: B256,
    /// Hides the root until the reveal.
    pub salt: B256,
    /// keccak256(0x03 ‖ chain_round ‖ root ‖ salt).
    pub commitment: B256,
    /// When, market microseconds.
    pub locked_us: i64,
    /// The intent that commits it; empty before it is planned.
    pub commit_intent: String,
    /// The commitment's transaction once final; empty before.
    pub commit_tx: String,
}

/// Builds the tree over the staked models and writes the commitment. To be called once, in the
/// transaction that locks the round; the intent to commit follows from the row.
///
/// # Errors
/// [`SettlementError::AlreadyLocked`], [`SettlementError::Broken`].
pub async fn freeze(
    conn: &mut Conn,
    now_us: i64,
    round: &Round,
    deployment: &Deployment,
    counted: &[Counted],
    salt: [u8; 32],
) -> Result<Lock, SettlementError> {
    let entered = rounds::tournament(conn, round.id.tournament()).await?;
    let key = entered.chain_key.parse::<B256>();
    let tournament_key = key.map_err(|_| broken(format!("chain key {}", entered.chain_key)))?;
    let starts_at = start_s(&round.id)?;
    let frozen = tree::of_round(&tree::staked(counted)?)?;
    let salt = B256::from(salt);
    let chain_round = round::round_id(
        deployment.chain_id,
        deployment.registry,
        tournament_key,
        starts_at,
    );
    let lock = Lock {
        round: round.id.clone(),
        chain_round,
        tournament_key,
        total_w: frozen.total_w,
        total_p: frozen.total_p,
        top_hash: frozen.top,
        root: frozen.root,
        salt,
        commitment: round::commitment(chain_round, frozen.root, salt),
        locked_us: now_us,
        commit_intent: String::new(),
        commit_tx: String::new(),
    };
    if !store::rounds::insert_lock(conn, &lock).await? {
        return Err(SettlementError::AlreadyLocked(round.id.clone()));
    }
    match store::rounds::lock(conn, &round.id).await? {
        Some(read_back) if read_back == lock => Ok(lock),
        other => Err(broken(format!(
            "the lock of {} reads back as {other:?}",
            round.id
        ))),
    }
}

/// The lock of a round.
///
/// # Errors
/// Database errors and broken rows.
pub async fn lock(conn: &mut Conn, round: &RoundId) -> Result<Option<Lock>, SettlementError> {
    store::rounds::lock(conn, round).await
}

/// T as the contracts count it.
pub(super) fn start_s(round: &RoundId) -> Result<u64, SettlementError> {
    let seconds = round.start_us().checked_div(SECOND_US);
    seconds
        .and_then(|seconds| u64::try_from(seconds).ok())
        .ok_or_else(|| broken(format!("{round} starts before 1970")))
}
