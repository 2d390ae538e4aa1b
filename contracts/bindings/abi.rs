//! Types of the three contracts, generated from `contracts/abi`: a `…Call` per function (encode with
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

pub use fore_token::ForeToken;
pub use round_registry::RoundRegistry;
pub use stake_vault::StakeVault;

pub use round_registry::IRoundRegistry::{RoundCommitment, Tournament};
pub use stake_vault::IRoundRegistry::Reveal;
pub use stake_vault::IStakeVault::{Books, Head, Model, Proposal, Settings};

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
