//! A prediction as a request says it: open, sealed, or what opens a seal.

use axum::http::StatusCode;
use domain::{Probability, TokenAmount};
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{Caller, model_id, round_id};
use super::problem::Problem;
use super::signed_prediction::SignedBody;
use crate::accounts::Scope;
use crate::app::App;
use crate::chain::B256;
use crate::predictions::{Said, Submission};

/// A prediction: `p`, and `stake` if you like; or `seal` alone; or `p`, `stake` and `salt`, which
/// open the model's latest seal.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Prediction)]
pub(super) struct PredictionBody {
    /// Probability that the price rises, 0 to 1; 1e6·p rounds half to even.
    #[schema(minimum = 0, maximum = 1, example = 0.53)]
    pub(super) p: Option<f64>,
    /// What to risk, decimal tokens; absent: the model's default limit.
    #[schema(max_length = 64, example = "10.5")]
    pub(super) stake: Option<String>,
    /// keccak256(0x04 ‖ chain_round ‖ index ‖ w ‖ p ‖ salt), see "Sealed predictions" of the guide.
    #[schema(
        pattern = "^0x[0-9a-fA-F]{64}$",
        example = "0x0405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
    )]
    pub(super) seal: Option<String>,
    /// 32 bytes that hid p and stake until now.
    #[schema(
        pattern = "^0x[0-9a-fA-F]{64}$",
        example = "0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
    )]
    pub(super) salt: Option<String>,
    /// In place of a key.
    pub(super) signed: Option<SignedBody>,
}

impl PredictionBody {
    /// What is submitted for `model` in `round`, by who signed it or else by the caller.
    pub(super) async fn submission(
        self,
        app: &App,
        caller: Option<&Caller>,
        (round, model): (&str, &str),
        received_us: i64,
    ) -> Result<Submission, Problem> {
        let (round, model, said) = (round_id(round)?, model_id(model)?, self.said()?);
        let submission = |account, nonce| Submission {
            round,
            model: model.clone(),
            account,
            said,
            nonce,
            received_us,
        };
        let Some(signed) = self.signed else {
            let caller = caller.ok_or_else(Problem::key_or_signature_missing)?;
            caller.require(Scope::Predict)?;
            return Ok(submission(caller.account.id.clone(), None));
        };
        let with = |account, nonce| submission(account, Some(nonce));
        signed.accept(app, with, &model).await
    }

    /// What it says, if its fields go together.
    fn said(&self) -> Result<Said, Problem> {
        let ask = || self.stake.as_deref().map(stake).transpose();
        match (self.p, &self.seal, &self.salt) {
            (Some(p), None, None) => Ok(Said::Open {
                posted: probability(p)?,
                ask: ask()?,
            }),
            (Some(p), None, Some(salt)) => Ok(Said::Opened {
                posted: probability(p)?,
                ask: ask()?,
                salt: bytes("salt", salt)?,
            }),
            (None, Some(seal), None) if self.stake.is_none() => Ok(Said::Sealed {
                seal: bytes("seal", seal)?,
            }),
            (_, Some(_), _) => Err(mixed(
                "`seal` came with `p`, `stake` or `salt`, which it is to hide.",
            )),
            (None, None, _) => Err(mixed("Neither `p` nor `seal` came.")),
        }
    }
}

fn mixed(detail: &str) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "body-invalid",
        "A field of the body breaks its rule",
        detail,
        "Send `p` (and `stake`), or `seal` alone, or `p` (and `stake`) with the `salt` that opens \
         the seal.",
    )
}

fn probability(p: f64) -> Result<Probability, Problem> {
    Probability::from_f64(p).map_err(|_| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "probability-out-of-range",
            "p is not a probability",
            format!("`p` is {p}."),
            "Send `p` as a number from 0 to 1: the probability that the price rises.",
        )
    })
}

pub(super) fn stake(text: &str) -> Result<TokenAmount, Problem> {
    TokenAmount::from_tokens(text).map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "stake-not-an-amount",
            "stake is not an amount of tokens",
            format!("`stake`: {error}."),
            "Send `stake` as a decimal string of tokens, \"10.5\", or leave it out.",
        )
    })
}

/// `0x` and 64 hexadecimal digits, exactly.
fn bytes(field: &str, text: &str) -> Result<B256, Problem> {
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 64);
    let parsed = digits.and_then(|digits| digits.parse().ok());
    parsed.ok_or_else(|| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "body-invalid",
            "A field of the body breaks its rule",
            format!("`{field}` is not `0x` and 64 hexadecimal digits."),
            format!("Send the 32 bytes of `{field}` as `0x` and 64 hexadecimal digits."),
        )
    })
}
