//! What the end of an intent means for its batch or its rounds, and what is to be done next.

use domain::RoundState;
use domain::timestamp::SECOND_US;

use super::intent::{Action, Intent, IntentState, moved};
use super::lease::{self, Lease};
use super::{BatchState, SettlementError, batch, ending, halt, store};
use crate::chain::{Deployment, Receipt};
use crate::db::Conn;
use crate::rounds;

/// The one thing that the vault's batch needs next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing now.
    Nothing,
    /// Plan a batch.
    Plan,
    /// Propose the batch of this id.
    Propose(String),
    /// Accept the batch of this id.
    Accept(String),
}

/// What the vault's batch needs next, by the newest block's time.
///
/// # Errors
/// Database errors and broken rows.
pub async fn work(
    conn: &mut Conn,
    latest_us: i64,
    idle_since_us: i64,
    deployment: &Deployment,
) -> Result<Work, SettlementError> {
    let vault = deployment.vault.to_string();
    let Some(live) = store::batches::live(conn, &vault).await? else {
        let wanted = batch::is_idle(latest_us, idle_since_us, deployment)
            || !rounds::in_state(conn, RoundState::Scored).await?.is_empty();
        return Ok(if wanted { Work::Plan } else { Work::Nothing });
    };
    let id = live.batch.id;
    Ok(match live.batch.state {
        BatchState::Planned => Work::Propose(id),
        BatchState::Proposed if live.batch.accept_after_us <= latest_us => Work::Accept(id),
        _ => Work::Nothing,
    })
}

/// Whether final block time alone ends something; see [`super::expire`].
///
/// # Errors
/// Database errors and broken rows.
pub async fn overdue(
    conn: &mut Conn,
    final_us: i64,
    deployment: &Deployment,
) -> Result<bool, SettlementError> {
    let live = store::batches::live(conn, &deployment.vault.to_string()).await?;
    let dead = live.is_some_and(|live| live.dies_us > 0 && live.dies_us <= final_us);
    let settle_by_us = deployment.settle_by_s.saturating_mul(SECOND_US);
    let scored = rounds::in_state(conn, RoundState::Scored).await?;
    let late = |start_us: i64| start_us.saturating_add(settle_by_us) < final_us;
    Ok(dead || scored.iter().any(|round| late(round.schedule.start_us)))
}

/// Closes an intent whose fate is final. A proposal that came to nothing gives its rounds back; a
/// nonce that somebody else used halts settlement. `times` are market and wall microseconds.
///
/// # Errors
/// [`SettlementError::Fenced`], [`SettlementError::Moved`].
pub async fn close_intent(
    conn: &mut Conn,
    lease: &Lease,
    times: (i64, i64),
    intent: &Intent,
    state: IntentState,
    by: Option<Receipt>,
) -> Result<(), SettlementError> {
    lease::hold(conn, lease).await?;
    let (market_us, wall_us) = times;
    let mined_tx = by
        .map(|receipt| receipt.tx_hash.to_string())
        .unwrap_or_default();
    let gas_used = by.map_or(0, |receipt| {
        i64::try_from(receipt.gas_used).unwrap_or(i64::MAX)
    });
    let closed = store::intents::close(conn, intent, state, (&mined_tx, gas_used), wall_us).await?;
    if !closed {
        return Err(moved(intent, intent.state.name()));
    }
    tracing::info!(
        intent = intent.id,
        action = intent.action.name(),
        state = state.name(),
        gas_used,
        "closed"
    );
    if state == IntentState::Lost {
        let reason = format!(
            "a transaction that is not ours used the nonce of intent {}",
            intent.id
        );
        halt::halt(conn, market_us, &reason).await?;
    }
    let took_us = wall_us.saturating_sub(intent.created_us);
    for round in of_intent(conn, intent).await? {
        rounds::record_stage(conn, &round, intent.action.name(), market_us, took_us).await?;
    }
    if intent.action == Action::Commit {
        return Ok(());
    }
    store::batches::add_gas(conn, intent.batch(), gas_used).await?;
    if intent.action == Action::Propose && state != IntentState::Done {
        let why = match intent.last_error.as_str() {
            "" => String::new(),
            error => format!(": {error}"),
        };
        let reason = format!("its proposal was {}{why}", state.name());
        ending::abandon(conn, intent.batch(), BatchState::Proposing, &reason).await?;
    }
    if intent.action == Action::Accept && state != IntentState::Done {
        // The proposal still stands: as long as it lives, accepting it is tried again.
        let (from, to) = (BatchState::Accepting, BatchState::Proposed);
        store::batches::set_state(conn, intent.batch(), from, to).await?;
    }
    Ok(())
}

async fn of_intent(
    conn: &mut Conn,
    intent: &Intent,
) -> Result<Vec<domain::RoundId>, SettlementError> {
    if intent.action == Action::Commit {
        return store::rounds::of_intent(conn, &intent.id).await;
    }
    Ok(batch::get(conn, intent.batch()).await?.batch.rounds)
}
