//! Plans commitments: all locked rounds of one T that wait go into one transaction, which is of no
//! use from T on.

use alloy::primitives::keccak256;
use alloy::sol_types::SolCall;
use contracts::abi::{RoundCommitment, RoundRegistry};
use domain::timestamp::SECOND_US;

use super::intent::{self, Action, Intent};
use super::lease::{self, Lease};
use super::lock::start_s;
use super::{Lock, SettlementError, store};
use crate::chain::Deployment;
use crate::db::Conn;

/// How much earlier than its mining a block may be stamped.
pub(super) const STAMP_SLACK_S: i64 = 3;

/// Plans the commitments of every round that is locked and has none; gives how many intents.
///
/// # Errors
/// [`SettlementError::Fenced`], database errors.
pub async fn plan(
    conn: &mut Conn,
    lease: &Lease,
    market_us: i64,
    wall_us: i64,
    deployment: &Deployment,
) -> Result<usize, SettlementError> {
    lease::hold(conn, lease).await?;
    let locks = ripe(conn, market_us, deployment).await?;
    let mut planned: usize = 0;
    for tick in locks.chunk_by(|a, b| a.round.start_us() == b.round.start_us()) {
        let intent = intent_of(tick, wall_us, deployment)?;
        intent::plan(conn, &intent).await?;
        for lock in tick {
            if !store::rounds::set_commit_intent(conn, &lock.round, &intent.id).await? {
                return Err(SettlementError::Moved {
                    what: format!("the lock of {}", lock.round),
                    expected: "without an intent",
                });
            }
        }
        planned = planned.saturating_add(1);
    }
    Ok(planned)
}

/// Whether anything waits to be committed; cheap, for every poll.
///
/// # Errors
/// Database errors.
pub async fn waiting(
    conn: &mut Conn,
    market_us: i64,
    deployment: &Deployment,
) -> Result<bool, SettlementError> {
    Ok(!ripe(conn, market_us, deployment).await?.is_empty())
}

/// Locked rounds that the registry takes by now: it refuses a block earlier than T − margin, and a
/// block may be stamped a little before the moment at which it is mined.
async fn ripe(
    conn: &mut Conn,
    market_us: i64,
    deployment: &Deployment,
) -> Result<Vec<Lock>, SettlementError> {
    let margin_us = deployment.margin_s.saturating_mul(SECOND_US);
    let mut locks = store::rounds::to_commit(conn, market_us).await?;
    locks.retain(|lock| {
        let earliest_us = lock.round.start_us().saturating_sub(margin_us);
        earliest_us.saturating_add(STAMP_SLACK_S.saturating_mul(SECOND_US)) <= market_us
    });
    Ok(locks)
}

fn intent_of(
    tick: &[Lock],
    wall_us: i64,
    deployment: &Deployment,
) -> Result<Intent, SettlementError> {
    let mut commitments = Vec::with_capacity(tick.len());
    let mut names = String::new();
    let mut useless_from_us = i64::MAX;
    for lock in tick {
        commitments.push(RoundCommitment {
            tournament: lock.tournament_key,
            startsAt: start_s(&lock.round)?,
            commitment: lock.commitment,
        });
        names.push_str(&lock.round.to_string());
        names.push(' ');
        useless_from_us = useless_from_us.min(lock.round.start_us());
    }
    let calldata = RoundRegistry::commitCall { commitments }.abi_encode();
    Ok(Intent::new(
        Action::Commit,
        keccak256(names).to_string(),
        deployment.committer,
        deployment.registry,
        calldata.into(),
        useless_from_us,
        wall_us,
    ))
}
