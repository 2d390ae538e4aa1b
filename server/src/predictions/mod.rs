//! Predictions: what was acknowledged, and what a round counts.
//!
//! Owns `predictions` (append-only), `counted_predictions` (written once, at the lock) and
//! `idempotency_keys` (kept for a day). What was acknowledged before the deadline is counted; what
//! was late is refused; the latest wins, sealed or open. A seal that is not opened before the lock
//! counts nothing.

mod writer;

mod group;

mod check;
mod nonce;
mod notice;
mod once;
mod receipt;
mod request;
mod risk;
mod said;
#[cfg(test)]
mod seal_tests;
mod sealed;
mod store;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use domain::{AccountId, ModelId, Probability, RoundId, TokenAmount, TokenError};
use thiserror::Error;

pub use group::Verdict;
pub use notice::{Answer, Notice, of_stored};
pub use once::{ANSWER_KEPT_US, ANSWER_LIMIT, IdempotencyKey, Once, Render, forget_answers};
pub use receipt::{Receipt, ReceiptSigner, receipt_signers, remember_signer};
pub use said::{NO_INDEX, NO_STAKE, Said};
pub use sealed::{Opening, Unopened, is_any_sealed, models_heard, openings, unopened};
pub use writer::{Writer, WriterStopped};

use group::{Outcome, Work};
use receipt::{Draft, Signed};

#[cfg(test)]
pub(crate) use receipt::receipt_for_tests;

use crate::chain::B256;
use crate::db::Conn;
use crate::models::ModelError;
use crate::rounds::RoundError;
use crate::stakes::StakeError;

/// One prediction as it came in, parsed.
#[derive(Clone, Debug)]
pub struct Submission {
    /// For which round.
    pub round: RoundId,
    /// By which model.
    pub model: ModelId,
    /// Who asks; must own the model.
    pub account: AccountId,
    /// What it says.
    pub said: Said,
    /// What it was signed with, 0 or more; none: it came with a key.
    pub nonce: Option<i64>,
    /// When the request had been read whole, market microseconds.
    pub received_us: i64,
}

/// What a round counts for one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The model.
    pub model: ModelId,
    /// The prediction that counts.
    pub sequence: i64,
    /// Its place in the vault; `None`: scored, not staked.
    pub model_index: Option<u32>,
    /// What it risks; zero when it is not staked.
    pub at_risk: TokenAmount,
    /// Clamped to [a, 1 − a]: used everywhere.
    pub counted: Probability,
    /// As posted: shown beside it.
    pub posted: Probability,
}

/// The latest prediction of one model before the lock, readable.
#[derive(Clone, Debug)]
pub struct Latest {
    /// The model.
    pub model: ModelId,
    /// Its sequence number.
    pub sequence: i64,
    /// As posted.
    pub posted: Probability,
    /// Clamped.
    pub counted: Probability,
    /// What to risk, if named.
    pub ask: Option<TokenAmount>,
}

