//! What final events of the contracts mean for rounds and batches.

use std::fmt;

use contracts::abi::Fault;
use domain::RoundState;
use domain::timestamp::SECOND_US;

use super::{BatchState, SettlementError, batch, broken, ending, halt, post, revive, store};
use crate::chain::{self, B256, ChainAddress, Event, Said};
use crate::db::Conn;
use crate::events::{self, Told};
use crate::rounds::{self, NOT_DUE};
use crate::stakes::{self, Credit};

/// Evidence may close this long after the interval at the earliest (protocol.md §1).
const EVIDENCE_AFTER_US: i64 = 20 * SECOND_US;
/// Events that share one transaction.
const GROUP: i64 = 200;

/// Applies one final event to rounds and batches; gives what is to be told. The caller marks it in
/// the same transaction. Something of the contracts' that is not ours halts settlement rather than
/// fails: the event has happened, whatever we think of it.
///
/// # Errors
/// Database errors and broken rows.
pub async fn on_event(
    conn: &mut Conn,
    now_us: i64,
    event: &Event,
) -> Result<Vec<Told>, SettlementError> {
    if !event.is_final {
        return Ok(Vec::new());
    }
    if let Said::BatchAccepted { seq, root, .. } = &event.said {
        return accepted(conn, now_us, event, *seq, *root).await;
    }
    on_other_event(conn, now_us, event).await?;
    Ok(Vec::new())
}

async fn on_other_event(
    conn: &mut Conn,
    now_us: i64,
    event: &Event,
) -> Result<(), SettlementError> {
    let vault = event.address.to_string();
    match &event.said {
        Said::RoundCommitted { round, commitment } => {
            committed(conn, now_us, event, *round, *commitment).await
        }
        Said::CommitmentSkipped { round, reason } => {
            tracing::warn!(%round, reason, "the registry did not take a commitment");
            Ok(())
        }
        Said::BatchProposed { seq, new_root, .. } => {
            proposed(conn, now_us, event, &vault, *seq, *new_root).await
        }
        Said::BatchDied {
            seq, root, vetoed, ..
        } => {
            let end = if *vetoed { End::Vetoed } else { End::Late };
            died(conn, now_us, &vault, (*seq, *root), end).await
        }
        Said::BatchChallenged {
            seq,
            root,
            challenger,
            fault,
            ..
        } => {
            let end = End::Challenged(*challenger, *fault);
            died(conn, now_us, &vault, (*seq, *root), end).await
        }
        Said::ShutDown {} => halt::halt(conn, now_us, "the vault was shut down").await,
        _ => Ok(()),
    }
}

async fn committed(
    conn: &mut Conn,
    now_us: i64,
    event: &Event,
    chain_round: B256,
    commitment: B256,
) -> Result<(), SettlementError> {
    let Some(lock) = store::rounds::by_chain_round(conn, chain_round).await? else {
        return halt::halt(
            conn,
            now_us,
            &format!("round {chain_round} was committed by somebody else"),
        )
        .await;
    };
    if lock.commitment != commitment {
        let reason = format!(
            "{} was committed with another commitment than ours",
            lock.round
        );
        return halt::halt(conn, now_us, &reason).await;
    }
    store::rounds::set_commit_tx(conn, &lock.round, &event.tx_hash).await?;
    let round = rounds::get(conn, &lock.round).await?;
    if round.state == RoundState::Locked {
        let due_us = round.schedule.end_us.saturating_add(EVIDENCE_AFTER_US);
        rounds::advance(conn, &round.id, round.state, RoundState::Committed, due_us).await?;
    }
    Ok(())
}

async fn proposed(
    conn: &mut Conn,
    now_us: i64,
    event: &Event,
    vault: &str,
    seq: u64,
    new_root: B256,
) -> Result<(), SettlementError> {
    let Some(live) = revive::live_or_revived(conn, vault, seq, new_root).await? else {
        let reason = format!("batch {seq} with root {new_root} was proposed by somebody else");
        return halt::halt(conn, now_us, &reason).await;
    };
    let deployment = chain::deployment(conn).await?;
    let window_s = deployment
        .ok_or_else(|| broken("there is no deployment"))?
        .window_s;
    let mined_us = event.block_time_s.saturating_mul(SECOND_US);
    let window_us = window_s.saturating_mul(SECOND_US);
    let accept_after_us = mined_us.saturating_add(window_us);
    let dies_us = mined_us.saturating_add(window_us.saturating_mul(3));
    let id = &live.batch.id;
    store::batches::set_proposed(conn, id, &event.tx_hash, accept_after_us, dies_us).await?;
    // The proposal of an earlier attempt with the same facts may be mined before ours is planned.
    let from = match live.batch.state {
        BatchState::Planned => BatchState::Planned,
        _ => BatchState::Proposing,
    };
    batch::advance(conn, id, from, BatchState::Proposed).await
}

