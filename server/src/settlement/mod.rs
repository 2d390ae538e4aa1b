//! Settlement: what a round pays, how it gets onto the chain, and that both agree to the last wei.
//!
//! Owns the tables `round_locks`, `payouts`, `batches`, `batch_rounds`, `batch_changes`, `intents`,
//! `attempts`, `nonces`, `leases`, `halts` and `reconciliations`. Every transition is one database
//! transaction that checks the old state; whatever it causes outside happens after the commit, in
//! [`crate::settler`]. Never signs or sends, never believes a block that is not final.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic
)]

mod balance;
mod batch;
mod commit;
mod ending;
mod event;
mod halt;
mod life;
mod lock;
mod outcome;
mod payout;
mod post;
mod reconcile;
mod record;
mod refusal;
mod revive;
mod store;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests;
mod timetable;
mod tree;
mod verdict;
mod watch;

pub mod intent;
pub mod lease;

use domain::{Delta, IdError, ModelId, Probability, RoundId, TokenAmount};
use thiserror::Error;

use crate::chain::{self, ChainError};
use crate::events::EventError;
use crate::ledger::LedgerError;
use crate::prices::PriceError;
use crate::record::RecordError;
use crate::rounds::RoundError;
use crate::stakes::StakeError;

pub use batch::{Planned, begin_acceptance, begin_proposal, plan as plan_batch};
pub use commit::{plan as plan_commits, waiting as commits_waiting};
pub use ending::expire;
pub use event::{apply_pending, on_event};
pub use halt::{Halt, halt, halted, resume};
pub use life::{Inclusion, RoundBatch, batches_of, inclusion, locks_of, payouts_of};
pub use lock::{Lock, freeze, lock};
pub use outcome::{Work, close_intent, overdue, work};
pub use payout::{Payout, Settled, payouts, payouts_of_model, settle};
pub use post::complete_ledger;
pub use reconcile::{
    ChainView, Comparison, Depth, Reconciliation, compare, latest_reconciliation, of_one_moment,
    read_chain, reconcile,
};
pub use record::{BatchRecord, record, withdrawal_proof};
pub use refusal::{backoff_us, refused};
pub use timetable::{VaultTimes, all_misfits, misfits, warn_of_misfits};
pub use watch::{
    Closed, Counts, Holder, KeyState, OnItsWay, OpenCount, closed_intents, counts, holder, keys,
    note_balance, on_its_way, reconciliations,
};

/// Where a batch stands (protocol.md §7). Stored by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchState {
    /// Its rounds and changes are fixed.
    Planned,
    /// Its proposal is on the way.
    Proposing,
    /// Its proposal is final; the window runs.
    Proposed,
    /// Its acceptance is on the way.
    Accepting,
    /// It is the head, in a final block.
    Accepted,
    /// Booked: the end.
    Final,
    /// Vetoed, too late or refused: its rounds went back.
    Rejected,
}

const STATES: [(BatchState, &str); 7] = [
    (BatchState::Planned, "planned"),
    (BatchState::Proposing, "proposing"),
    (BatchState::Proposed, "proposed"),
    (BatchState::Accepting, "accepting"),
    (BatchState::Accepted, "accepted"),
    (BatchState::Final, "final"),
    (BatchState::Rejected, "rejected"),
];

impl BatchState {
    /// All states, in the order of a batch's way.
    pub const ALL: [Self; 7] = [
        Self::Planned,
        Self::Proposing,
        Self::Proposed,
        Self::Accepting,
        Self::Accepted,
        Self::Final,
        Self::Rejected,
    ];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        STATES
            .iter()
            .find(|(state, _)| *state == self)
            .map_or("rejected", |(_, name)| name)
    }

    /// The state of a stored name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        STATES
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(state, _)| *state)
    }
}

/// A settlement batch as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its id: a hash of vault, seq and attempt.
    pub id: String,
    /// The vault, `0x…`.
    pub vault: String,
    /// Its place in the vault's sequence, from 1.
    pub seq: i64,
    /// Counts the batches that tried this place, from 1.
    pub attempt: i64,
    /// Where it stands.
    pub state: BatchState,
    /// The ledger's root before it.
    pub prev_root: String,
    /// The ledger's root that it makes.
    pub new_root: String,
    /// Its rounds, oldest first.
    pub rounds: Vec<RoundId>,
    /// The proposal's transaction once final; empty before.
    pub propose_tx: String,
    /// The acceptance's transaction once final; empty before.
    pub accept_tx: String,
    /// Gas of its proposal and acceptance together, once known; commitments are not counted.
    pub gas_used: i64,
    /// Burned by it.
    pub burned: TokenAmount,
    /// The window ends here, market microseconds; 0 before the proposal is final.
    pub accept_after_us: i64,
    /// Hash of its public record.
    pub record_hash: String,
    /// Why it was rejected; empty when it was not.
    pub reason: String,
}

