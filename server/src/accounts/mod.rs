//! Accounts, their API keys, and what their wallets sign.
//!
//! Owns the tables `accounts`, `api_keys`, `session_keys` and `request_nonces`. A key is shown once
//! and kept only as a hash; it is never logged. A revoked key is refused by the next request, since
//! every request looks it up. A signed request does what it says once.

mod keys;
mod sessions;
mod signed;

mod address_block;
mod error;
mod gate;
mod key;
#[cfg(test)]
mod key_tests;
mod last_uses;
mod signature;
#[cfg(test)]
mod signed_tests;
mod slug;
mod store;
#[cfg(test)]
mod tests;

use alloy::primitives::Address;
use domain::AccountId;

use crate::db::Conn;
pub use address_block::AddressBlock;
pub use error::AccountError;
pub use gate::Gate;
pub use key::{may_hold_key, without_keys};
pub use keys::{
    ADDRESS_LIMIT, KeyEntry, KeyRights, MadeKey, by_key, create_key, give_key, keys, make_key,
    revoke_key, revoke_own_key, rotate_key,
};
pub use last_uses::{LastUses, write_uses};
pub use sessions::{SESSION_LIMIT, SessionKey, delegate, may_sign, revoke_session, sessions};
pub use signature::{Proof, SigningPlace, recover};
pub use signed::{create_key_by_wallet, first_rights, link_wallet, open_by_wallet};
pub use slug::{slug, slug_with_hash};

/// Most characters of an account's name.
pub const NAME_LIMIT: usize = 40;
/// Most keys of one account that are neither revoked nor at their end.
pub const KEY_LIMIT: i64 = 20;

/// A person, a bot, the operator or a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Made from the name.
    pub id: AccountId,
    /// What people read; unique.
    pub name: String,
    /// The wallet whose registrations on chain are this account's: empty, or `0x` checksummed.
    pub wallet: String,
    /// Whether its models are the operator's own.
    pub is_operator: bool,
    /// When it was opened, wall microseconds.
    pub created_us: i64,
    /// Who opened it.
    pub opened_by: Opening,
}

/// Who opened an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The operator, by hand on the server.
    Operator,
    /// Anybody, over the API.
    Api,
    /// A wallet, by a signature.
    Wallet,
}

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Read what only the account may see.
    Read,
    /// Post predictions of the account's models.
    Predict,
    /// Register, upload and retire models.
    Upload,
    /// Act on what models earn: nothing asks for it yet.
    Trade,
    /// Take jobs as a runner.
    Run,
    /// Everything of the account: its keys, its wallet, and what the others allow except `run`.
    Admin,
}

impl Opening {
    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Api => "api",
            Self::Wallet => "wallet",
        }
    }

    /// What is no known name is trusted least.
    fn parse(text: &str) -> Self {
        match text {
            "operator" => Self::Operator,
            "wallet" => Self::Wallet,
            _ => Self::Api,
        }
    }
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 6] = [
        Self::Read,
        Self::Predict,
        Self::Upload,
        Self::Trade,
        Self::Run,
        Self::Admin,
    ];
    /// What the first key of an account that anybody may open has.
    pub const OWN: [Self; 5] = [
        Self::Read,
        Self::Predict,
        Self::Upload,
        Self::Trade,
        Self::Admin,
    ];
    /// What to say when a text is none of them.
    pub const CHOICE: &'static str =
        "`scopes` has an entry that is none of read, predict, upload, trade, run, admin";

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Predict => "predict",
            Self::Upload => "upload",
            Self::Trade => "trade",
            Self::Run => "run",
            Self::Admin => "admin",
        }
    }

    /// The scope of a stored name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == text)
    }
}

/// Whether `name` may name an account or a model.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let length = name.chars().count();
    (1..=NAME_LIMIT).contains(&length)
        && name.trim() == name
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || " ._-+()#".contains(c))
}

/// Opens an account by hand.
///
/// # Errors
/// As [`open`].
pub async fn create(
    conn: &mut Conn,
    now_us: i64,
    name: &str,
    wallet: &str,
    is_operator: bool,
) -> Result<Account, AccountError> {
    insert(conn, now_us, name, wallet, (is_operator, Opening::Operator)).await
}

/// Opens an account for whoever asks; `wallet` is empty or has signed for it.
///
/// # Errors
/// When the name or the wallet breaks a rule or is taken.
pub async fn open(
    conn: &mut Conn,
    now_us: i64,
    name: &str,
    wallet: &str,
) -> Result<Account, AccountError> {
    let by = if wallet.is_empty() {
        Opening::Api
    } else {
        Opening::Wallet
    };
    insert(conn, now_us, name, wallet, (false, by)).await
}

async fn insert(
    conn: &mut Conn,
    now_us: i64,
    name: &str,
    wallet: &str,
    (is_operator, opened_by): (bool, Opening),
) -> Result<Account, AccountError> {
    if !is_name(name) {
        return Err(AccountError::Name(name.chars().take(80).collect()));
    }
    let wallet = checksummed(wallet)?;
    let plain = slug(name);
    let is_free = match plain.parse::<AccountId>() {
        Ok(id) => store::get(conn, &id).await?.is_none(),
        Err(_) => false,
    };
    let text = if is_free {
        plain
    } else {
        slug_with_hash(&plain, name)
    };
    let id = text
        .parse()
        .map_err(|_| AccountError::Name(name.to_owned()))?;
    let account = Account {
        id,
        name: name.to_owned(),
        wallet,
        is_operator,
        created_us: now_us,
        opened_by,
    };
    if store::insert(conn, &account).await? {
        return Ok(account);
    }
    if store::by_name(conn, name).await?.is_none()
        && store::by_wallet(conn, &account.wallet).await?.is_some()
    {
        return Err(AccountError::WalletTaken(account.wallet));
    }
    Err(AccountError::NameTaken(name.to_owned()))
}

/// The account of a name, if there is one.
///
/// # Errors
/// Database errors.
pub async fn by_name(conn: &mut Conn, name: &str) -> Result<Option<Account>, AccountError> {
    Ok(store::by_name(conn, name).await?)
}

/// The account of an id.
///
/// # Errors
/// [`AccountError::UnknownAccount`].
pub async fn get(conn: &mut Conn, id: &AccountId) -> Result<Account, AccountError> {
    let account = store::get(conn, id).await?;
    account.ok_or_else(|| AccountError::UnknownAccount(id.clone()))
}

/// Accounts by their ids, in one query for each 500; unknown ids are left out.
///
/// # Errors
/// Database errors.
pub async fn by_ids(conn: &mut Conn, ids: &[AccountId]) -> Result<Vec<Account>, AccountError> {
    Ok(store::by_ids(conn, ids).await?)
}

/// The address of a text: with its EIP-55 checksum, or in one case.
///
/// # Errors
/// [`AccountError::Wallet`].
pub fn address(text: &str) -> Result<Address, AccountError> {
    let bad = || AccountError::Wallet(text.chars().take(80).collect());
    let digits = text.strip_prefix("0x").ok_or_else(bad)?;
    let address: Address = text.parse().map_err(|_| bad())?;
    let is_one_case = digits.to_lowercase() == digits || digits.to_uppercase() == digits;
    if is_one_case || address.to_checksum(None) == text {
        return Ok(address);
    }
    Err(bad())
}

/// A wallet is stored with its checksum.
fn checksummed(wallet: &str) -> Result<String, AccountError> {
    if wallet.is_empty() {
        return Ok(String::new());
    }
    Ok(address(wallet)?.to_checksum(None))
}
