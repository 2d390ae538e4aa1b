//! Types of the contracts, generated from `contracts/abi`: a `…Call` per function (encode with
//! `SolCall::abi_encode`, decode calldata with `abi_decode`, results with `abi_decode_returns`), a
//! struct per event and error, the enums `…Calls`, `…Events`, `…Errors` over them, and `BYTECODE`.

/// The burnable ERC-20 for development and tests.
pub mod fore_token {
    alloy_sol_types::sol!(
        #[sol(all_derives)]
        ForeToken,
        "abi/ForeToken.json"
    );
}

/// Tournaments, commitments and the life of a round.
pub mod round_registry {
    alloy_sol_types::sol!(
        #[sol(all_derives)]
        RoundRegistry,
        "abi/RoundRegistry.json"
    );
}

/// What is wrong with a pending proposal.
pub mod fault_proof {
    alloy_sol_types::sol!(
        #[sol(all_derives)]
        FaultProof,
        "abi/FaultProof.json"
    );
}

/// Stakes, the pool and the settlement batches.
#[expect(
    clippy::too_many_arguments,
    reason = "the generated event BatchProposed has ten fields"
)]
pub mod stake_vault {
    alloy_sol_types::sol!(
        #[sol(all_derives)]
        StakeVault,
        "abi/StakeVault.json"
    );
}

/// Who may see the forecasts of a feed.
#[expect(
    clippy::too_many_arguments,
    reason = "the generated event Subscribed has nine fields"
)]
pub mod subscriptions {
    alloy_sol_types::sol!(
        #[sol(all_derives)]
        Subscriptions,
        "abi/Subscriptions.json"
    );
}

/// Whether a combined forecast is signed, fresh and the next.
pub mod aggregate_verifier {
    alloy_sol_types::sol!(
        #[sol(all_derives)]
        AggregateVerifier,
        "abi/AggregateVerifier.json"
    );
}

pub use aggregate_verifier::AggregateVerifier;
pub use fault_proof::FaultProof;
pub use fore_token::ForeToken;
pub use round_registry::RoundRegistry;
pub use stake_vault::StakeVault;
pub use subscriptions::Subscriptions;

pub use aggregate_verifier::IAggregateVerifier::Aggregate;
pub use round_registry::IRoundRegistry::{RoundCommitment, Tournament};
pub use stake_vault::IFaultProof::{Entry, ModelClaim, NodeClaim, Prediction};
pub use stake_vault::IRoundRegistry::Reveal;
pub use stake_vault::IStakeVault::{Books, Head, Model, Proposal, Settings};
pub use subscriptions::ISubscriptions::{Feed, Order, Settings as SubscriptionSettings, Terms};

/// Wei in one unit of 1e-9 token.
pub const WEI_PER_UNIT: u64 = 1_000_000_000;

/// `IRoundRegistry.Kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Probabilities, settled by the wager; the parameter is the clamp a in ppm.
    Direction = 1,
    /// Uploads, settled by CORR and MMC; the parameter is the loss limit L in ppm.
    Ranking = 2,
}

/// `IRoundRegistry.Outcome`. A scored ranking round says `Zero`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// y = 0.
    Zero = 0,
    /// y = 1.
    One = 1,
    /// Every stake returns.
    Void = 2,
}

/// `IRoundRegistry.RoundState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RoundState {
    /// Never committed.
    None = 0,
    /// Committed and held by no live or accepted proposal.
    Committed = 1,
    /// Held by the live proposal.
    Held = 2,
    /// Part of an accepted batch.
    Settled = 3,
    /// Closed without settlement.
    Void = 4,
}

/// `IStakeVault.ProposalState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ProposalState {
    /// Vetoed, too late, shut down or never made.
    Dead = 0,
    /// Pending and not yet three windows old.
    Live = 1,
    /// The head moved to it.
    Accepted = 2,
}

/// `IFaultProof.Fault`: what a challenge showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Nothing is wrong.
    None = 0,
    /// Δ stakeDelta is not what the model's predictions earn.
    StakeDelta = 1,
    /// The pool reward of a model fell.
    PoolReward = 2,
    /// p outside [a, 1e6 − a].
    Report = 3,
    /// One round could take more than the model could claim.
    StakeAtRisk = 4,
    /// The model would owe.
    Claimable = 5,
    /// The entry of an index that nobody registered changed.
    UnregisteredModel = 6,
    /// Sums that are not those of the children or of the opened leaf.
    NodeSums = 7,
    /// The zero hash with sums.
    EmptyNode = 8,
    /// A hash of something that is no node or leaf at its level.
    NodeShape = 9,
    /// A leaf of another index than its position.
    LeafPosition = 10,
    /// A prediction of a model that is not registered for the tournament.
    ForeignLeaf = 11,
}

/// `IFaultProof.Tree`: where a challenged node lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tree {
    /// The ledger that the proposal would make.
    Ledger = 0,
    /// The predictions of a round that it reveals.
    Prediction = 1,
}

/// A number that is no value of one of the contract's enums.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is no value of the contract's enum")]
pub struct UnknownValue(pub u8);

macro_rules! from_u8 {
    ($name:ident: $($variant:ident),+) => {
        impl TryFrom<u8> for $name {
            type Error = UnknownValue;

            fn try_from(value: u8) -> Result<Self, UnknownValue> {
                [$($name::$variant),+]
                    .into_iter()
                    .find(|variant| *variant as u8 == value)
                    .ok_or(UnknownValue(value))
            }
        }
    };
}

from_u8!(Kind: Direction, Ranking);
from_u8!(Outcome: Zero, One, Void);
from_u8!(RoundState: None, Committed, Held, Settled, Void);
from_u8!(ProposalState: Dead, Live, Accepted);
from_u8!(
    Fault: None, StakeDelta, PoolReward, Report, StakeAtRisk, Claimable, UnregisteredModel,
    NodeSums, EmptyNode, NodeShape, LeafPosition, ForeignLeaf
);
from_u8!(Tree: Ledger, Prediction);
