//! `GET /account`: whose key this is.

use axum::Json;
use domain::timestamp::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use super::account_body::{AccountBody, moment, scopes};
use super::extract::Caller;
use super::problem::{KeyProblems, Problem};
use crate::accounts::{ADDRESS_LIMIT, KEY_LIMIT, SESSION_LIMIT};
use crate::models::MODEL_LIMIT;

/// The account of the key, and the key.
#[derive(Serialize, ToSchema)]
pub(super) struct OwnAccountBody {
    account: AccountBody,
    key: UsedKeyBody,
    limits: AccountLimitsBody,
    /// The linked wallet; null: none.
    wallet: Option<String>,
}

/// The key that the request came with.
#[derive(Serialize, ToSchema)]
struct UsedKeyBody {
    id: String,
    name: String,
    scopes: Vec<&'static str>,
    created_at: String,
    /// Null: it does not end.
    expires_at: Option<String>,
}

/// How much an account may have.
#[derive(Serialize, ToSchema)]
struct AccountLimitsBody {
    /// Live keys.
    keys: i64,
    /// Addresses and blocks of one key.
    addresses_per_key: usize,
    /// Live session keys.
    session_keys: usize,
    /// Models in one tournament that are not retired.
    models_per_tournament: i64,
}

/// The account of the key, and what the key may do. Any key may ask.
#[utoipa::path(
    get,
    path = "/account",
    tag = "accounts",
    responses((status = 200, body = OwnAccountBody), KeyProblems),
    security(("key" = []))
)]
pub(super) async fn get_account(caller: Caller) -> Result<Json<OwnAccountBody>, Problem> {
    let account = AccountBody::from(&caller.account);
    let wallet = &caller.account.wallet;
    Ok(Json(OwnAccountBody {
        wallet: (!wallet.is_empty()).then(|| wallet.clone()),
        account,
        key: UsedKeyBody {
            scopes: scopes(&caller.key),
            created_at: rfc3339(caller.key.created_us),
            expires_at: moment(caller.key.ends_us()),
            name: caller.key.rights.name,
            id: caller.key.id,
        },
        limits: AccountLimitsBody {
            keys: KEY_LIMIT,
            addresses_per_key: ADDRESS_LIMIT,
            session_keys: SESSION_LIMIT,
            models_per_tournament: MODEL_LIMIT,
        },
    }))
}
