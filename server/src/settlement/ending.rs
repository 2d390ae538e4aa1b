//! Batches and rounds that come to nothing.

use domain::RoundState;
use domain::timestamp::SECOND_US;

use super::lease::{self, Lease};
use super::{BatchState, SettlementError, batch, store};
use crate::chain::Deployment;
use crate::db::Conn;
use crate::events::{self, Told};
use crate::rounds::{self, NOT_DUE};
use crate::stakes;

/// Ends a proposal that came to nothing: its rounds are SCORED again, a new row takes the seq. A
/// batch that has left `from` stays as it is.
pub(super) async fn abandon(
    conn: &mut Conn,
    id: &str,
    from: BatchState,
    reason: &str,
) -> Result<bool, SettlementError> {
    if !store::batches::set_state(conn, id, from, BatchState::Rejected).await? {
        return Ok(false);
    }
    store::batches::set_reason(conn, id, reason).await?;
    tracing::warn!(batch = id, reason, "a batch was rejected");
    for round in batch::get(conn, id).await?.batch.rounds {
        if rounds::get(conn, &round).await?.state == RoundState::Batched {
            let (from, to) = (RoundState::Batched, RoundState::Scored);
            rounds::advance(conn, &round, from, to, NOT_DUE).await?;
        }
    }
    Ok(true)
}

/// What final block time alone decides: a proposal three windows old is dead, and a scored round
/// past its time to settle is void. All final events must have been applied. Gives what changed; the
/// caller commits next, as [`events::append`] wants.
///
/// # Errors
/// [`SettlementError::Fenced`], database errors.
pub async fn expire(
    conn: &mut Conn,
    lease: &Lease,
    final_us: i64,
    deployment: &Deployment,
) -> Result<usize, SettlementError> {
    lease::hold(conn, lease).await?;
    let mut ended: usize = 0;
    if let Some(live) = store::batches::live(conn, &deployment.vault.to_string()).await? {
        let state = live.batch.state;
        let waits = matches!(state, BatchState::Proposed | BatchState::Accepting);
        if waits && live.dies_us <= final_us {
            let done = abandon(conn, &live.batch.id, state, "not accepted in time").await?;
            ended = ended.saturating_add(usize::from(done));
        }
    }
    let settle_by_us = deployment.settle_by_s.saturating_mul(SECOND_US);
    let mut told = Vec::new();
    for round in rounds::in_state(conn, RoundState::Scored).await? {
        if round.schedule.start_us.saturating_add(settle_by_us) < final_us {
            let reason = "not proposed before its time to settle ended";
            rounds::void(conn, &round.id, RoundState::Scored, reason).await?;
            stakes::release(conn, &round.id).await?;
            told.push(Told::void(&round.id, reason));
            ended = ended.saturating_add(1);
        }
    }
    events::append(conn, final_us, &told).await?;
    Ok(ended)
}
