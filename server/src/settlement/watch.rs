//! What an operator watches: who settles, what is on its way, what came of it, how much there is of
//! each. Reads only.

use domain::timestamp::SECOND_US;

use super::intent::{Action, Intent, IntentState};
use super::{Batch, BatchState, Reconciliation, SettlementError, store};
use crate::chain::Deployment;
use crate::db::Conn;

/// Who holds the right to settle. Wall microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub holder: String,
    /// Grew with every change of hands.
    pub fence: i64,
    /// When it took over; 0 when that was never noted.
    pub taken_us: i64,
    /// When it last renewed; 0 when that was never noted.
    pub renewed_us: i64,
    /// Until when; past when nobody settles.
    pub until_us: i64,
}

/// The holder of the lease; `None` when nobody ever settled.
///
/// # Errors
/// Database errors.
pub async fn holder(conn: &mut Conn) -> Result<Option<Holder>, SettlementError> {
    store::watch::holder(conn).await
}

/// An intent whose fate is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The intent.
    pub intent: Intent,
    /// What its transaction used.
    pub gas_used: i64,
    /// When it was closed, wall microseconds.
    pub closed_us: i64,
}

/// The intents closed last.
///
/// # Errors
/// Database errors and broken rows.
pub async fn closed_intents(conn: &mut Conn, limit: i64) -> Result<Vec<Closed>, SettlementError> {
    store::watch::closed(conn, limit).await
}

/// A key that signs for the chain, as we know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// Its address, `0x…`.
    pub signer: String,
    /// The nonce of its next transaction.
    pub next_nonce: i64,
    /// What it has to pay gas with, wei in decimal; empty before the settler has looked.
    pub balance_wei: String,
    /// When it looked, wall microseconds.
    pub balance_us: i64,
}

/// The keys that have signed or are about to.
///
/// # Errors
/// Database errors.
pub async fn keys(conn: &mut Conn) -> Result<Vec<KeyState>, SettlementError> {
    store::watch::keys(conn).await
}

/// Notes what a key has to pay gas with.
///
/// # Errors
/// Database errors.
pub async fn note_balance(
    conn: &mut Conn,
    signer: &str,
    balance_wei: &str,
    wall_us: i64,
) -> Result<(), SettlementError> {
    store::watch::set_balance(conn, signer, balance_wei, wall_us).await
}

/// A batch that is neither final nor rejected, with its deadlines in market microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnItsWay {
    /// The batch.
    pub batch: Batch,
    /// The vault takes its proposal until here.
    pub propose_by_us: Option<i64>,
    /// It can be accepted from here; `None` before its proposal is final.
    pub accept_after_us: Option<i64>,
    /// It is dead from here; `None` before its proposal is final.
    pub dies_us: Option<i64>,
}

/// The batch of the vault that is on its way, if there is one.
///
/// # Errors
/// Database errors and broken rows.
pub async fn on_its_way(
    conn: &mut Conn,
    deployment: &Deployment,
) -> Result<Option<OnItsWay>, SettlementError> {
    let live = store::batches::live(conn, &deployment.vault.to_string()).await?;
    let settle_by_us = deployment.settle_by_s.saturating_mul(SECOND_US);
    let known = |us: i64| (us > 0).then_some(us);
    Ok(live.map(|live| OnItsWay {
        propose_by_us: live
            .batch
            .rounds
            .iter()
            .map(|round| round.start_us().saturating_add(settle_by_us))
            .min(),
        accept_after_us: known(live.batch.accept_after_us),
        dies_us: known(live.dies_us),
        batch: live.batch,
    }))
}

/// The newest comparisons of ledger and chain.
///
/// # Errors
/// Database errors and broken rows.
pub async fn reconciliations(
    conn: &mut Conn,
    limit: i64,
) -> Result<Vec<Reconciliation>, SettlementError> {
    store::watch::reconciliations(conn, limit).await
}

/// Intents of one action in one open state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCount {
    /// What they do.
    pub action: Action,
    /// `planned` or `sent`.
    pub state: IntentState,
    /// How many.
    pub count: i64,
}

/// How much there is of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open intents, every action in both open states.
    pub open: Vec<OpenCount>,
    /// When the oldest open intent was planned, wall microseconds; `None` without one.
    pub oldest_open_us: Option<i64>,
    /// Open intents that a contract refuses as things stand.
    pub refused: i64,
    /// Signed transactions so far.
    pub attempts: i64,
    /// Of these, on a nonce that had one already, with a higher fee.
    pub fee_bumps: i64,
    /// Of these, transfers to ourselves in place of what became useless.
    pub cancels: i64,
    /// Batches by state, all states.
    pub batches: Vec<(BatchState, i64)>,
}

/// Counts intents, attempts and batches.
///
/// # Errors
/// Database errors.
pub async fn counts(conn: &mut Conn) -> Result<Counts, SettlementError> {
    let mut counts = store::watch::attempts(conn).await?;
    for action in Action::ALL {
        for state in [IntentState::Planned, IntentState::Sent] {
            let count = store::watch::open_count(conn, action, state).await?;
            counts.open.push(OpenCount {
                action,
                state,
                count,
            });
        }
    }
    counts.batches = store::watch::batches_by_state(conn).await?;
    Ok(counts)
}
