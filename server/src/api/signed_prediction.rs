//! A prediction that is signed in place of a key.

use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::bad_field;
use super::problem::Problem;
use crate::app::App;
use crate::predictions::Submission;
use crate::{accounts, models};

/// In place of a key, what the wallet of the model's account or a session key of it signs:
/// `Prediction(bytes32 roundId,string model,uint32 postedPpm,bool stakeNamed,uint64 stakeUnits,
/// bytes32 seal,bytes32 salt,uint64 nonce)`, `roundId` being keccak256 of the ABI words chain id,
/// registry, keccak256 of the tournament's id and T in seconds, as in the receipt.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PredictionSignature)]
pub(super) struct SignedBody {
    /// Who signs.
    #[schema(example = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")]
    signer: String,
    /// Higher than the last of this model and round; microseconds of your clock do.
    #[schema(
        minimum = 0,
        maximum = 9_223_372_036_854_775_807_i64,
        example = 1_709_639_700_000_000_i64
    )]
    nonce: i64,
    /// 65 bytes: r, s in the lower half, v 27 or 28.
    #[schema(max_length = 132)]
    signature: String,
}

impl SignedBody {
    /// The submission as its model's account's own, if the signature is by who may sign for it.
    pub(super) async fn accept(
        &self,
        app: &App,
        submission: impl FnOnce(domain::AccountId, i64) -> Submission,
        model: &domain::ModelId,
    ) -> Result<Submission, Problem> {
        if self.nonce < 0 {
            return Err(bad_field("`signed.nonce` is below 0.".to_owned()));
        }
        let signer = accounts::address(&self.signer)?;
        let mut conn = app.db.read().await?;
        let account = models::get(&mut conn, model).await?.account;
        let submission = submission(account, self.nonce);
        let hash = app.receipts.request_hash(&submission);
        if accounts::recover(&hash, &self.signature)? != signer {
            return Err(Problem::signature_invalid(format!(
                "The signature is not by {signer}, or over something else."
            )));
        }
        let account = accounts::get(&mut conn, &submission.account).await?;
        if !accounts::may_sign(&mut conn, app.wall.now_us(), &account, signer).await? {
            return Err(Problem::signature_invalid(format!(
                "{signer} is neither the wallet of the account of model {model} nor a live \
                 session key of it."
            )));
        }
        Ok(submission)
    }
}
