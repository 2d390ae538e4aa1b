//! Ledger and chain, compared to the last wei at one final block.

use alloy::primitives::U256;
use contracts::abi::{ForeToken, StakeVault, WEI_PER_UNIT};
use domain::timestamp::SECOND_US;
use serde::{Deserialize, Serialize};

use super::{SettlementError, balance, broken, store, tree};
use crate::chain::{B256, Chain, Deployment, Head};
use crate::db::{Conn, Db};
use crate::{chain, ledger, stakes};

/// What the contracts say at one block. Units, but for the balance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainView {
    /// The block.
    pub head: Head,
    /// The head root of the ledger.
    pub root: B256,
    /// Accepted batches.
    pub seq: u64,
    /// All that models can claim.
    pub staked: u64,
    /// The pool.
    pub pool: u64,
    /// Locked by a pending proposal.
    pub bond: u64,
    /// What the vault holds, wei.
    pub balance: U256,
    /// When the last batch was accepted, seconds.
    pub accepted_at_s: i64,
}

/// How much of the double-entry ledger a comparison reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The balance of every account.
    Balances,
    /// Every posting there ever was, too.
    Postings,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciliation {
    /// The vault, `0x…`.
    pub vault: String,
    /// Σ claimable + pool + bond + donations by our ledger, wei in decimal.
    pub ledger: String,
    /// What the vault holds on chain, wei in decimal.
    pub chain: String,
    /// Whether everything agrees to the last wei, roots and sequence too.
    pub equal: bool,
    /// What does not; empty when equal.
    pub differs: String,
    /// The block of both.
    pub block_number: u64,
    /// When, market microseconds.
    pub at_us: i64,
}

/// A comparison for records, which count in units of 1e-9 token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// As [`Reconciliation::ledger`], units in decimal, floored.
    pub ledger: String,
    /// As [`Reconciliation::chain`], units in decimal, floored.
    pub chain: String,
    /// Whether everything agrees, to the last wei.
    pub equal: bool,
    /// What does not; empty when equal.
    pub differs: String,
}

/// Reads the contracts at a recorded final block.
///
/// # Errors
/// [`SettlementError::Chain`].
pub async fn read_chain(
    chain: &Chain,
    deployment: &Deployment,
    head: Head,
) -> Result<ChainView, SettlementError> {
    let at = Some(head.number);
    let ledger = chain
        .view(deployment.vault, &StakeVault::headCall {}, at)
        .await?;
    let books = chain
        .view(deployment.vault, &StakeVault::booksCall {}, at)
        .await?;
    let pending = chain
        .view(deployment.vault, &StakeVault::proposalCall {}, at)
        .await?;
    let balance = ForeToken::balanceOfCall {
        account: deployment.vault,
    };
    let balance = chain.view(deployment.token, &balance, at).await?;
    Ok(ChainView {
        head,
        root: ledger.root,
        seq: ledger.seq,
        staked: books.staked,
        pool: books.pool,
        bond: if pending.number == 0 {
            0
        } else {
            deployment.bond
        },
        balance,
        accepted_at_s: i64::try_from(books.acceptedAt.to::<u64>()).map_err(|_| broken("a time"))?,
    })
}

