//! Final events become rows: registrations, deposits, requests, payments, credits.

use crate::chain::{Event, Said};
use crate::db::Conn;

use super::store::{self, Registration};
use super::{StakeError, StakeError::Broken};

/// Applies one final event. Events of others' concern, and events that are not final, change
/// nothing; requests count before they are final because [`super::of_model`] reads them itself.
/// The caller marks the event in the same transaction, so that it is applied once.
///
/// # Errors
/// [`StakeError::Broken`] when the event does not fit what is stored: then nothing may be settled.
pub async fn apply(conn: &mut Conn, event: &Event) -> Result<(), StakeError> {
    if !event.is_final {
        return Ok(());
    }
    let vault = event.address.to_string();
    match &event.said {
        Said::ModelRegistered {
            index,
            tournament,
            model_key,
            owner,
            amount,
        } => {
            let new = Registration {
                vault: &vault,
                model_index: i64::from(*index),
                tournament_key: &tournament.to_string(),
                model_key: &model_key.to_string(),
                owner: &owner.to_string(),
                deposited: units(*amount)?,
            };
            expect(store::insert_stake(conn, &new).await?, event)
        }
        Said::Deposited { index, amount } => {
            let done = store::add_deposit(conn, &vault, i64::from(*index), units(*amount)?).await?;
            expect(done, event)
        }
        Said::Funded { amount } => store::add_to_pool(conn, &vault, units(*amount)?, 0).await,
        Said::WithdrawalRequested {
            index,
            amount,
            matures_at,
        } => {
            let matures_us = i64::try_from(*matures_at)
                .ok()
                .and_then(|s| s.checked_mul(1_000_000));
            let matures_us = matures_us.ok_or_else(|| Broken(format!("{event:?}")))?;
            // "More than there is" asks for everything.
            let amount = i64::try_from(*amount).unwrap_or(i64::MAX);
            store::set_request(conn, &vault, i64::from(*index), amount, matures_us).await
        }
        Said::WithdrawalCancelled { index } => {
            store::keep_request(conn, &vault, i64::from(*index), 0).await
        }
        Said::Withdrawn {
            index,
            amount,
            requested_left,
        } => {
            let index = i64::from(*index);
            let done = store::add_withdrawal(conn, &vault, index, units(*amount)?).await?;
            expect(done, event)?;
            let left = i64::try_from(*requested_left).unwrap_or(i64::MAX);
            store::keep_request(conn, &vault, index, left).await
        }
        // What the pool still has burns with the vault.
        Said::ShutDown {} => store::empty_pool(conn, &vault).await,
        _ => Ok(()),
    }
}

fn units(amount: u64) -> Result<i64, StakeError> {
    i64::try_from(amount).map_err(|_| Broken(format!("{amount} units are beyond 2^63")))
}

fn expect(fits: bool, event: &Event) -> Result<(), StakeError> {
    if fits {
        Ok(())
    } else {
        Err(Broken(format!("{event:?} does not fit what is stored")))
    }
}