/// Why a prediction is refused.
#[derive(Debug, Error)]
pub enum PredictionError {
    /// Unknown round or tournament.
    #[error(transparent)]
    Round(#[from] RoundError),
    /// Unknown model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Somebody else's model.
    #[error("model {0} belongs to another account")]
    NotOwner(ModelId),
    /// A model predicts its own tournament.
    #[error("model {model} is an entry of {enters}; round {round} belongs to another tournament")]
    WrongTournament {
        /// The model.
        model: ModelId,
        /// Its tournament.
        enters: String,
        /// The round asked for.
        round: RoundId,
    },
    /// The model is not active.
    #[error("model {model} takes no part: {reason}")]
    ModelInactive {
        /// The model.
        model: ModelId,
        /// Why.
        reason: String,
    },
    /// The round does not take predictions yet.
    #[error("round {round} opens later")]
    NotOpenYet {
        /// The round.
        round: RoundId,
        /// When it opens, market microseconds.
        opens_us: i64,
    },
    /// The deadline has passed.
    #[error("round {round} closed {missed_us} µs ago")]
    Late {
        /// The round.
        round: RoundId,
        /// Market microseconds since the deadline.
        missed_us: i64,
        /// The deadline, market microseconds.
        deadline_us: i64,
    },
    /// The model's latest prediction is no seal that could be opened.
    #[error("model {model} has no seal in round {round} that could be opened")]
    SealUnknown {
        /// The round.
        round: RoundId,
        /// The model.
        model: ModelId,
        /// Whether it has a prediction, which is open.
        is_replaced: bool,
    },
    /// What came does not open the seal.
    #[error("the seal {seal} of model {model} in round {round} holds something else")]
    SealNotOpened {
        /// The round.
        round: RoundId,
        /// The model.
        model: ModelId,
        /// The seal.
        seal: B256,
        /// The model's place in the vault, if it has one.
        model_index: Option<u32>,
    },
    /// Seals are not opened any more.
    #[error("seals of round {round} were opened until {lock_us} µs")]
    SealLate {
        /// The round.
        round: RoundId,
        /// Market microseconds since the lock's moment; 0 when the round locked before.
        missed_us: i64,
        /// The lock's moment at the latest, market microseconds.
        lock_us: i64,
    },
    /// A signed prediction that is older than the last, or another one with its nonce.
    #[error("nonce {nonce} of model {model} in round {round} is not above the last, {highest}")]
    NonceUsed {
        /// The round.
        round: RoundId,
        /// The model.
        model: ModelId,
        /// What it was signed with.
        nonce: i64,
        /// The highest so far.
        highest: i64,
    },
    /// The idempotency key stands for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The request that has the idempotency key is being done.
    #[error("the request with this idempotency key is being done")]
    KeyInProgress,
    /// As many answers are kept for the account as may be.
    #[error("{ANSWER_LIMIT} answers of the last 24 hours are kept for the account")]
    TooManyKeys,
    /// The writer has stopped; nothing was stored.
    #[error(transparent)]
    Stopped(#[from] WriterStopped),
    /// A receipt could not be signed.
    #[error("the receipt could not be signed: {0}")]
    Signing(String),
    /// The stakes could not be read.
    #[error(transparent)]
    Stake(#[from] StakeError),
    /// A stored row breaks its own rules.
    #[error("stored prediction is broken: {0}")]
    Broken(String),
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Checks and stores one prediction; durable when it returns. The same prediction again gives the
/// same receipt.
///
/// # Errors
/// Every reason not to count it; then nothing is stored.
pub async fn submit(writer: &Writer, submission: Submission) -> Verdict {
    let mut verdicts = submit_all(writer, vec![submission]).await?;
    verdicts.pop().unwrap_or(Err(WriterStopped.into()))
}

/// Checks and stores predictions in one commit, each with its own verdict, in their order; durable
/// when it returns.
///
/// # Errors
/// When the database fails or the writer has stopped; then nothing is stored.
pub async fn submit_all(
    writer: &Writer,
    submissions: Vec<Submission>,
) -> Result<Vec<Verdict>, PredictionError> {
    let once = None;
    match writer.write(Work { submissions, once }).await? {
        Outcome::Verdicts(verdicts) => Ok(verdicts),
        Outcome::Answer { .. } => Err(PredictionError::Broken("an answer without a key".into())),
        Outcome::Refused(error) => Err(error),
    }
}

/// The same, done once for an idempotency key: gives the text of the answer, and whether it is that
/// of an earlier request.
///
/// # Errors
/// As [`submit_all`], and [`PredictionError::KeyReused`], [`PredictionError::KeyInProgress`] and
/// [`PredictionError::TooManyKeys`].
pub async fn submit_once(
    writer: &Writer,
    submissions: Vec<Submission>,
    once: Once,
) -> Result<(String, bool), PredictionError> {
    let once = Some(once);
    match writer.write(Work { submissions, once }).await? {
        Outcome::Answer { text, is_replay } => Ok((text, is_replay)),
        Outcome::Verdicts(_) => Err(PredictionError::Broken("a key without an answer".into())),
        Outcome::Refused(error) => Err(error),
    }
}

/// The latest prediction of every model of a round, by model id; models whose latest is a closed
/// seal are left out.
///
/// # Errors
/// Database errors and broken rows.
pub async fn latest(conn: &mut Conn, round: &RoundId) -> Result<Vec<Latest>, PredictionError> {
    store::latest(conn, round).await
}

/// A stored prediction, as its receipt names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Acknowledged {
    /// Its sequence number.
    pub sequence: i64,
    /// The model.
    pub model: ModelId,
    /// When the request had been read whole, market microseconds.
    pub received_us: i64,
}

/// Every prediction of a round that was acknowledged, replaced ones too, above a sequence number
/// and in its order, at most `limit`.
///
/// # Errors
/// Database errors and broken rows.
pub async fn acknowledged(
    conn: &mut Conn,
    round: &RoundId,
    after: i64,
    limit: i64,
) -> Result<Vec<Acknowledged>, PredictionError> {
    store::acknowledged(conn, round, after, limit).await
}

/// Freezes what a round counts; part of the lock's transaction.
///
/// # Errors
/// Database errors; a second call fails on the rows of the first.
pub async fn freeze(
    conn: &mut Conn,
    round: &RoundId,
    counted: &[Counted],
) -> Result<(), PredictionError> {
    for one in counted {
        store::insert_counted(conn, round, one).await?;
    }
    Ok(())
}

/// What a round counts, by model id; empty before the lock.
///
/// # Errors
/// Database errors and broken rows.
pub async fn counted(conn: &mut Conn, round: &RoundId) -> Result<Vec<Counted>, PredictionError> {
    store::counted(conn, round).await
}

/// What rounds count of models, for exactly these pairs; those without are left out. One query for
/// each 256 pairs.
///
/// # Errors
/// Database errors and broken rows.
pub async fn counted_of(
    conn: &mut Conn,
    pairs: &[(RoundId, ModelId)],
) -> Result<HashMap<(RoundId, ModelId), Counted>, PredictionError> {
    store::life::counted_of(conn, pairs).await
}

/// The receipts of the predictions that stand, one for each model and round: of these models,
/// numbered below `before`, the latest first, at most `limit`. One query for each 100 models.
///
/// # Errors
/// Database errors and broken rows.
pub async fn latest_of_models(
    conn: &mut Conn,
    models: &[ModelId],
    before: i64,
    limit: i64,
) -> Result<Vec<Receipt>, PredictionError> {
    store::life::latest_of_models(conn, models, before, limit).await
}

/// Every receipt of a model for a round, replaced ones too, the latest first, at most `limit`.
///
/// # Errors
/// Database errors and broken rows.
pub async fn receipts(
    conn: &mut Conn,
    round: &RoundId,
    model: &ModelId,
    limit: i64,
) -> Result<Vec<Receipt>, PredictionError> {
    store::life::receipts(conn, round, model, limit).await
}

/// The receipt of a model's latest prediction for a round.
///
/// # Errors
/// Database errors and broken rows.
pub async fn received(
    conn: &mut Conn,
    round: &RoundId,
    model: &ModelId,
) -> Result<Option<Receipt>, PredictionError> {
    store::last_receipt(conn, round, model).await
}

impl From<TokenError> for PredictionError {
    fn from(error: TokenError) -> Self {
        Self::Broken(error.to_string())
    }
}
