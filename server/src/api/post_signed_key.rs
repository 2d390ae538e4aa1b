//! `POST /keys/signed`: a wallet makes a key of its account.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use contracts::requests::CreateKey;
use serde::Deserialize;
use utoipa::ToSchema;

use super::account_body::{NewKeyBody, shown_once};
use super::extract::ApiJson;
use super::problem::{Problem, SignedKeyProblems};
use super::signed_body::{bytes32, place, whole_second};
use crate::accounts::{self, Proof};
use crate::app::App;

/// What the wallet signs: `CreateKey(address wallet,string name,string[] scopes,uint64 expiresAtS,
/// string[] addresses,uint64 issuedAtUs,bytes32 nonce)`, its lists as they are sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignedKeyRequest)]
pub(super) struct SignedKeyBody {
    /// The wallet that signs; it must have an account.
    #[schema(example = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")]
    wallet: String,
    /// For you: 1 to 40 letters, digits, spaces and . _ - + ( ) #.
    #[schema(example = "bot on the desk", min_length = 1, max_length = 40)]
    name: String,
    /// Of `read`, `predict`, `upload`, `trade`, `admin`.
    #[schema(example = json!(["read", "predict"]), min_items = 1, max_items = 6)]
    scopes: Vec<String>,
    /// When it ends, RFC 3339, a whole second; absent or null, 0 in what is signed: it does not.
    #[schema(example = "2030-01-01T00:00:00Z")]
    expires_at: Option<String>,
    /// Addresses and CIDR blocks that it may be used from; empty or absent: everywhere.
    #[serde(default)]
    #[schema(example = json!([]), max_items = 20)]
    addresses: Vec<String>,
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

/// Make a key by a signature of the account's wallet. Its text is shown this once.
#[utoipa::path(
    post,
    path = "/keys/signed",
    tag = "accounts",
    request_body = SignedKeyBody,
    responses((status = 201, description = "Made", body = NewKeyBody), SignedKeyProblems),
    security(())
)]
pub(super) async fn post_signed_key(
    State(app): State<Arc<App>>,
    ApiJson(body): ApiJson<SignedKeyBody>,
) -> Result<Response, Problem> {
    let proof = Proof {
        wallet: accounts::address(&body.wallet)?,
        issued_us: body.issued_at_us,
        nonce: bytes32("nonce", &body.nonce)?,
        signature: body.signature,
    };
    let request = CreateKey {
        wallet: proof.wallet,
        name: body.name,
        scopes: body.scopes,
        expiresAtS: whole_second("expires_at", body.expires_at.as_deref())?,
        addresses: body.addresses,
        issuedAtUs: 0,
        nonce: proof.nonce,
    };
    let (now_us, random) = (app.wall.now_us(), app.random_bytes());
    let mut tx = app.db.begin().await?;
    let (_, made) =
        accounts::create_key_by_wallet(&mut tx, now_us, place(&app), request, &proof, random)
            .await?;
    tx.commit().await?;
    Ok(shown_once(StatusCode::CREATED, NewKeyBody::from(made)))
}
