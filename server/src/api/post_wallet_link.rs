//! `POST /account/wallet`: links a wallet to the account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::account_body::AccountBody;
use super::extract::{ApiJson, Caller};
use super::problem::{Problem, WalletLinkProblems};
use super::signed_body::{bytes32, place};
use crate::accounts::{self, Proof, Scope};
use crate::app::App;

/// What the wallet signs: `LinkWallet(string account,address wallet,uint64 issuedAtUs,bytes32 nonce)`,
/// `account` being the account's id.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WalletLinkBody {
    /// The wallet that signs.
    #[schema(example = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")]
    wallet: String,
    /// When it was signed, wall clock, microseconds; at most five minutes ago.
    #[schema(example = 1_709_639_700_000_000_i64)]
    issued_at_us: i64,
    /// 32 bytes that the wallet has not used before.
    #[schema(example = "0x0101010101010101010101010101010101010101010101010101010101010101")]
    nonce: String,
    /// 65 bytes: r, s in the lower half, v 27 or 28.
    #[schema(max_length = 132)]
    signature: String,
}

/// Link a wallet, for good. Stakes that it has registered for the account's models count from the
/// next round on. Needs the scope `admin`.
#[utoipa::path(
    post,
    path = "/account/wallet",
    tag = "accounts",
    request_body = WalletLinkBody,
    responses((status = 200, description = "Linked", body = AccountBody), WalletLinkProblems),
    security(("key" = []))
)]
pub(super) async fn post_wallet_link(
    State(app): State<Arc<App>>,
    caller: Caller,
    ApiJson(body): ApiJson<WalletLinkBody>,
) -> Result<Json<AccountBody>, Problem> {
    caller.require(Scope::Admin)?;
    let proof = Proof {
        wallet: accounts::address(&body.wallet)?,
        issued_us: body.issued_at_us,
        nonce: bytes32("nonce", &body.nonce)?,
        signature: body.signature,
    };
    let now_us = app.wall.now_us();
    let mut tx = app.db.begin().await?;
    let linked =
        accounts::link_wallet(&mut tx, now_us, place(&app), &caller.account, &proof).await?;
    tx.commit().await?;
    Ok(Json(AccountBody::from(&linked)))
}
