//! API keys: made, looked up, replaced, revoked.
//!
//! Every request looks its key up, so that what is revoked or has ended is refused by the next one.
//! Never writes on the way of a request.

use std::collections::HashMap;
use std::net::IpAddr;

use domain::AccountId;
use domain::timestamp::{SECOND_US, rfc3339};

use super::address_block::AddressBlock;
use super::key::ParsedKey;
use super::{Account, AccountError, KEY_LIMIT, Scope, get, is_name, key, store};
use crate::db::Conn;

/// Most addresses and blocks of one key.
pub const ADDRESS_LIMIT: usize = 20;
/// Most keys of one account that are kept, those that ended among them.
const KEPT_LIMIT: i64 = 1_000;
/// How long a key that ended is kept.
const KEPT_US: i64 = 30 * DAY_US;
const DAY_US: i64 = 86_400 * SECOND_US;
/// How long the old key of a rotation lives on unless the caller says otherwise.
const ROTATION_US: i64 = DAY_US;
/// How long it may live on at most.
const LONGEST_ROTATION_US: i64 = 7 * DAY_US;

/// What a key may do, how long, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRights {
    /// Chosen by its owner; may be empty.
    pub name: String,
    /// What it allows; not empty.
    pub scopes: Vec<Scope>,
    /// When it ends, wall microseconds; 0: it does not.
    pub expires_us: i64,
    /// Where it may be used from; empty: everywhere.
    pub addresses: Vec<AddressBlock>,
}

/// One key as its owner may list it; the secret is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// The part of the key that names it.
    pub id: String,
    /// What it may do.
    pub rights: KeyRights,
    /// When it was made, wall microseconds.
    pub created_us: i64,
    /// When it was revoked; 0 = not.
    pub revoked_us: i64,
    /// When a rotation ends it; 0 = none does.
    pub retires_us: i64,
    /// When it was last used, to the minute; 0 = never.
    pub used_us: i64,
    /// The first key of its rotations; empty when it is the first.
    pub family: String,
}

/// A key that was just made. It has no `Debug`, so that its text cannot be logged by accident.
pub struct MadeKey {
    /// What exists nowhere else from now on.
    pub text: String,
    /// The rest.
    pub entry: KeyEntry,
}

impl KeyRights {
    /// Parses what a caller asks for.
    ///
    /// # Errors
    /// [`AccountError::Rights`] names the field.
    pub fn parse(
        now_us: i64,
        name: &str,
        scopes: &[String],
        expires_us: i64,
        addresses: &[String],
    ) -> Result<Self, AccountError> {
        if !is_name(name) {
            return Err(rights(
                "`name` is not 1 to 40 letters, digits, spaces and . _ - + ( ) #",
            ));
        }
        if expires_us != 0 && expires_us <= now_us {
            return Err(rights("`expires_at` has passed"));
        }
        if addresses.len() > ADDRESS_LIMIT {
            return Err(rights("`addresses` has more than 20 entries"));
        }
        let mut wanted = Vec::new();
        for text in scopes {
            let scope = Scope::parse(text).ok_or_else(|| rights(Scope::CHOICE))?;
            if wanted.contains(&scope) {
                return Err(rights("`scopes` names one twice"));
            }
            wanted.push(scope);
        }
        if wanted.is_empty() {
            return Err(AccountError::NoScope);
        }
        let blocks = addresses.iter().map(|text| text.parse());
        let blocks: Result<Vec<AddressBlock>, _> = blocks.collect();
        Ok(Self {
            name: name.to_owned(),
            scopes: wanted,
            expires_us,
            addresses: blocks.map_err(|_| {
                rights("`addresses` has an entry that is no address and no block, such as 192.0.2.7 or 10.0.0.0/8")
            })?,
        })
    }

    /// Refuses what `giver` may not hand out. `admin` hands out everything of the account; to run
    /// other people's models is the operator's to allow.
    pub(super) fn check_giver(
        &self,
        account: &Account,
        giver: &[Scope],
    ) -> Result<(), AccountError> {
        let may_run = account.is_operator || giver.contains(&Scope::Run);
        if self.scopes.contains(&Scope::Run) && !may_run {
            return Err(AccountError::RunNotGiven);
        }
        Ok(())
    }
}

impl KeyEntry {
    /// When it ends by itself, wall microseconds; 0: it does not.
    #[must_use]
    pub fn ends_us(&self) -> i64 {
        match (self.rights.expires_us, self.retires_us) {
            (0, end) | (end, 0) => end,
            (expires_us, retires_us) => expires_us.min(retires_us),
        }
    }

