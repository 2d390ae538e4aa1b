//! What errors of accounts, keys and signatures say to a caller.

use axum::http::StatusCode;

use super::Problem;
use crate::accounts::AccountError;

const KEY_REMEDY: &str = "Send the header `Authorization: Bearer ftk_…`. `POST /api/v1/accounts` \
                          opens an account and answers with its key; the operator of this server \
                          makes one with `foretoken admin key create`.";
const KEY_ENDED_REMEDY: &str = "Use another key of the account. One with the scope `admin` makes it: \
                                `POST /api/v1/keys`; so does the account's wallet: \
                                `POST /api/v1/keys/signed`; so does the operator: \
                                `foretoken admin key create`.";
const KEY_TITLE: &str = "The API key is not accepted";

impl Problem {
    /// No key came.
    pub(in crate::api) fn key_missing() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "key-missing",
            "An API key is needed",
            "The request has no API key.",
            KEY_REMEDY,
        )
    }
}

impl Problem {
    /// Neither a key nor a signature came.
    pub(in crate::api) fn key_or_signature_missing() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "key-missing",
            "An API key is needed",
            "The request has no API key and the prediction is not signed.",
            format!("{KEY_REMEDY} Or sign the prediction: `signed` in the body."),
        )
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let said = error.to_string();
        let refused = |code, remedy: &str| {
            let status = StatusCode::UNAUTHORIZED;
            Self::new(status, code, KEY_TITLE, error.to_string(), remedy)
        };
        match &error {
            AccountError::KeyForm => refused(
                "key-malformed",
                "Copy the whole key again: `ftk_<id>_<secret>_<checksum>`, without spaces.",
            ),
            AccountError::KeyUnknown => refused("key-unknown", KEY_REMEDY),
            AccountError::KeyRevoked { .. } => refused("key-revoked", KEY_ENDED_REMEDY),
            AccountError::KeyExpired { .. } => refused("key-expired", KEY_ENDED_REMEDY),
            AccountError::KeyAddress { .. } => Self::new(
                StatusCode::FORBIDDEN,
                "key-address-refused",
                "The API key may not be used from this address",
                said,
                "Ask from an address of the key's list, or make a key with another list: \
                 `POST /api/v1/keys`.",
            ),
            AccountError::UnknownKey(_) => Self::new(
                StatusCode::NOT_FOUND,
                "unknown-key",
                "There is no such key",
                said,
                "`GET /api/v1/keys` lists the account's keys; name one by its `id`.",
            ),
            AccountError::UnknownSession(_) => Self::new(
                StatusCode::NOT_FOUND,
                "unknown-session-key",
                "There is no such session key",
                said,
                "`GET /api/v1/session-keys` lists the live ones.",
            ),
            AccountError::UnknownAccount(_) | AccountError::WalletUnknown(_) => Self::new(
                StatusCode::NOT_FOUND,
                "unknown-account",
                "There is no such account",
                said,
                "`POST /api/v1/accounts/wallet` opens the account of a wallet.",
            ),
            AccountError::RunNotGiven => Self::new(
                StatusCode::FORBIDDEN,
                "scope-missing",
                "The API key does not allow this",
                said,
                "Leave `run` out, or ask the operator: `foretoken admin key create --scopes run`.",
            ),
            AccountError::Name(_)
            | AccountError::Wallet(_)
            | AccountError::NoScope
            | AccountError::Rights(_) => invalid(&error),
            AccountError::Signature(_) | AccountError::SignatureExpired(_) => unsigned(&error),
            AccountError::Database(_) => Self::internal(&error),
            _ => conflict(&error),
        }
    }
}

