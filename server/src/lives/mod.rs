//! The life of a prediction: received, counted or absent, scored, paid, or void with its round.
//!
//! Owns no table: it reads what rounds, predictions, scores and settlement say of the same round and
//! model, in one query for each of their tables however many predictions are asked about. Must never
//! tell what the crowd thinks, or prove that a prediction is in it, before the round is revealed;
//! whom a single prediction may be shown to is its callers' affair.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use domain::{ModelId, Outcome, Probability, RoundId, RoundState, TokenAmount};
use scorer::direction::crowd_without;
use thiserror::Error;

use crate::db::Conn;
use crate::predictions::{self, Counted, PredictionError, Receipt};
use crate::prices::{self, PriceError};
use crate::rounds::{self, Round, RoundError};
use crate::scores::{self, Row, ScoreError};
use crate::settlement::{self, Inclusion, Lock, Payout, RoundBatch, SettlementError};

/// How far a prediction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Stored in time; the round is not locked yet.
    Received,
    /// The same, and a seal that nobody has opened.
    Sealed,
    /// Frozen by the lock; the outcome is not known yet.
    Counted,
    /// The round was locked without it; [`Absence`] says why.
    Absent,
    /// Its scores are known.
    Scored,
    /// What it won or lost is booked on the chain for good.
    Paid,
    /// The round is void: nothing was scored, every stake returned.
    Void,
}

/// Why a locked or void round does not count a prediction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// None had arrived by the deadline.
    NoPrediction,
    /// The latest was a seal that nobody opened before the lock.
    NeverRevealed,
    /// One had arrived, and the lock did not count it.
    NotCounted,
    /// The round has no outcome.
    RoundVoid,
}

/// What became of one model's prediction in one round.
#[derive(Clone, Debug)]
pub struct Life {
    /// The model.
    pub model: ModelId,
    /// The round.
    pub round: Round,
    /// The latest prediction; none when the model has none in the round.
    pub latest: Option<Receipt>,
    /// How far it has come.
    pub stage: Stage,
    /// Why it does not count, if it does not.
    pub absence: Option<Absence>,
    /// What the lock froze.
    pub counted: Option<Counted>,
    /// The round's outcome, once it is known.
    pub outcome: Option<Outcome>,
    /// P/W of all staked models, rounded half to even; none before the round is revealed.
    pub crowd: Option<Probability>,
    /// Its scores.
    pub score: Option<Row>,
    /// What the round pays it; none when it is not staked.
    pub payout: Option<Payout>,
    /// The newest batch that holds the round.
    pub batch: Option<RoundBatch>,
}

/// What can go wrong: what is stored cannot be read.
#[derive(Debug, Error)]
pub enum LifeError {
    /// The round.
    #[error(transparent)]
    Round(#[from] RoundError),
    /// The prediction.
    #[error(transparent)]
    Prediction(#[from] PredictionError),
    /// The outcome.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// The scores.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// Lock, payout or batch.
    #[error(transparent)]
    Settlement(#[from] SettlementError),
}

impl Stage {
    /// As the API names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Sealed => "sealed",
            Self::Counted => "counted",
            Self::Absent => "absent",
            Self::Scored => "scored",
            Self::Paid => "paid",
            Self::Void => "void",
        }
    }
}

impl Absence {
    /// Stable; made for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoPrediction => "no-prediction",
            Self::NeverRevealed => "seal-never-revealed",
            Self::NotCounted => "not-counted",
            Self::RoundVoid => "round-void",
        }
    }
}

/// The lives of these predictions, in their order.
///
/// # Errors
/// [`LifeError`].
pub async fn of_receipts(
    conn: &mut Conn,
    now_us: i64,
    receipts: Vec<Receipt>,
) -> Result<Vec<Life>, LifeError> {
    let pair = |receipt: &Receipt| (receipt.round.clone(), receipt.model.clone());
    let pairs: Vec<_> = receipts.iter().map(pair).collect();
    let mut facts = Facts::read(conn, &pairs).await?;
    let lives = pairs.into_iter().zip(receipts);
    lives
        .map(|(pair, latest)| facts.life(now_us, pair, Some(latest)))
        .collect()
}

/// The life of a model's prediction in a round, whether or not there is one.
///
/// # Errors
/// [`LifeError`]; [`RoundError::UnknownRound`] inside of it.
pub async fn of_model(
    conn: &mut Conn,
    now_us: i64,
    round: &RoundId,
    model: &ModelId,
) -> Result<Life, LifeError> {
    let latest = predictions::received(conn, round, model).await?;
    let pair = (round.clone(), model.clone());
    let mut facts = Facts::read(conn, std::slice::from_ref(&pair)).await?;
    facts.life(now_us, pair, latest)
}

