//! What each final event of a vault moves, as postings of the double-entry ledger.

use super::{BatchState, SettlementError, broken, store};
use crate::chain::{self, ChainAddress, Event, Said};
use crate::db::{self, Conn};
use crate::ledger::{self, Account, Postings};
use crate::stakes;

/// Set once the events from before the ledger existed are posted.
const COMPLETE_FACT: &str = "ledger_complete";
/// Events read at once while completing.
const GROUP: i64 = 500;

/// Posts one applied event. `false` when it moves nothing, or has its entry already.
pub(super) async fn post(conn: &mut Conn, event: &Event) -> Result<bool, SettlementError> {
    let vault = event.address.to_string();
    let mut postings = Postings::default();
    let model = |index: u32| Account::Model {
        vault: vault.clone(),
        index,
    };
    match &event.said {
        Said::ModelRegistered {
            index,
            owner,
            amount,
            ..
        } => {
            let wallet = Account::Outside(owner.to_string());
            postings.transfer(wallet, model(*index), units(*amount)?);
        }
        Said::Deposited { index, amount } => {
            let wallet = owner(conn, &vault, *index).await?;
            postings.transfer(wallet, model(*index), units(*amount)?);
        }
        Said::Withdrawn { index, amount, .. } => {
            let wallet = owner(conn, &vault, *index).await?;
            postings.transfer(model(*index), wallet, units(*amount)?);
        }
        Said::Funded { amount } => {
            let pool = Account::Pool(vault.clone());
            postings.transfer(Account::world(), pool, units(*amount)?);
        }
        Said::BatchProposed { .. } => {
            let deployment = deployment(conn).await?;
            let operator = Account::Outside(deployment.operator.to_string());
            postings.transfer(operator, Account::Bond(vault), units(deployment.bond)?);
        }
        Said::BatchAccepted { seq, root, .. } => {
            batch(conn, &mut postings, &vault, (*seq, *root)).await?;
            end_proposal(conn, &mut postings, &vault, End::Returned).await?;
        }
        Said::BatchDied { .. } => {
            end_proposal(conn, &mut postings, &vault, End::Returned).await?;
        }
        Said::BatchChallenged { challenger, .. } => {
            let end = End::Forfeited(*challenger);
            end_proposal(conn, &mut postings, &vault, end).await?;
        }
        Said::ShutDown {} => {
            let pool = Account::Pool(vault.clone());
            let left = ledger::balance(conn, &pool).await?;
            postings.transfer(pool, Account::Burned(vault.clone()), left);
            end_proposal(conn, &mut postings, &vault, End::Returned).await?;
        }
        Said::WithdrawalRequested { .. }
        | Said::WithdrawalCancelled { .. }
        | Said::RoundCommitted { .. }
        | Said::CommitmentSkipped { .. }
        | Said::RoundVoided { .. } => return Ok(false),
    }
    Ok(ledger::post(conn, event, postings).await?)
}

/// What becomes of a proposal's bond.
enum End {
    /// It goes back to the operator.
    Returned,
    /// Half of it, floored, goes to whoever proved a fault; the rest burns.
    Forfeited(ChainAddress),
}

/// The bond of a vault's proposal leaves, all of it.
async fn end_proposal(
    conn: &mut Conn,
    postings: &mut Postings,
    vault: &str,
    end: End,
) -> Result<(), SettlementError> {
    let bond = Account::Bond(vault.to_owned());
    let locked = ledger::balance(conn, &bond).await?;
    match end {
        End::Returned => {
            let operator = deployment(conn).await?.operator.to_string();
            postings.transfer(bond, Account::Outside(operator), locked);
        }
        End::Forfeited(challenger) => {
            let reward = locked.checked_div(2).unwrap_or(0);
            let challenger = Account::Outside(challenger.to_string());
            postings.transfer(bond.clone(), challenger, reward);
            let rest = locked.saturating_sub(reward);
            postings.transfer(bond, Account::Burned(vault.to_owned()), rest);
        }
    }
    Ok(())
}

/// The changes of an accepted batch: models against what burns and what the pool gives. A batch
/// that is not ours has none that we know; settlement is halted then.
async fn batch(
    conn: &mut Conn,
    postings: &mut Postings,
    vault: &str,
    (seq, root): (u64, chain::B256),
) -> Result<(), SettlementError> {
    let seq = i64::try_from(seq).map_err(|_| broken(format!("seq {seq}")))?;
    let root = root.to_string();
    let at = (seq, root.as_str());
    let Some(accepted) = store::batches::at(conn, vault, at, BatchState::Final).await? else {
        return Ok(());
    };
    for change in store::batches::changes(conn, &accepted.batch.id).await? {
        let model = Account::Model {
            vault: vault.to_owned(),
            index: change.index,
        };
        postings.add(model.clone(), i128::from(change.stake_delta));
        postings.add(model, i128::from(change.pool_reward));
    }
    let burned = i128::from(accepted.batch.burned.units());
    postings.add(Account::Burned(vault.to_owned()), burned);
    let used = i128::from(accepted.pool_used).saturating_neg();
    postings.add(Account::Pool(vault.to_owned()), used);
    Ok(())
}

/// Posts the events that were applied before the ledger existed, once in an installation's life; a
/// new one has none. Whoever settles or applies events calls this first.
///
/// # Errors
/// Database errors and broken rows.
pub async fn complete_ledger(conn: &mut Conn) -> Result<(), SettlementError> {
    if db::fact(conn, COMPLETE_FACT).await?.is_some() {
        return Ok(());
    }
    let mut after = (i64::MIN, i64::MIN);
    let mut posted: usize = 0;
    loop {
        let events = chain::applied_events(conn, after, GROUP).await?;
        for event in &events {
            let is_new = post(conn, event).await?;
            posted = posted.saturating_add(usize::from(is_new));
            after = (event.block_number, event.log_index);
        }
        if events.is_empty() {
            break;
        }
    }
    if posted > 0 {
        tracing::info!(posted, "the ledger was completed from recorded events");
    }
    db::set_fact(conn, COMPLETE_FACT, "1").await?;
    Ok(())
}

async fn owner(conn: &mut Conn, vault: &str, index: u32) -> Result<Account, SettlementError> {
    Ok(Account::Outside(stakes::owner(conn, vault, index).await?))
}

async fn deployment(conn: &mut Conn) -> Result<chain::Deployment, SettlementError> {
    let deployment = chain::deployment(conn).await?;
    deployment.ok_or_else(|| broken("there is no deployment"))
}

fn units(amount: u64) -> Result<i64, SettlementError> {
    i64::try_from(amount).map_err(|_| broken(format!("{amount} units are beyond 2^63")))
}
