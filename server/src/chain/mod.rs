//! The chain: the only place with a provider, and the record of what the chain has said.
//!
//! Owns the tables `chain_blocks` and `chain_events`. Ingests and records; what an event means is
//! decided by the slices that read it. Knows nothing of accounts, rounds or models.

mod call;
mod decode;
mod deploy;
mod event;
mod logs;
mod revert;
mod rpc;
mod store;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod transaction;

pub mod anvil;
pub mod follower;
pub mod wallet;

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::db::{self, Conn};

pub use alloy::primitives::{Address as ChainAddress, B256, Bytes, U256};
pub use call::call_and_wait;
pub use deploy::{
    DeployKeys, DeploySettings, NewTournament, Roles, bond_held, deploy, fitting_deployment,
};
pub use event::{Event, Said};
pub use logs::{Logged, read_logs};
pub use revert::Revert;
pub use rpc::{BlockRef, Chain, Receipt, Sent, connect};
pub use transaction::{Fees, Key, Signed, Unsigned, sign};

/// Under this name the deployment is kept.
const DEPLOYMENT_FACT: &str = "deployment";

/// Our contracts on one chain, and the parameters that they were made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The chain.
    pub chain_id: u64,
    /// ForeToken.
    pub token: Address,
    /// RoundRegistry.
    pub registry: Address,
    /// StakeVault of the `direction` tournaments.
    pub vault: Address,
    /// No event of ours is older than this block.
    pub deployed_block: u64,
    /// Seconds in which a proposal may be vetoed.
    pub window_s: i64,
    /// Seconds after T until which a round may be proposed.
    pub settle_by_s: i64,
    /// Seconds from a withdrawal's request to its payment.
    pub delay_s: i64,
    /// Most seconds before T at which a commitment is taken.
    pub margin_s: i64,
    /// Seconds without a batch after which anyone may shut the vault down.
    pub idle_limit_s: i64,
    /// What a proposal locks, units of 1e-9 token.
    pub bond: u64,
    /// Least first deposit, units of 1e-9 token.
    pub minimum_deposit: u64,
    /// Signs commitments.
    pub committer: Address,
    /// Signs proposals and acceptances.
    pub operator: Address,
    /// May veto and pause.
    pub guardian: Address,
    /// Names the others and registers tournaments.
    pub owner: Address,
}

impl Deployment {
    /// The contracts whose events we record.
    fn contracts(&self) -> [Address; 2] {
        [self.registry, self.vault]
    }
}

/// What can go wrong with the chain.
#[derive(Debug, Error)]
pub enum ChainError {
    /// Not an address of a node.
    #[error("{0:?} is not an http address of a node")]
    Address(String),
    /// The node did not answer, or refused. Says nothing about what was sent.
    #[error("the node did not answer: {0}")]
    Rpc(#[from] alloy::transports::TransportError),
    /// A contract refused a call that was only tried.
    #[error("the contract refuses: {0}")]
    Reverted(Revert),
    /// The node answered something else than was asked.
    #[error("the node's answer to {0} cannot be read")]
    Answer(&'static str),
    /// A block that must be there is not.
    #[error("the node has no block {0}")]
    NoBlock(u64),
    /// The secret is no key.
    #[error("the secret is not a key of the chain's curve")]
    Key,
    /// Chain and database belong to different histories: begin anew, or name the other chain.
    #[error("chain and database do not fit: {0}")]
    DoesNotFit(String),
    /// A transaction of the set-up was mined without effect.
    #[error("{what} was refused by the chain (transaction {tx_hash})")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// The transaction.
        tx_hash: B256,
    },
    /// A transaction of the set-up was not mined in time.
    #[error("{0} was not mined in time; is somebody mining?")]
    NotMined(&'static str),
    /// A stored row breaks its own rules.
    #[error("stored chain row is broken: {0}")]
    Broken(String),
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl ChainError {
    /// Whether trying again can help: the node or the database had trouble, nothing is wrong.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Rpc(_)
            | Self::Reverted(_)
            | Self::Answer(_)
            | Self::NoBlock(_)
            | Self::NotMined(_) => true,
            Self::Database(error) => database_may_recover(error),
            Self::Address(_)
            | Self::Key
            | Self::DoesNotFit(_)
            | Self::Refused { .. }
            | Self::Broken(_) => false,
        }
    }
}

/// Whether a node's address is one of this computer, which tells nobody a secret.
#[must_use]
pub fn is_of_this_computer(url: &str) -> bool {
    ["http://127.0.0.1:", "http://localhost:"]
        .iter()
        .any(|local| url.starts_with(local))
}

/// Whether the database had trouble, rather than a stored number that cannot be read or added to.
#[must_use]
pub fn database_may_recover(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. } => false,
        // PostgreSQL's numeric_value_out_of_range; SQLite turns the sum into a float that does not
        // decode.
        sqlx::Error::Database(refused) => refused.code().as_deref() != Some("22003"),
        _ => true,
    }
}