/// How a proposal ended without becoming the head.
#[derive(Clone, Copy, Debug)]
enum End {
    Late,
    Vetoed,
    /// By whom, and the contract's number of the fault.
    Challenged(ChainAddress, u8),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("not accepted in time"),
            Self::Vetoed => f.write_str("vetoed"),
            Self::Challenged(challenger, number) => {
                write!(f, "challenged by {challenger}: ")?;
                match Fault::try_from(*number) {
                    Ok(fault) => write!(f, "{fault} (fault {number})"),
                    Err(_) => write!(f, "fault {number}"),
                }
            }
        }
    }
}

/// A proposal died. A new one of the same facts has the same root: what is not proposed yet is not
/// the one that died. After a veto or a challenge somebody has to look, or the same batch would be
/// proposed until the guardian sleeps and would lose a bond each time.
async fn died(
    conn: &mut Conn,
    now_us: i64,
    vault: &str,
    (seq, root): (u64, B256),
    end: End,
) -> Result<(), SettlementError> {
    let Some(live) = revive::live(conn, vault, seq, root).await? else {
        return Ok(());
    };
    let state = live.batch.state;
    if !matches!(state, BatchState::Proposed | BatchState::Accepting) {
        return Ok(());
    }
    ending::abandon(conn, &live.batch.id, state, &end.to_string()).await?;
    if matches!(end, End::Late) {
        return Ok(());
    }
    let reason = format!("batch {seq} with root {root} was {end}");
    halt::halt(conn, now_us, &reason).await
}

/// The head moved: the batch's changes become stakes, its rounds are over.
async fn accepted(
    conn: &mut Conn,
    now_us: i64,
    event: &Event,
    seq: u64,
    root: B256,
) -> Result<Vec<Told>, SettlementError> {
    let vault = event.address.to_string();
    let Some(live) = revive::live_or_revived(conn, &vault, seq, root).await? else {
        let reason = format!("batch {seq} with root {root} was accepted, but is not ours");
        halt::halt(conn, now_us, &reason).await?;
        return Ok(Vec::new());
    };
    let id = &live.batch.id;
    store::batches::set_accepted(conn, id, &event.tx_hash).await?;
    batch::advance(conn, id, live.batch.state, BatchState::Accepted).await?;
    let credits = credits(conn, id).await?;
    stakes::credit(conn, &vault, &credits, live.pool_used).await?;
    let mut told = Vec::new();
    for round in &live.batch.rounds {
        if rounds::get(conn, round).await?.state == RoundState::Batched {
            let (from, to) = (RoundState::Batched, RoundState::Final);
            rounds::advance(conn, round, from, to, NOT_DUE).await?;
            told.push(Told::settled(round));
        }
        stakes::release(conn, round).await?;
    }
    batch::advance(conn, id, BatchState::Accepted, BatchState::Final).await?;
    Ok(told)
}

async fn credits(conn: &mut Conn, id: &str) -> Result<Vec<Credit>, SettlementError> {
    let changes = store::batches::changes(conn, id).await?;
    changes
        .into_iter()
        .map(|change| {
            Ok(Credit {
                model_index: change.index,
                stake_delta: change.stake_delta,
                pool_reward: i64::try_from(change.pool_reward).map_err(|_| broken("a reward"))?,
            })
        })
        .collect()
}

/// Applies final events that wait, in the caller's transaction; gives how many. Any number of
/// processes may do this: each event is marked by one of them. The caller commits next, as
/// [`events::append`] wants.
///
/// # Errors
/// Database errors, and [`SettlementError::Stake`] when an event does not fit the stakes.
pub async fn apply_pending(conn: &mut Conn, now_us: i64) -> Result<usize, SettlementError> {
    post::complete_ledger(conn).await?;
    let waiting = chain::final_events(conn, GROUP).await?;
    let mut told = Vec::new();
    for event in &waiting {
        if chain::mark_applied(conn, event).await? {
            stakes::apply(conn, event).await?;
            told.extend(on_event(conn, now_us, event).await?);
            post::post(conn, event).await?;
        }
    }
    events::append(conn, now_us, &told).await?;
    Ok(waiting.len())
}
