//! The double-entry ledger: what every final event of the vaults moved, between which accounts.
//!
//! Owns the tables `ledger_entries`, `ledger_postings` and `ledger_balances`. An entry belongs to
//! one event, by block hash and log index, and its postings sum to zero. Entries and postings are
//! written once and never changed or deleted; a balance is the sum of its account's postings and is
//! kept beside them so that comparing costs no more than there are accounts. Knows nothing of
//! rounds and batches: what an event moves is said by [`crate::settlement`].
#![deny(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic
)]

mod account;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::chain::Event;
use crate::db::Conn;

pub use account::{Account, AccountKind};

/// What can go wrong with the ledger.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// Postings that do not sum to zero would make or lose money.
    #[error("the postings of {event} sum to {sum} units, not to 0")]
    Unbalanced {
        /// The event.
        event: String,
        /// Their sum.
        sum: i128,
    },
    /// A stored row breaks its own rules.
    #[error("stored ledger row is broken: {0}")]
    Broken(String),
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// What one event adds to each account, units of 1e-9 token. Several postings to one account are
/// one; what comes to nothing is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Postings {
    by_account: BTreeMap<Account, i128>,
}

impl Postings {
    /// Moves `units` from one account to another.
    pub fn transfer(&mut self, from: Account, to: Account, units: i64) {
        self.add(from, i128::from(units).saturating_neg());
        self.add(to, i128::from(units));
    }

    /// Adds to one account alone; another posting has to balance it.
    pub fn add(&mut self, account: Account, units: i128) {
        let sum = self.by_account.entry(account).or_default();
        *sum = sum.saturating_add(units);
    }

    fn checked(self, event: &Event) -> Result<Vec<(Account, i64)>, LedgerError> {
        let sum = self
            .by_account
            .values()
            .fold(0_i128, |sum, units| sum.saturating_add(*units));
        if sum != 0 {
            let event = format!("{} in block {}", event.said.name(), event.block_number);
            return Err(LedgerError::Unbalanced { event, sum });
        }
        let moved = self.by_account.into_iter().filter(|(_, units)| *units != 0);
        moved
            .map(|(account, units)| {
                let units = i64::try_from(units)
                    .map_err(|_| LedgerError::Broken(format!("{units} units at once")))?;
                Ok((account, units))
            })
            .collect()
    }
}

/// Posts what an event moves, in the transaction that applies it. `false` when the event has its
/// entry already: then nothing changes.
///
/// # Errors
/// [`LedgerError::Unbalanced`], database errors.
pub async fn post(conn: &mut Conn, event: &Event, postings: Postings) -> Result<bool, LedgerError> {
    let postings = postings.checked(event)?;
    if !store::insert_entry(conn, event).await? {
        return Ok(false);
    }
    store::insert_postings(conn, event, &postings).await?;
    store::add_to_balances(conn, &postings).await?;
    Ok(true)
}

/// The balance of one account; 0 when nothing was ever posted to it.
///
/// # Errors
/// Database errors.
pub async fn balance(conn: &mut Conn, account: &Account) -> Result<i64, LedgerError> {
    store::balance(conn, account).await
}

/// What the ledger says of one vault, units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VaultBalances {
    /// What each model can claim, by index.
    pub models: BTreeMap<u32, i64>,
    /// The pool.
    pub pool: i64,
    /// Locked by a proposal.
    pub bond: i64,
}

/// The balances of a vault's accounts.
///
/// # Errors
/// Database errors and broken rows.
pub async fn of_vault(conn: &mut Conn, vault: &str) -> Result<VaultBalances, LedgerError> {
    store::of_vault(conn, vault).await
}

/// The accounts of one kind together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// The kind.
    pub kind: AccountKind,
    /// How many there are.
    pub accounts: i64,
    /// The sum of their balances, units.
    pub balance: i64,
}

/// The sums of all balances by kind, in the kinds' order. Together they are zero.
///
/// # Errors
/// Database errors and broken rows.
pub async fn totals(conn: &mut Conn) -> Result<Vec<Total>, LedgerError> {
    store::totals(conn).await
}

/// The sum of all balances, units. Anything but zero says that the ledger is wrong.
#[must_use]
pub fn imbalance(totals: &[Total]) -> i128 {
    totals.iter().fold(0_i128, |sum, total| {
        sum.saturating_add(i128::from(total.balance))
    })
}

/// Reads every posting: entries that do not sum to zero, and accounts whose balance is not the sum
/// of their postings, each named, at most a few of them. Costs time in proportion to the history.
///
/// # Errors
/// Database errors and broken rows.
pub async fn audit(conn: &mut Conn) -> Result<Vec<String>, LedgerError> {
    let mut wrong = store::unbalanced(conn).await?;
    wrong.extend(store::differing_balances(conn).await?);
    wrong.extend(store::without_balance(conn).await?);
    Ok(wrong)
}