/// The deployment of this installation, if there is one.
///
/// # Errors
/// Database errors and an unreadable fact.
pub async fn deployment(conn: &mut Conn) -> Result<Option<Deployment>, ChainError> {
    let fact = db::fact(conn, DEPLOYMENT_FACT).await?;
    fact.map(|text| {
        serde_json::from_str(&text).map_err(|error| ChainError::Broken(error.to_string()))
    })
    .transpose()
}

/// Keeps the deployment.
///
/// # Errors
/// Database errors.
pub async fn set_deployment(conn: &mut Conn, deployment: &Deployment) -> Result<(), ChainError> {
    let text =
        serde_json::to_string(deployment).map_err(|error| ChainError::Broken(error.to_string()))?;
    db::set_fact(conn, DEPLOYMENT_FACT, &text).await?;
    Ok(())
}

/// A recorded block: how far our view of the chain reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time, seconds.
    pub time_s: i64,
}

/// The newest recorded final block.
///
/// # Errors
/// Database errors and broken rows.
pub async fn final_head(conn: &mut Conn) -> Result<Option<Head>, ChainError> {
    store::newest_final(conn).await?.map(head).transpose()
}

/// The newest recorded block, final or not.
///
/// # Errors
/// Database errors and broken rows.
pub async fn newest_head(conn: &mut Conn) -> Result<Option<Head>, ChainError> {
    store::tip(conn).await?.map(head).transpose()
}

fn head(block: store::StoredBlock) -> Result<Head, ChainError> {
    let time_s = i64::try_from(block.time_s).map_err(|_| ChainError::NoBlock(block.number))?;
    Ok(Head {
        number: block.number,
        hash: block.hash,
        time_s,
    })
}

/// Final events that nobody has applied yet, in the chain's order.
///
/// # Errors
/// Database errors and broken rows.
pub async fn final_events(conn: &mut Conn, limit: i64) -> Result<Vec<Event>, ChainError> {
    store::final_unapplied(conn, limit).await
}

/// Final events that were applied, in the chain's order, after the one at this block and log.
///
/// # Errors
/// Database errors and broken rows.
pub async fn applied_events(
    conn: &mut Conn,
    after: (i64, i64),
    limit: i64,
) -> Result<Vec<Event>, ChainError> {
    store::final_applied(conn, after, limit).await
}

/// Marks a final event as applied; `false` when somebody else has done so.
///
/// # Errors
/// Database errors.
pub async fn mark_applied(conn: &mut Conn, event: &Event) -> Result<bool, ChainError> {
    store::mark_applied(conn, event).await
}

/// Requests of withdrawals that were seen and are not applied yet, final or not.
///
/// # Errors
/// Database errors and broken rows.
pub async fn requests_not_applied(conn: &mut Conn) -> Result<Vec<Event>, ChainError> {
    store::unapplied_named(conn, event::WITHDRAWAL_REQUESTED).await
}

/// A stored number that cannot be negative.
fn whole(number: i64) -> Result<u64, ChainError> {
    u64::try_from(number).map_err(|_| ChainError::Broken(number.to_string()))
}