/// What can go wrong in settlement. Money stops rather than guesses.
#[derive(Debug, Error)]
pub enum SettlementError {
    /// The round was not locked.
    #[error("round {0} has no lock")]
    NotLocked(RoundId),
    /// The model was never registered with a vault by its account's wallet.
    #[error("model {0} has no stake")]
    NoStake(ModelId),
    /// A round is locked once.
    #[error("round {0} is locked already")]
    AlreadyLocked(RoundId),
    /// A round without an outcome pays nothing.
    #[error("round {0} is void and pays nothing")]
    VoidOutcome(RoundId),
    /// What was computed or stored does not conserve money, or differs from what was frozen.
    #[error("settlement stops: {0}")]
    Broken(String),
    /// Another settler has the lease.
    #[error("another settler holds the lease")]
    Fenced,
    /// A batch, intent or round was not in the state that was seen.
    #[error("{what} is not {expected} any more")]
    Moved {
        /// What.
        what: String,
        /// The state that the caller saw.
        expected: &'static str,
    },
    /// Settlement can go on only after ledger and chain agree.
    #[error("ledger and chain differ: {0}")]
    Differs(String),
    /// The payout formula.
    #[error(transparent)]
    Money(#[from] scorer::MoneyError),
    /// The rounds.
    #[error(transparent)]
    Round(#[from] RoundError),
    /// What happened could not be told.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The stakes.
    #[error(transparent)]
    Stake(#[from] StakeError),
    /// The double-entry ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The evidence.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// The public record could not be written: nothing is proposed without it.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The chain and its record.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A stored id.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl SettlementError {
    /// Whether trying again can help. Everything else says that money or history is wrong.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            // A full disk is emptied, and the batch is still the same.
            Self::Fenced | Self::Moved { .. } | Self::Record(_) => true,
            Self::Chain(error) | Self::Stake(StakeError::Chain(error)) => error.is_passing(),
            Self::Round(RoundError::Moved { .. })
            | Self::Stake(StakeError::Round(RoundError::Moved { .. })) => true,
            Self::Database(error)
            | Self::Round(RoundError::Database(error))
            | Self::Event(EventError::Database(error))
            | Self::Stake(
                StakeError::Database(error) | StakeError::Round(RoundError::Database(error)),
            )
            | Self::Ledger(LedgerError::Database(error))
            | Self::Price(PriceError::Database(error)) => chain::database_may_recover(error),
            _ => false,
        }
    }
}

/// A staked model of a round: position, w and counted p.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Staked<'a> {
    model: &'a ModelId,
    index: u32,
    at_risk: TokenAmount,
    counted: Probability,
}

fn broken(what: impl Into<String>) -> SettlementError {
    SettlementError::Broken(what.into())
}

/// Σ of deltas in a width that cannot overflow with 2^20 models.
fn sum(deltas: impl Iterator<Item = Delta>) -> i128 {
    deltas.fold(0_i128, |sum, delta| {
        sum.saturating_add(i128::from(delta.units()))
    })
}

/// The batch that holds a round, the newest attempt.
///
/// # Errors
/// Database errors and broken rows.
pub async fn batch_of_round(
    conn: &mut crate::db::Conn,
    round: &RoundId,
) -> Result<Option<Batch>, SettlementError> {
    store::batches::of_round(conn, round).await
}

/// How many batches are final, over all vaults.
///
/// # Errors
/// Database errors.
pub async fn accepted_count(conn: &mut crate::db::Conn) -> Result<i64, SettlementError> {
    store::batches::final_count(conn).await
}

/// The newest batches.
///
/// # Errors
/// Database errors and broken rows.
pub async fn batches(
    conn: &mut crate::db::Conn,
    limit: i64,
) -> Result<Vec<Batch>, SettlementError> {
    store::batches::newest(conn, limit).await
}
