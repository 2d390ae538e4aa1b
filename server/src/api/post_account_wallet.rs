//! `POST /accounts/wallet`: a wallet opens its account, or gets one more key of it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::account_body::{OpenedBody, shown_once};
use super::extract::ApiJson;
use super::problem::{Problem, SignedAccountProblems};
use super::signed_body::{bytes32, place};
use crate::accounts::{self, Proof};
use crate::app::App;

/// What the wallet signs: `OpenAccount(string name,address wallet,uint64 issuedAtUs,bytes32 nonce)`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WalletAccountBody {
    /// The name of the account, should the wallet have none yet.
    #[schema(example = "ada", min_length = 1, max_length = 40)]
    name: String,
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

/// Open an account by a signature of its wallet. The key in the answer is shown this once. A wallet
/// that has an account gets one more key of it.
#[utoipa::path(
    post,
    path = "/accounts/wallet",
    tag = "accounts",
    request_body = WalletAccountBody,
    responses(
        (status = 200, description = "The wallet had this account; a new key of it", body = OpenedBody),
        (status = 201, description = "Opened; its first key", body = OpenedBody),
        SignedAccountProblems
    ),
    security(())
)]
pub(super) async fn post_account_wallet(
    State(app): State<Arc<App>>,
    ApiJson(body): ApiJson<WalletAccountBody>,
) -> Result<Response, Problem> {
    let proof = Proof {
        wallet: accounts::address(&body.wallet)?,
        issued_us: body.issued_at_us,
        nonce: bytes32("nonce", &body.nonce)?,
        signature: body.signature,
    };
    let (now_us, random) = (app.wall.now_us(), app.random_bytes());
    let mut tx = app.db.begin().await?;
    let (account, key, is_new) =
        accounts::open_by_wallet(&mut tx, now_us, place(&app), &body.name, &proof, random).await?;
    tx.commit().await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(shown_once(status, OpenedBody::new(&account, key)))
}
