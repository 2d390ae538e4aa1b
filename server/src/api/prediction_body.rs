//! A prediction as it is posted.

use axum::http::StatusCode;
use domain::{Probability, TokenAmount};
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{Caller, model_id, round_id};
use super::problem::Problem;
use super::signed_prediction::SignedBody;
use crate::accounts::Scope;
use crate::app::App;
use crate::predictions::Submission;

/// A prediction.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Prediction)]
pub(super) struct PredictionBody {
    /// Probability that the price rises, 0 to 1; 1e6·p rounds half to even.
    #[schema(minimum = 0, maximum = 1, example = 0.53)]
    pub(super) p: f64,
    /// What to risk, decimal tokens; absent: the model's default limit.
    #[schema(example = "10.5")]
    pub(super) stake: Option<String>,
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
        let (round, model) = (round_id(round)?, model_id(model)?);
        let (posted, ask) = (
            probability(self.p)?,
            self.stake.as_deref().map(stake).transpose()?,
        );
        let submission = |account, nonce| Submission {
            round,
            model: model.clone(),
            account,
            posted,
            ask,
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

fn stake(text: &str) -> Result<TokenAmount, Problem> {
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