/// A field of the body breaks its rule.
fn invalid(error: &AccountError) -> Problem {
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    let said = error.to_string();
    match error {
        AccountError::Name(_) => Problem::new(
            unprocessable,
            "account-name-invalid",
            "The account name breaks the rule",
            said,
            "Send a name of 1 to 40 letters, digits, spaces and . _ - + ( ) #.",
        ),
        AccountError::Wallet(_) => Problem::new(
            unprocessable,
            "wallet-invalid",
            "The address breaks the rule",
            said,
            "Send 0x and 40 hexadecimal digits, in one case or with the checksum of EIP-55.",
        ),
        _ => Problem::new(
            unprocessable,
            "key-rights-invalid",
            "What the key is to be breaks a rule",
            said,
            "Correct the field that `detail` names; the fields are in `/api/v1/openapi.json`.",
        ),
    }
}

fn unsigned(error: &AccountError) -> Problem {
    let said = error.to_string();
    let status = StatusCode::UNAUTHORIZED;
    if matches!(error, AccountError::SignatureExpired(_)) {
        return Problem::new(
            status,
            "signature-expired",
            "The request was signed at another time",
            said,
            "Sign again with `issued_at_us` of now, by the wall clock: a request is taken for five \
             minutes.",
        );
    }
    Problem::signature_invalid(said)
}

impl Problem {
    /// A signature that does not hold for what came with it.
    pub(in crate::api) fn signature_invalid(said: String) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "signature-invalid",
            "The signature does not hold",
            said,
            "Sign exactly what is sent, as EIP-712 typed data in the domain `Foretoken`, version \
             1, with the chain and the registry of `GET /api/v1/signing-domain`; 65 bytes, s in \
             the lower half, v 27 or 28.",
        )
    }

    /// A nonce that a signed request has used.
    pub(in crate::api) fn nonce_used(said: String, remedy: &str) -> Self {
        let (conflict, title) = (StatusCode::CONFLICT, "The nonce was used before");
        Self::new(conflict, "nonce-used", title, said, remedy)
    }
}

impl Problem {
    /// The same, of a signed prediction.
    pub(in crate::api) fn prediction_nonce_used(said: String) -> Self {
        let remedy = "Nothing was changed. Sign with a nonce above `highest`; the same prediction \
                      with the same nonce gives its receipt.";
        Self::nonce_used(said, remedy)
    }
}

/// The state forbids it.
fn conflict(error: &AccountError) -> Problem {
    let (code, title, remedy) = match error {
        AccountError::NameTaken(_) => (
            "account-name-taken",
            "The account name is taken",
            "Choose another name. If the account is yours, use a key of it.",
        ),
        AccountError::WalletTaken(_) => (
            "wallet-taken",
            "The wallet belongs to another account",
            "Use another wallet, or the account of this one: `POST /api/v1/accounts/wallet` makes \
             a key of it.",
        ),
        AccountError::WalletDiffers { .. } => (
            "wallet-differs",
            "The account has another wallet",
            "A wallet is linked for good: stakes are paid to it. Open another account for the \
             other wallet.",
        ),
        AccountError::WalletMissing(_) => (
            "wallet-missing",
            "The account has no wallet",
            "Link one first: `POST /api/v1/account/wallet`.",
        ),
        AccountError::NonceUsed(_) => {
            let remedy = "The request was carried out before. To ask again, sign with a new nonce \
                          of 32 random bytes.";
            return Problem::nonce_used(error.to_string(), remedy);
        }
        AccountError::TooManyKeys(_) => (
            "too-many-keys",
            "The account has as many keys as it may",
            "Revoke one that is not used any more: `DELETE /api/v1/keys/{id}`.",
        ),
        AccountError::KeyEnded(_) => (
            "key-ended",
            "The key has ended",
            "A key that was revoked or has expired cannot be rotated: make one with \
             `POST /api/v1/keys`.",
        ),
        AccountError::RotationRunning(_) => (
            "rotation-running",
            "Both keys of the rotation are live",
            "Revoke the one that is not used, or wait for its end: `GET /api/v1/keys`.",
        ),
        AccountError::TooManySessions(_) => (
            "too-many-session-keys",
            "The account has as many session keys as it may",
            "End one: `DELETE /api/v1/session-keys/{address}`.",
        ),
        _ => return Problem::internal(error),
    };
    Problem::new(StatusCode::CONFLICT, code, title, error.to_string(), remedy)
}
