//! Accounts and their API keys.
//!
//! Owns the tables `accounts` and `api_keys`. A key is shown once and kept only as a hash; it is
//! never logged. A revoked key is refused by the next request, since every request looks it up.

mod gate;
mod key;
mod slug;
mod store;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use domain::AccountId;
use thiserror::Error;

use self::key::ParsedKey;
use self::store::KeyRow;
use crate::db::Conn;
pub use gate::Gate;
pub use slug::{slug, slug_with_hash};

/// Most characters of an account's name.
pub const NAME_LIMIT: usize = 40;
/// Most keys of one account that are not revoked.
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
    /// Take jobs as a runner.
    Run,
    /// Everything that the operator may do over the API.
    Admin,
}

/// One key as its owner may list it; the secret is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// The part of the key that names it.
    pub id: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it was made, wall microseconds.
    pub created_us: i64,
    /// When it was revoked; 0 = not.
    pub revoked_us: i64,
}

/// Why an account or a key is refused.
#[derive(Debug, Error)]
pub enum AccountError {
    /// The name breaks the rule.
    #[error(
        "account name {0:?} is not 1 to 40 letters, digits, spaces and . _ - + ( ) # without spaces at its ends"
    )]
    Name(String),
    /// Somebody has the name.
    #[error("account name {0:?} is taken")]
    NameTaken(String),
    /// Not an address.
    #[error("wallet {0:?} is not empty and no 0x address with a right checksum")]
    Wallet(String),
    /// No such account.
    #[error("account {0} does not exist")]
    UnknownAccount(AccountId),
    /// A key without scopes could do nothing.
    #[error("a key needs at least one scope")]
    NoScope,
    /// The account has as many keys as it may.
    #[error("account {0} has 20 keys that are not revoked")]
    TooManyKeys(AccountId),
    /// Mistyped or cut: the checksum does not fit.
    #[error(
        "the API key is not of the form ftk_<id>_<secret>_<checksum>, or its checksum is wrong"
    )]
    KeyForm,
    /// Nobody's key.
    #[error("the API key is unknown")]
    KeyUnknown,
    /// It was valid once.
    #[error("the API key {id} was revoked")]
    KeyRevoked {
        /// The part of the key that names it.
        id: String,
    },
    /// The database refused.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

/// What a key opens, or why it opens nothing.
type Opened = Result<(Account, Vec<Scope>), AccountError>;

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::Predict,
        Self::Upload,
        Self::Run,
        Self::Admin,
    ];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Predict => "predict",
            Self::Upload => "upload",
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

/// Opens an account.
///
/// # Errors
/// When the name or the wallet breaks a rule, or the name is taken.
pub async fn create(
    conn: &mut Conn,
    now_us: i64,
    name: &str,
    wallet: &str,
    is_operator: bool,
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
    };
    if store::insert(conn, &account, now_us).await? {
        return Ok(account);
    }
    Err(AccountError::NameTaken(name.to_owned()))
}

/// Makes a key from 160 random bits and returns its text, which exists nowhere else afterwards.
///
/// # Errors
/// Without scopes, for an unknown account, or when it has too many keys.
pub async fn create_key(
    conn: &mut Conn,
    now_us: i64,
    account: &AccountId,
    scopes: &[Scope],
    random: [u8; 20],
) -> Result<String, AccountError> {
    if scopes.is_empty() {
        return Err(AccountError::NoScope);
    }
    get(conn, account).await?;
    if store::open_keys(conn, account).await? >= KEY_LIMIT {
        return Err(AccountError::TooManyKeys(account.clone()));
    }
    let key = key::from_random(&random);
    store::insert_key(conn, account, &key, scopes, now_us).await?;
    Ok(key.text)
}

/// The account of a key and what the key allows.
///
/// # Errors
/// [`AccountError::KeyForm`], [`AccountError::KeyUnknown`], [`AccountError::KeyRevoked`].
pub async fn by_key(conn: &mut Conn, key: &str) -> Result<(Account, Vec<Scope>), AccountError> {
    let mut found = by_keys(conn, &[key]).await?;
    found.pop().unwrap_or(Err(AccountError::KeyUnknown))
}

/// The same for many keys, in their order, with one query for each 256.
async fn by_keys(conn: &mut Conn, keys: &[&str]) -> Result<Vec<Opened>, AccountError> {
    let parsed: Vec<Option<ParsedKey>> = keys.iter().map(|key| key::parse(key)).collect();
    let ids: Vec<&str> = parsed.iter().flatten().map(|key| key.id.as_str()).collect();
    let rows = store::keys_by_id(conn, &ids).await?;
    let rows: HashMap<&str, &KeyRow> = rows.iter().map(|row| (row.id.as_str(), row)).collect();
    let open = |key: &Option<ParsedKey>| {
        let key = key.as_ref().ok_or(AccountError::KeyForm)?;
        let row = rows.get(key.id.as_str()).ok_or(AccountError::KeyUnknown)?;
        judge(key, row)
    };
    Ok(parsed.iter().map(open).collect())
}

/// Whether the stored row accepts the key that a request brought.
fn judge(key: &ParsedKey, row: &KeyRow) -> Opened {
    if !key::same_hash(&row.secret_hash, &key.hash) {
        return Err(AccountError::KeyUnknown);
    }
    if row.revoked_us != 0 {
        return Err(AccountError::KeyRevoked { id: key.id.clone() });
    }
    Ok((row.account.clone(), row.scopes.clone()))
}

/// Revokes a key; the next request with it is refused. Revoking twice changes nothing.
///
/// # Errors
/// When there is no such key.
pub async fn revoke_key(conn: &mut Conn, now_us: i64, key_id: &str) -> Result<(), AccountError> {
    if store::keys_by_id(conn, &[key_id]).await?.is_empty() {
        return Err(AccountError::KeyUnknown);
    }
    store::revoke(conn, key_id, now_us).await?;
    Ok(())
}

/// The keys of an account, newest first, at most 200.
///
/// # Errors
/// Database errors.
pub async fn keys(conn: &mut Conn, account: &AccountId) -> Result<Vec<KeyEntry>, AccountError> {
    Ok(store::keys(conn, account).await?)
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

/// A wallet is written with its EIP-55 checksum; an address in one case gets it, a wrong one is
/// refused.
fn checksummed(wallet: &str) -> Result<String, AccountError> {
    if wallet.is_empty() {
        return Ok(String::new());
    }
    let bad = || AccountError::Wallet(wallet.chars().take(80).collect());
    let digits = wallet.strip_prefix("0x").ok_or_else(bad)?;
    let address: alloy::primitives::Address = wallet.parse().map_err(|_| bad())?;
    let text = address.to_checksum(None);
    let is_one_case = digits.to_lowercase() == digits || digits.to_uppercase() == digits;
    if is_one_case || text == wallet {
        return Ok(text);
    }
    Err(bad())
}
