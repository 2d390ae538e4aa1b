//! Accounts and keys as the API shows them.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::timestamp::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::{Account, KeyEntry, MadeKey, SessionKey};

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct AccountBody {
    #[schema(example = "ada")]
    id: String,
    /// What people read; unique.
    name: String,
    /// Whose registrations on chain stake the account's models; null: none is linked.
    wallet: Option<String>,
    created_at: String,
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub(super) struct KeyBody {
    /// The part of the key that names it.
    #[schema(example = "5f0c1d2e3a4b")]
    id: String,
    /// Chosen by its owner.
    name: String,
    /// Of `read`, `predict`, `upload`, `trade`, `run`, `admin`.
    scopes: Vec<&'static str>,
    /// Where it may be used from; empty: everywhere.
    addresses: Vec<String>,
    created_at: String,
    /// When it ends, by its own end or by a rotation; null: it does not.
    expires_at: Option<String>,
    /// To the minute; null: never.
    last_used_at: Option<String>,
    /// Null: it was not.
    revoked_at: Option<String>,
    /// The first key of the rotations that it came from; null: none.
    rotated_from: Option<String>,
}

/// A key that was just made. Its text is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = NewKey)]
pub(super) struct NewKeyBody {
    /// Send it as `Authorization: Bearer …`; nobody can show it again.
    #[schema(example = "ftk_<id>_<secret>_<checksum>")]
    key: String,
    key_id: String,
    name: String,
    scopes: Vec<&'static str>,
    addresses: Vec<String>,
    /// Null: it does not end.
    expires_at: Option<String>,
}

/// An account and a key of it that was just made.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenedAccount)]
pub(super) struct OpenedBody {
    account: AccountBody,
    /// Send it as `Authorization: Bearer …`; nobody can show it again.
    #[schema(example = "ftk_<id>_<secret>_<checksum>")]
    key: String,
    key_id: String,
    scopes: Vec<&'static str>,
}

/// An address that may sign predictions of an account's models.
#[derive(Serialize, ToSchema)]
#[schema(as = SessionKey)]
pub(super) struct SessionKeyBody {
    /// `0x…`, with its checksum.
    session: String,
    expires_at: String,
    created_at: String,
}

impl From<&Account> for AccountBody {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            name: account.name.clone(),
            wallet: (!account.wallet.is_empty()).then(|| account.wallet.clone()),
            created_at: rfc3339(account.created_us),
        }
    }
}

impl From<&KeyEntry> for KeyBody {
    fn from(key: &KeyEntry) -> Self {
        Self {
            id: key.id.clone(),
            name: key.rights.name.clone(),
            scopes: scopes(key),
            addresses: addresses(key),
            created_at: rfc3339(key.created_us),
            expires_at: moment(key.ends_us()),
            last_used_at: moment(key.used_us),
            revoked_at: moment(key.revoked_us),
            rotated_from: (!key.family.is_empty()).then(|| key.family.clone()),
        }
    }
}

impl From<MadeKey> for NewKeyBody {
    fn from(made: MadeKey) -> Self {
        let entry = made.entry;
        Self {
            key: made.text,
            name: entry.rights.name.clone(),
            scopes: scopes(&entry),
            addresses: addresses(&entry),
            expires_at: moment(entry.ends_us()),
            key_id: entry.id,
        }
    }
}

impl OpenedBody {
    pub(super) fn new(account: &Account, made: MadeKey) -> Self {
        Self {
            account: account.into(),
            key: made.text,
            scopes: scopes(&made.entry),
            key_id: made.entry.id,
        }
    }
}

impl From<&SessionKey> for SessionKeyBody {
    fn from(session: &SessionKey) -> Self {
        Self {
            session: session.address.clone(),
            expires_at: rfc3339(session.expires_us),
            created_at: rfc3339(session.created_us),
        }
    }
}

/// An answer with a secret in it: no cache keeps it.
pub(super) fn shown_once<T: Serialize>(status: StatusCode, body: T) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// What a key allows.
pub(super) fn scopes(key: &KeyEntry) -> Vec<&'static str> {
    key.rights.scopes.iter().map(|scope| scope.name()).collect()
}

/// RFC 3339, null for 0.
pub(super) fn moment(us: i64) -> Option<String> {
    (us != 0).then(|| rfc3339(us))
}

fn addresses(key: &KeyEntry) -> Vec<String> {
    let blocks = key.rights.addresses.iter();
    blocks.map(ToString::to_string).collect()
}