/// Makes everything that a transaction reads be of one moment; the first statement in it. SQLite's
/// transactions are so by themselves.
///
/// # Errors
/// Database errors.
pub async fn of_one_moment(conn: &mut Conn, db: &Db) -> Result<(), SettlementError> {
    if !db.is_sqlite() {
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// Compares our ledger with the contracts at the same block and keeps the result. `None` when our
/// record has moved on, or has final events that are not applied: then look again. The transaction
/// begins with [`of_one_moment`].
///
/// # Errors
/// Database errors and broken rows.
pub async fn reconcile(
    conn: &mut Conn,
    now_us: i64,
    deployment: &Deployment,
    view: &ChainView,
    depth: Depth,
) -> Result<Option<Reconciliation>, SettlementError> {
    let recorded = chain::final_head(conn).await?;
    if recorded != Some(view.head) || !chain::final_events(conn, 1).await?.is_empty() {
        return Ok(None);
    }
    let vault = deployment.vault.to_string();
    let one = against(conn, now_us, &vault, view, depth).await?;
    let id = format!("{vault}-{}-{now_us}", view.head.number);
    store::control::insert_reconciliation(conn, &id, &one).await?;
    // Two days of those that passed are kept, and all that did not.
    let two_days_us = 172_800_000_000;
    store::control::prune_reconciliations(conn, now_us.saturating_sub(two_days_us)).await?;
    Ok(Some(one))
}

/// Compares without keeping the result, at the newest final block whose events are all applied.
///
/// # Errors
/// [`SettlementError::Differs`] when our record is not at rest; look again.
pub async fn compare(
    db: &Db,
    chain: &Chain,
    deployment: &Deployment,
) -> Result<Comparison, SettlementError> {
    let not_yet = |what: &str| SettlementError::Differs(what.to_owned());
    let head = chain::final_head(&mut *db.read().await?).await?;
    let head = head.ok_or_else(|| not_yet("no block is final yet"))?;
    let view = read_chain(chain, deployment, head).await?;
    let mut tx = db.begin().await?;
    of_one_moment(&mut tx, db).await?;
    let moved = chain::final_head(&mut tx).await? != Some(head);
    if moved || !chain::final_events(&mut tx, 1).await?.is_empty() {
        return Err(not_yet("the record of the chain moved meanwhile"));
    }
    let now_us = head.time_s.saturating_mul(SECOND_US);
    let one = against(
        &mut tx,
        now_us,
        &deployment.vault.to_string(),
        &view,
        Depth::Postings,
    )
    .await?;
    Ok(Comparison {
        ledger: units_floor(&one.ledger)?,
        chain: units_floor(&one.chain)?,
        equal: one.equal,
        differs: one.differs,
    })
}

/// What is wrong with the double-entry ledger by itself.
async fn inside(conn: &mut Conn, depth: Depth) -> Result<Vec<String>, SettlementError> {
    let sum = ledger::imbalance(&ledger::totals(conn).await?);
    let mut wrong = match depth {
        Depth::Balances => Vec::new(),
        Depth::Postings => ledger::audit(conn).await?,
    };
    if sum != 0 {
        wrong.push(format!(
            "the ledger's accounts sum to {sum} units, not to 0"
        ));
    }
    Ok(wrong)
}

async fn against(
    conn: &mut Conn,
    now_us: i64,
    vault: &str,
    view: &ChainView,
    depth: Depth,
) -> Result<Reconciliation, SettlementError> {
    let entries = stakes::ledger(conn, vault).await?;
    let root = tree::of_ledger(&entries, &[])?.root();
    let staked = entries
        .iter()
        .try_fold(0_u64, |sum, entry| sum.checked_add(entry.claimable.units()));
    let staked = staked.ok_or_else(|| broken("the stakes outgrow 64 bits"))?;
    let pool =
        u64::try_from(stakes::pool(conn, vault).await?).map_err(|_| broken("a pool below 0"))?;
    let seq = store::batches::final_seq(conn, vault).await?;
    let accounted = wei(&[view.staked, view.pool, view.bond]);
    let posted = ledger::of_vault(conn, vault).await?;
    let mut differs = balance::differences(vault, &posted, &entries, pool, view);
    differs.extend(inside(conn, depth).await?);
    if root != view.root {
        differs.push(format!("root {root} against {}", view.root));
    }
    if u64::try_from(seq) != Ok(view.seq) {
        differs.push(format!("{seq} batches against {}", view.seq));
    }
    if staked != view.staked {
        differs.push(format!("{staked} units staked against {}", view.staked));
    }
    if pool != view.pool {
        differs.push(format!("{pool} units in the pool against {}", view.pool));
    }
    // Donations are what the vault holds beyond its books: there can be more, never less.
    let donations = view.balance.checked_sub(accounted).unwrap_or_default();
    let ledger = wei(&[staked, pool, view.bond]).saturating_add(donations);
    if ledger != view.balance {
        differs.push(format!("{ledger} wei against {}", view.balance));
    }
    Ok(Reconciliation {
        vault: vault.to_owned(),
        ledger: ledger.to_string(),
        chain: view.balance.to_string(),
        equal: differs.is_empty(),
        differs: differs.join("; "),
        block_number: view.head.number,
        at_us: now_us,
    })
}

fn wei(units: &[u64]) -> U256 {
    units.iter().fold(U256::ZERO, |sum, units| {
        sum.saturating_add(U256::from(*units).saturating_mul(U256::from(WEI_PER_UNIT)))
    })
}

fn units_floor(wei: &str) -> Result<String, SettlementError> {
    let wei: U256 = wei
        .parse()
        .map_err(|_| broken(format!("{wei:?} is no number")))?;
    Ok(wei
        .checked_div(U256::from(WEI_PER_UNIT))
        .unwrap_or_default()
        .to_string())
}

/// The newest comparison.
///
/// # Errors
/// Database errors.
pub async fn latest_reconciliation(
    conn: &mut Conn,
) -> Result<Option<Reconciliation>, SettlementError> {
    store::control::latest_reconciliation(conn).await
}
