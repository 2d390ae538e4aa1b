//! What a wallet asks for by a signature: an account, a link to one, a key.

use contracts::requests::{CreateKey, LinkWallet, OpenAccount};
use domain::timestamp::SECOND_US;

use super::keys::{KeyRights, MadeKey, give_key, make_key};
use super::signature::{Proof, SigningPlace};
use super::{Account, AccountError, Scope, open, store};
use crate::db::Conn;

/// Opens the account of a wallet and makes its first key; an account that the wallet has already is
/// not opened again (`false`) and gets one more key.
///
/// # Errors
/// When the signature does not hold, or account or key cannot be made.
pub async fn open_by_wallet(
    conn: &mut Conn,
    now_us: i64,
    place: SigningPlace,
    name: &str,
    proof: &Proof,
    random: [u8; 20],
) -> Result<(Account, MadeKey, bool), AccountError> {
    let request = OpenAccount {
        name: name.to_owned(),
        wallet: proof.wallet,
        issuedAtUs: proof.issued()?,
        nonce: proof.nonce,
    };
    proof.accept(conn, now_us, place, &request).await?;
    let wallet = proof.wallet.to_string();
    let (account, is_new) = match store::by_wallet(conn, &wallet).await? {
        Some(account) => (account, false),
        None => (open(conn, now_us, name, &wallet).await?, true),
    };
    let key = make_key(conn, now_us, &account.id, first_rights(), random).await?;
    Ok((account, key, is_new))
}

/// What the first key of an account may do.
#[must_use]
pub fn first_rights() -> KeyRights {
    KeyRights {
        name: "first".to_owned(),
        scopes: Scope::OWN.to_vec(),
        expires_us: 0,
        addresses: Vec::new(),
    }
}

/// Gives a wallet to an account that has none, or has this one. Registrations of the account's
/// models by this wallet count from now on, earlier ones too: stakes are found by the wallet.
///
/// # Errors
/// When the signature does not hold, another account has the wallet, or the account another wallet.
pub async fn link_wallet(
    conn: &mut Conn,
    now_us: i64,
    place: SigningPlace,
    account: &Account,
    proof: &Proof,
) -> Result<Account, AccountError> {
    let request = LinkWallet {
        account: account.id.to_string(),
        wallet: proof.wallet,
        issuedAtUs: proof.issued()?,
        nonce: proof.nonce,
    };
    proof.accept(conn, now_us, place, &request).await?;
    let wallet = proof.wallet.to_string();
    // Read again: what the request's key was looked up with may have changed.
    let mut account = super::get(conn, &account.id).await?;
    if account.wallet == wallet {
        return Ok(account);
    }
    if store::by_wallet(conn, &wallet).await?.is_some() {
        return Err(AccountError::WalletTaken(wallet));
    }
    let set = match store::set_wallet(conn, &account.id, &wallet).await {
        Ok(set) => account.wallet.is_empty() && set,
        // Two accounts at once: the index of wallets decides, and this transaction is over.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            return Err(AccountError::WalletTaken(wallet));
        }
        Err(error) => return Err(error.into()),
    };
    if !set {
        return Err(AccountError::WalletDiffers {
            account: account.id,
            wallet: account.wallet,
        });
    }
    account.wallet = wallet;
    Ok(account)
}

/// Makes a key of the wallet's account.
///
/// # Errors
/// When what is asked for breaks a rule, the signature does not hold, no account has the wallet, or
/// it has too many keys.
pub async fn create_key_by_wallet(
    conn: &mut Conn,
    now_us: i64,
    place: SigningPlace,
    request: CreateKey,
    proof: &Proof,
    random: [u8; 20],
) -> Result<(Account, MadeKey), AccountError> {
    let expires_us = i64::try_from(request.expiresAtS)
        .ok()
        .and_then(|s| s.checked_mul(SECOND_US))
        .ok_or_else(|| AccountError::Rights("`expires_at` is beyond every clock".to_owned()))?;
    let (name, scopes) = (&request.name, &request.scopes);
    let rights = KeyRights::parse(now_us, name, scopes, expires_us, &request.addresses)?;
    let request = CreateKey {
        wallet: proof.wallet,
        issuedAtUs: proof.issued()?,
        nonce: proof.nonce,
        ..request
    };
    proof.accept(conn, now_us, place, &request).await?;
    let wallet = proof.wallet.to_string();
    let account = store::by_wallet(conn, &wallet).await?;
    let account = account.ok_or(AccountError::WalletUnknown(wallet))?;
    let key = give_key(conn, now_us, &account, &[], rights, random).await?;
    Ok((account, key))
}
