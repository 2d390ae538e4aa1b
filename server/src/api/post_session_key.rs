//! `POST /session-keys`: a wallet lets another key sign predictions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::AccountId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::account_body::SessionKeyBody;
use super::extract::{ApiJson, bad_field};
use super::problem::{Problem, SessionKeyProblems};
use super::signed_body::{bytes32, place, whole_second};
use crate::accounts::{self, Proof};
use crate::app::App;

/// What the account's wallet signs: `DelegateSession(address session,string account,
/// uint64 expiresAtS,uint64 issuedAtUs,bytes32 nonce)`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SessionKeyRequest)]
pub(super) struct SessionKeyRequestBody {
    /// The account's id.
    #[schema(example = "ada", min_length = 1, max_length = 64)]
    account: String,
    /// The address of the key that may sign predictions from now on.
    #[schema(example = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")]
    session: String,
    /// When it ends, RFC 3339, a whole second within 90 days.
    #[schema(example = "2030-01-01T00:00:00Z")]
    expires_at: String,
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

/// Let a session key sign predictions of the account's models, by a signature of its wallet. Signed
/// anew, its end changes.
#[utoipa::path(
    post,
    path = "/session-keys",
    tag = "accounts",
    request_body = SessionKeyRequestBody,
    responses((status = 201, description = "It may sign", body = SessionKeyBody), SessionKeyProblems),
    security(())
)]
pub(super) async fn post_session_key(
    State(app): State<Arc<App>>,
    ApiJson(body): ApiJson<SessionKeyRequestBody>,
) -> Result<(StatusCode, Json<SessionKeyBody>), Problem> {
    let account: AccountId = body
        .account
        .parse()
        .map_err(|error: domain::IdError| bad_field(format!("`account`: {error}.")))?;
    let session = accounts::address(&body.session)?;
    let expires_s = whole_second("expires_at", Some(&body.expires_at))?;
    let nonce = bytes32("nonce", &body.nonce)?;
    let proof = |wallet| Proof {
        wallet,
        issued_us: body.issued_at_us,
        nonce,
        signature: body.signature,
    };
    let now_us = app.wall.now_us();
    let mut tx = app.db.begin().await?;
    let asked = (session, expires_s);
    let made = accounts::delegate(&mut tx, now_us, place(&app), &account, asked, proof).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(SessionKeyBody::from(&made))))
}
