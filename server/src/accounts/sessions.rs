//! Session keys: addresses whose signatures on predictions count as the account's own, for a time.
//! They sign nothing else, so a bot that loses one loses no account and no wallet.

use alloy::primitives::Address;
use contracts::requests::DelegateSession;
use domain::AccountId;
use domain::timestamp::SECOND_US;

use super::signature::{Proof, SigningPlace};
use super::{Account, AccountError, address, get, store};
use crate::db::Conn;

/// Most live session keys of one account.
pub const SESSION_LIMIT: usize = 10;
/// How long a session key may live.
const LONGEST_US: i64 = 90 * 86_400 * SECOND_US;

/// An address that the account's wallet let sign predictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionKey {
    /// `0x…`, with its checksum.
    pub address: String,
    /// Until when, wall microseconds.
    pub expires_us: i64,
    /// Since when, wall microseconds.
    pub created_us: i64,
}

/// Lets `session` sign predictions of the account's models until `expires_s`, by a signature of the
/// account's wallet, which `proof` gives under that name.
///
/// # Errors
/// When the signature does not hold, the account has no wallet or too many session keys, or the
/// end is not within 90 days.
pub async fn delegate(
    conn: &mut Conn,
    now_us: i64,
    place: SigningPlace,
    account: &AccountId,
    (session, expires_s): (Address, u64),
    proof: impl FnOnce(Address) -> Proof,
) -> Result<SessionKey, AccountError> {
    let expires_us = i64::try_from(expires_s)
        .ok()
        .and_then(|s| s.checked_mul(SECOND_US))
        .filter(|us| (now_us + 1..=now_us + LONGEST_US).contains(us));
    let expires_us = expires_us.ok_or_else(|| {
        AccountError::Rights("`expires_at` is not within the next 90 days".to_owned())
    })?;
    let account = get(conn, account).await?;
    if account.wallet.is_empty() {
        return Err(AccountError::WalletMissing(account.id));
    }
    let proof = proof(address(&account.wallet)?);
    let request = DelegateSession {
        session,
        account: account.id.to_string(),
        expiresAtS: expires_s,
        issuedAtUs: proof.issued()?,
        nonce: proof.nonce,
    };
    proof.accept(conn, now_us, place, &request).await?;
    let new = SessionKey {
        address: session.to_string(),
        expires_us,
        created_us: now_us,
    };
    let live = store::signed::sessions(conn, &account.id, now_us).await?;
    let others = live.iter().filter(|one| one.address != new.address);
    if others.count() >= SESSION_LIMIT {
        return Err(AccountError::TooManySessions(account.id));
    }
    store::signed::put_session(conn, &account.id, &new).await?;
    Ok(new)
}

/// The live session keys of an account, oldest first.
///
/// # Errors
/// Database errors.
pub async fn sessions(
    conn: &mut Conn,
    now_us: i64,
    account: &AccountId,
) -> Result<Vec<SessionKey>, AccountError> {
    Ok(store::signed::sessions(conn, account, now_us).await?)
}

/// Ends a session key; the next prediction that it signs is refused.
///
/// # Errors
/// [`AccountError::UnknownSession`].
pub async fn revoke_session(
    conn: &mut Conn,
    now_us: i64,
    account: &AccountId,
    session: &str,
) -> Result<(), AccountError> {
    let unknown = || AccountError::UnknownSession(session.chars().take(80).collect());
    let known = address(session).map_err(|_| unknown())?.to_string();
    if store::signed::revoke_session(conn, account, &known, now_us).await? {
        return Ok(());
    }
    Err(unknown())
}

/// Whether `signer` signs predictions for the account: its wallet, or a live session key.
///
/// # Errors
/// Database errors.
pub async fn may_sign(
    conn: &mut Conn,
    now_us: i64,
    account: &Account,
    signer: Address,
) -> Result<bool, AccountError> {
    let signer = signer.to_string();
    if account.wallet == signer {
        return Ok(true);
    }
    Ok(store::signed::is_session(conn, &account.id, &signer, now_us).await?)
}
