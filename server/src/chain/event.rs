//! What our contracts say, as values that the slices read.

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// One event of our contracts, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its block, `0x…`.
    pub block_hash: String,
    /// Its place in the block.
    pub log_index: i64,
    /// Height of the block.
    pub block_number: i64,
    /// Time of the block, seconds.
    pub block_time_s: i64,
    /// Its transaction, `0x…`.
    pub tx_hash: String,
    /// The contract that said it.
    pub address: Address,
    /// Whether no re-organisation can undo it.
    pub is_final: bool,
    /// What it says.
    pub said: Said,
}

/// What an event says. Amounts are units of 1e-9 token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Said {
    /// A wallet registered a model with its first deposit.
    ModelRegistered {
        /// Position in the trees.
        index: u32,
        /// keccak256 of the tournament's id.
        tournament: B256,
        /// keccak256 of the server's model id.
        model_key: B256,
        /// The wallet.
        owner: Address,
        /// First deposit.
        amount: u64,
    },
    /// A deposit.
    Deposited {
        /// The model.
        index: u32,
        /// Paid in.
        amount: u64,
    },
    /// Somebody paid into the pool.
    Funded {
        /// Paid in.
        amount: u64,
    },
    /// A request, which replaces the one before.
    WithdrawalRequested {
        /// The model.
        index: u32,
        /// Asked for; may be more than there is.
        amount: u64,
        /// When it may be paid, seconds.
        matures_at: u64,
    },
    /// The request is gone.
    WithdrawalCancelled {
        /// The model.
        index: u32,
    },
    /// A payment to the owner.
    Withdrawn {
        /// The model.
        index: u32,
        /// Paid out.
        amount: u64,
        /// Still asked for.
        requested_left: u64,
    },
    /// A commitment stands.
    RoundCommitted {
        /// The registry's name of the round.
        round: B256,
        /// What was committed.
        commitment: B256,
    },
    /// A commitment was not taken.
    CommitmentSkipped {
        /// The registry's name of the round.
        round: B256,
        /// The contract's reason, by its number.
        reason: u8,
    },
    /// A round that was not settled in time was closed.
    RoundVoided {
        /// The registry's name of the round.
        round: B256,
    },
    /// A batch waits for its window to pass.
    BatchProposed {
        /// Its place in the vault's sequence.
        seq: u64,
        /// The vault's count of proposals.
        number: u32,
        /// The root that it would make.
        new_root: B256,
    },
    /// A batch is the head.
    BatchAccepted {
        /// Its place in the vault's sequence.
        seq: u64,
        /// The vault's count of proposals.
        number: u32,
        /// The head.
        root: B256,
    },
    /// A batch died: vetoed, or not accepted in time.
    BatchDied {
        /// Its place in the vault's sequence.
        seq: u64,
        /// The vault's count of proposals.
        number: u32,
        /// The root that it would have made.
        root: B256,
        /// Vetoed rather than late.
        vetoed: bool,
    },
    /// A batch died because somebody proved it wrong; half of the bond went to him, the rest burned.
    BatchChallenged {
        /// Its place in the vault's sequence.
        seq: u64,
        /// The vault's count of proposals.
        number: u32,
        /// The root that it would have made.
        root: B256,
        /// Who proved it.
        challenger: Address,
        /// What was wrong, by the contract's number.
        fault: u8,
    },
    /// The vault is closed for ever.
    ShutDown {},
}

impl Said {
    /// The stored name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ModelRegistered { .. } => "model_registered",
            Self::Deposited { .. } => "deposited",
            Self::Funded { .. } => "funded",
            Self::WithdrawalRequested { .. } => WITHDRAWAL_REQUESTED,
            Self::WithdrawalCancelled { .. } => "withdrawal_cancelled",
            Self::Withdrawn { .. } => "withdrawn",
            Self::RoundCommitted { .. } => "round_committed",
            Self::CommitmentSkipped { .. } => "commitment_skipped",
            Self::RoundVoided { .. } => "round_voided",
            Self::BatchProposed { .. } => "batch_proposed",
            Self::BatchAccepted { .. } => "batch_accepted",
            Self::BatchDied { .. } => "batch_died",
            Self::BatchChallenged { .. } => "batch_challenged",
            Self::ShutDown {} => "shut_down",
        }
    }
}

/// The name of a request, which counts before it is final.
pub(super) const WITHDRAWAL_REQUESTED: &str = "withdrawal_requested";