    /// Refuses a key that was revoked, has ended, or is used from elsewhere.
    ///
    /// # Errors
    /// [`AccountError::KeyRevoked`], [`AccountError::KeyExpired`], [`AccountError::KeyAddress`].
    pub fn admit(&self, now_us: i64, from: IpAddr) -> Result<(), AccountError> {
        let id = || self.id.clone();
        if self.revoked_us != 0 {
            return Err(AccountError::KeyRevoked { id: id() });
        }
        if self.has_ended(now_us) {
            let at = rfc3339(self.ends_us());
            return Err(AccountError::KeyExpired { id: id(), at });
        }
        let blocks = &self.rights.addresses;
        if blocks.is_empty() || blocks.iter().any(|block| block.contains(from)) {
            return Ok(());
        }
        Err(AccountError::KeyAddress {
            id: id(),
            from: from.to_canonical().to_string(),
        })
    }

    fn has_ended(&self, now_us: i64) -> bool {
        let ends_us = self.ends_us();
        ends_us != 0 && ends_us <= now_us
    }
}

fn rights(what: &str) -> AccountError {
    AccountError::Rights(what.to_owned())
}

/// Makes a key that does not end and works from everywhere, from 160 random bits; returns its text,
/// which exists nowhere else afterwards.
///
/// # Errors
/// As [`make_key`].
pub async fn create_key(
    conn: &mut Conn,
    now_us: i64,
    account: &AccountId,
    scopes: &[Scope],
    random: [u8; 20],
) -> Result<String, AccountError> {
    let rights = KeyRights {
        name: String::new(),
        scopes: scopes.to_vec(),
        expires_us: 0,
        addresses: Vec::new(),
    };
    Ok(make_key(conn, now_us, account, rights, random).await?.text)
}

/// Makes a key from 160 random bits.
///
/// # Errors
/// Without scopes, for an unknown account, or when it has too many keys.
pub async fn make_key(
    conn: &mut Conn,
    now_us: i64,
    account: &AccountId,
    rights: KeyRights,
    random: [u8; 20],
) -> Result<MadeKey, AccountError> {
    if rights.scopes.is_empty() {
        return Err(AccountError::NoScope);
    }
    get(conn, account).await?;
    store::keys::forget(conn, account, now_us - KEPT_US).await?;
    let (live, kept) = store::keys::count(conn, account, now_us).await?;
    if live >= KEY_LIMIT || kept >= KEPT_LIMIT {
        return Err(AccountError::TooManyKeys(account.clone()));
    }
    insert(conn, now_us, account, rights, String::new(), random).await
}

/// As [`make_key`], asked for with a key that has the scopes `giver`.
///
/// # Errors
/// As [`make_key`], and [`AccountError::RunNotGiven`].
pub async fn give_key(
    conn: &mut Conn,
    now_us: i64,
    account: &Account,
    giver: &[Scope],
    rights: KeyRights,
    random: [u8; 20],
) -> Result<MadeKey, AccountError> {
    rights.check_giver(account, giver)?;
    make_key(conn, now_us, &account.id, rights, random).await
}

/// Makes a key of the same rights in the place of one, which lives on until `old_ends_us`: a day
/// from now when absent, a week at most. At most two keys of a rotation live.
///
/// # Errors
/// [`AccountError::UnknownKey`] for a key of somebody else, [`AccountError::KeyEnded`],
/// [`AccountError::RotationRunning`], [`AccountError::Rights`], [`AccountError::RunNotGiven`].
pub async fn rotate_key(
    conn: &mut Conn,
    now_us: i64,
    account: &Account,
    giver: &[Scope],
    key_id: &str,
    old_ends_us: Option<i64>,
    random: [u8; 20],
) -> Result<(MadeKey, KeyEntry), AccountError> {
    let mut old = own_key(conn, &account.id, key_id).await?;
    if old.revoked_us != 0 || old.has_ended(now_us) {
        return Err(AccountError::KeyEnded(old.id));
    }
    old.rights.check_giver(account, giver)?;
    let ends_us = old_ends_us.unwrap_or(now_us + ROTATION_US);
    if ends_us < now_us || ends_us > now_us + LONGEST_ROTATION_US {
        return Err(rights("`old_expires_at` is not within the next seven days"));
    }
    let family = if old.family.is_empty() {
        old.id.clone()
    } else {
        old.family.clone()
    };
    if store::keys::live_of_family(conn, &account.id, &family, now_us).await? >= 2 {
        return Err(AccountError::RotationRunning(old.id));
    }
    let rights = old.rights.clone();
    let made = insert(conn, now_us, &account.id, rights, family, random).await?;
    store::keys::retire(conn, &old.id, ends_us).await?;
    old.retires_us = ends_us;
    Ok((made, old))
}