/// The proof that the round counts the prediction; none before the round is revealed, because its
/// siblings are sums of what others predicted, and none for what has no leaf.
///
/// # Errors
/// [`LifeError`].
pub async fn inclusion(
    conn: &mut Conn,
    now_us: i64,
    life: &Life,
) -> Result<Option<Inclusion>, LifeError> {
    let index = life.counted.as_ref().and_then(|one| one.model_index);
    let Some(index) = index.filter(|_| life.round.is_revealed(now_us)) else {
        return Ok(None);
    };
    let round = &life.round.id;
    let counted = predictions::counted(conn, round).await?;
    Ok(settlement::inclusion(conn, round, &counted, index).await?)
}

/// Everything that is stored about some pairs of round and model.
struct Facts {
    rounds: HashMap<RoundId, Round>,
    outcomes: HashMap<RoundId, Outcome>,
    locks: HashMap<RoundId, Lock>,
    batches: HashMap<RoundId, RoundBatch>,
    counted: HashMap<(RoundId, ModelId), Counted>,
    scores: HashMap<(RoundId, ModelId), Row>,
    payouts: HashMap<(RoundId, ModelId), Payout>,
}

impl Facts {
    async fn read(conn: &mut Conn, pairs: &[(RoundId, ModelId)]) -> Result<Self, LifeError> {
        let mut ids: Vec<RoundId> = pairs.iter().map(|(round, _)| round.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        let rounds = rounds::by_ids(conn, &ids).await?;
        let by_id = |round: Round| (round.id.clone(), round);
        Ok(Self {
            rounds: rounds.into_iter().map(by_id).collect(),
            outcomes: prices::outcomes_of(conn, &ids).await?,
            locks: settlement::locks_of(conn, &ids).await?,
            batches: settlement::batches_of(conn, &ids).await?,
            counted: predictions::counted_of(conn, pairs).await?,
            scores: scores::of_pairs(conn, pairs).await?,
            payouts: settlement::payouts_of(conn, pairs).await?,
        })
    }

    fn life(
        &mut self,
        now_us: i64,
        pair: (RoundId, ModelId),
        latest: Option<Receipt>,
    ) -> Result<Life, LifeError> {
        let id = &pair.0;
        let unknown = || RoundError::UnknownRound(id.to_string());
        let round = self.rounds.get(id).cloned().ok_or_else(unknown)?;
        let counted = self.counted.remove(&pair);
        let score = self.scores.remove(&pair);
        let payout = self.payouts.remove(&pair);
        let is_revealed = round.is_revealed(now_us);
        let stage = match stage(round.state, counted.is_some(), &score, &payout) {
            Stage::Received if latest.as_ref().is_some_and(is_sealed) => Stage::Sealed,
            stage => stage,
        };
        Ok(Life {
            absence: absence(stage, latest.as_ref()),
            crowd: self.locks.get(id).filter(|_| is_revealed).and_then(crowd),
            outcome: self.outcomes.get(id).copied(),
            batch: self.batches.get(id).cloned(),
            model: pair.1,
            round,
            latest,
            stage,
            counted,
            score,
            payout,
        })
    }
}

fn stage(
    round: RoundState,
    is_counted: bool,
    score: &Option<Row>,
    payout: &Option<Payout>,
) -> Stage {
    match round {
        RoundState::Void => Stage::Void,
        RoundState::Scheduled | RoundState::Open => Stage::Received,
        _ if !is_counted => Stage::Absent,
        _ if score.is_none() => Stage::Counted,
        // Without a stake there is nothing to be paid: being scored is the end.
        RoundState::Final if payout.is_some() => Stage::Paid,
        _ => Stage::Scored,
    }
}

fn absence(stage: Stage, latest: Option<&Receipt>) -> Option<Absence> {
    match (stage, latest) {
        (Stage::Void, _) => Some(Absence::RoundVoid),
        (Stage::Absent, None) => Some(Absence::NoPrediction),
        (Stage::Absent, Some(latest)) if is_sealed(latest) => Some(Absence::NeverRevealed),
        (Stage::Absent, Some(_)) => Some(Absence::NotCounted),
        _ => None,
    }
}

/// Of a closed seal the server knows no probability.
fn is_sealed(receipt: &Receipt) -> bool {
    receipt.seal.is_some() && receipt.p_ppm.is_none()
}

/// P/W is the crowd that a model without a stake sees.
fn crowd(lock: &Lock) -> Option<Probability> {
    crowd_without(
        lock.total_p,
        lock.total_w,
        TokenAmount::ZERO,
        Probability::HALF,
    )
}
