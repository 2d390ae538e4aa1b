//! Predictions: what was acknowledged, and what a round counts.
//!
//! Owns `predictions` (append-only) and `counted_predictions` (written once, at the lock). What was
//! acknowledged before the deadline is counted; what was late is refused; the latest wins.

mod receipt;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;

use domain::{AccountId, ModelId, Probability, RoundId, RoundState, TokenAmount, TokenError};
use thiserror::Error;

pub use receipt::{Receipt, ReceiptSigner, receipt_signers, remember_signer};
pub use writer::{Writer, WriterStopped};

#[cfg(test)]
pub(crate) use receipt::receipt_for_tests;

use crate::db::{Conn, Db};
use crate::models::{self, ModelError};
use crate::rounds::{self, RoundError};

/// One prediction as it came in, parsed.
#[derive(Clone, Debug)]
pub struct Submission {
    /// For which round.
    pub round: RoundId,
    /// By which model.
    pub model: ModelId,
    /// Who asks; must own the model.
    pub account: AccountId,
    /// The probability as posted; counted clamped to [a, 1 − a].
    pub posted: Probability,
    /// What to risk, if named.
    pub ask: Option<TokenAmount>,
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

/// The latest prediction of one model before the lock.
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
    },
    /// The writer has stopped; nothing was stored.
    #[error(transparent)]
    Stopped(#[from] WriterStopped),
    /// A receipt could not be signed.
    #[error("the receipt could not be signed: {0}")]
    Signing(String),
    /// A stored row breaks its own rules.
    #[error("stored prediction is broken: {0}")]
    Broken(String),
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl PredictionError {
    /// Whether the database failed, as opposed to the prediction being refused.
    fn is_of_database(&self) -> bool {
        matches!(
            self,
            Self::Database(_) | Self::Round(RoundError::Database(_))
        )
    }
}

/// Checks and stores one prediction; durable when it returns. The same prediction again gives the
/// same receipt.
///
/// # Errors
/// Every reason not to count it; then nothing is stored.
pub async fn submit(
    db: &Db,
    writer: &Writer,
    submission: Submission,
) -> Result<Receipt, PredictionError> {
    let accepted = {
        let mut conn = db.read().await?;
        check(&mut conn, &submission).await?
    };
    writer.write(accepted).await
}

/// A prediction that passed every check but the round's state at the moment of writing.
#[derive(Clone, Debug)]
pub struct Accepted {
    submission: Submission,
    counted: Probability,
    deadline_us: i64,
}

async fn check(conn: &mut Conn, s: &Submission) -> Result<Accepted, PredictionError> {
    let round = rounds::get(conn, &s.round).await?;
    let model = models::get(conn, &s.model).await?;
    if model.account != s.account {
        return Err(PredictionError::NotOwner(s.model.clone()));
    }
    if model.tournament != *s.round.tournament() {
        let enters = model.tournament.to_string();
        return Err(PredictionError::WrongTournament {
            model: s.model.clone(),
            enters,
            round: s.round.clone(),
        });
    }
    if model.state != models::ModelState::Active {
        return Err(PredictionError::ModelInactive {
            model: s.model.clone(),
            reason: model.reason,
        });
    }
    let schedule = &round.schedule;
    if s.received_us < schedule.opens_us || round.state == RoundState::Scheduled {
        let opens_us = schedule.opens_us;
        return Err(PredictionError::NotOpenYet {
            round: s.round.clone(),
            opens_us,
        });
    }
    if s.received_us >= schedule.deadline_us || round.state != RoundState::Open {
        return Err(late(s, schedule.deadline_us));
    }
    let entered = rounds::tournament(conn, s.round.tournament()).await?;
    let counted = s.posted.clamp_to_edge(entered.tournament.stake.a_ppm);
    Ok(Accepted {
        submission: s.clone(),
        counted,
        deadline_us: schedule.deadline_us,
    })
}

fn late(s: &Submission, deadline_us: i64) -> PredictionError {
    let missed_us = (s.received_us - deadline_us).max(0);
    PredictionError::Late {
        round: s.round.clone(),
        missed_us,
    }
}

/// The latest prediction of every model of a round, by model id.
///
/// # Errors
/// Database errors and broken rows.
pub async fn latest(conn: &mut Conn, round: &RoundId) -> Result<Vec<Latest>, PredictionError> {
    store::latest(conn, round).await
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
/// each 500 pairs.
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