async fn insert(
    conn: &mut Conn,
    now_us: i64,
    account: &AccountId,
    rights: KeyRights,
    family: String,
    random: [u8; 20],
) -> Result<MadeKey, AccountError> {
    let new = key::from_random(&random);
    let entry = KeyEntry {
        id: new.id,
        rights,
        created_us: now_us,
        revoked_us: 0,
        retires_us: 0,
        used_us: 0,
        family,
    };
    store::keys::insert(conn, account, &entry, &new.hash).await?;
    Ok(MadeKey {
        text: new.text,
        entry,
    })
}

/// The account of a key that came from the address `from`, and the key: one query, no write.
///
/// # Errors
/// [`AccountError::KeyForm`], [`AccountError::KeyUnknown`] and those of [`KeyEntry::admit`].
pub async fn by_key(
    conn: &mut Conn,
    now_us: i64,
    key: &str,
    from: IpAddr,
) -> Result<(Account, KeyEntry), AccountError> {
    let mut found = by_keys(conn, &[key]).await?;
    let (account, entry) = found.pop().unwrap_or(Err(AccountError::KeyUnknown))?;
    entry.admit(now_us, from)?;
    Ok((account, entry))
}

/// What a key opens before [`KeyEntry::admit`], or why it opens nothing.
pub(super) type Opened = Result<(Account, KeyEntry), AccountError>;

/// The same for many keys, in their order, with one query for each 256; the caller admits them.
pub(super) async fn by_keys(conn: &mut Conn, keys: &[&str]) -> Result<Vec<Opened>, AccountError> {
    let parsed: Vec<Option<ParsedKey>> = keys.iter().map(|key| key::parse(key)).collect();
    let ids: Vec<&str> = parsed.iter().flatten().map(|key| key.id.as_str()).collect();
    let rows = store::keys::with_accounts(conn, &ids).await?;
    let rows: HashMap<&str, _> = rows.iter().map(|row| (row.1.id.as_str(), row)).collect();
    let open = |key: &Option<ParsedKey>| {
        let key = key.as_ref().ok_or(AccountError::KeyForm)?;
        let (account, entry, hash) = rows.get(key.id.as_str()).ok_or(AccountError::KeyUnknown)?;
        if !key::same_hash(hash, &key.hash) {
            return Err(AccountError::KeyUnknown);
        }
        Ok((account.clone(), entry.clone()))
    };
    Ok(parsed.iter().map(open).collect())
}

/// Revokes a key; the next request with it is refused. Revoking twice changes nothing.
///
/// # Errors
/// When there is no such key.
pub async fn revoke_key(conn: &mut Conn, now_us: i64, key_id: &str) -> Result<(), AccountError> {
    if store::keys::with_accounts(conn, &[key_id])
        .await?
        .is_empty()
    {
        return Err(AccountError::KeyUnknown);
    }
    store::keys::revoke(conn, key_id, now_us).await?;
    Ok(())
}

/// As [`revoke_key`], of the account's own keys alone.
///
/// # Errors
/// [`AccountError::UnknownKey`].
pub async fn revoke_own_key(
    conn: &mut Conn,
    now_us: i64,
    account: &AccountId,
    key_id: &str,
) -> Result<(), AccountError> {
    own_key(conn, account, key_id).await?;
    store::keys::revoke(conn, key_id, now_us).await?;
    Ok(())
}

async fn own_key(
    conn: &mut Conn,
    account: &AccountId,
    key_id: &str,
) -> Result<KeyEntry, AccountError> {
    let mut found = store::keys::with_accounts(conn, &[key_id]).await?;
    match found.pop() {
        Some((owner, entry, _)) if owner.id == *account => Ok(entry),
        _ => Err(AccountError::UnknownKey(key_id.chars().take(80).collect())),
    }
}

/// The keys of an account, newest first, at most 200.
///
/// # Errors
/// Database errors.
pub async fn keys(conn: &mut Conn, account: &AccountId) -> Result<Vec<KeyEntry>, AccountError> {
    Ok(store::keys::list(conn, account).await?)
}
