//! The life of a prediction as the API shows it.

use domain::timestamp::rfc3339;
use domain::{Outcome, Probability, Score};
use serde::Serialize;
use utoipa::ToSchema;

use super::amount::signed;
use super::receipt_body::ReceiptBody;
use crate::lives::{Absence, Life};
use crate::predictions::Counted;
use crate::scores::Row;
use crate::settlement::RoundBatch;

/// What became of one model's prediction in one round.
#[derive(Serialize, ToSchema)]
pub(super) struct LifeBody {
    #[schema(example = "btc-usd-5m-20240305T1200Z")]
    round: String,
    #[schema(example = "btc-usd-5m-momentum-1")]
    model: String,
    /// T.
    starts_at: String,
    start_us: i64,
    /// `received`: stored, the round is not locked yet; `sealed`: the same, a seal that is not opened.
    /// `counted`: frozen by the lock. `absent`: locked
    /// without it. `scored`: its scores are known. `paid`: booked on the chain for good; only staked
    /// predictions come so far. `void`: the round is.
    #[schema(example = "scored")]
    state: &'static str,
    /// Why it is not counted; null when it is, or still may be.
    reason: Option<ReasonBody>,
    /// The receipt of the latest prediction; null when there is none.
    receipt: Option<ReceiptBody>,
    /// What the lock froze; null before it and when it is absent.
    counted: Option<CountedBody>,
    /// `up`, `down`, `void`, or null while it is not known.
    outcome: Option<&'static str>,
    /// P/W: what all staked models said together; null before the outcome, and when nothing was staked.
    crowd: Option<f64>,
    /// Null before the round is scored.
    score: Option<ScoreBody>,
    /// What the round paid (+) or took (−), decimal tokens; null when not staked or not scored.
    #[schema(example = "-0.25")]
    payout: Option<String>,
    /// The newest settlement batch that holds the round; null before there is one.
    batch: Option<LifeBatchBody>,
    /// Where this life is, with every receipt and the proof.
    life: String,
}

/// Why a prediction is not counted.
#[derive(Serialize, ToSchema)]
struct ReasonBody {
    /// `no-prediction`, `seal-never-revealed`, `not-counted` or `round-void`.
    #[schema(example = "no-prediction")]
    code: &'static str,
    /// What happened.
    detail: String,
}

/// What the lock froze.
#[derive(Serialize, ToSchema)]
struct CountedBody {
    /// Of the prediction that counts.
    sequence: i64,
    /// As counted, parts per million.
    p_ppm: u32,
    /// As posted.
    posted_ppm: u32,
    /// w: stake at risk, decimal tokens; "0": scored, not staked.
    #[schema(example = "10.5")]
    at_risk: String,
    /// The model's position in the trees; null when it is not staked.
    model_index: Option<u32>,
}

/// Scores of one prediction.
#[derive(Serialize, ToSchema)]
struct ScoreBody {
    /// 1 − (p − y)².
    brier: f64,
    /// ln p(y).
    log: f64,
    correct: bool,
    /// The crowd without this model; null when nobody else was staked.
    crowd_without: Option<f64>,
    /// Brier score less that of ½.
    skill_half: f64,
    /// Brier score less that of persistence.
    skill_persistence: f64,
    /// Brier score less that of the crowd without this model.
    skill_crowd: Option<f64>,
}

/// The settlement batch of the round.
#[derive(Serialize, ToSchema)]
struct LifeBatchBody {
    id: String,
    /// Its place in the vault's sequence, from 1.
    seq: i64,
    /// Counts the batches that tried this place, from 1.
    attempt: i64,
    /// `planned`, `proposing`, `proposed`, `accepting`, `accepted`, `final` or `rejected`.
    state: &'static str,
    propose_tx: Option<String>,
    accept_tx: Option<String>,
}

impl From<Life> for LifeBody {
    fn from(life: Life) -> Self {
        let (round, model) = (&life.round.id, &life.model);
        Self {
            life: format!("/api/v1/rounds/{round}/predictions/{model}/life"),
            round: round.to_string(),
            model: model.to_string(),
            starts_at: rfc3339(life.round.schedule.start_us),
            start_us: life.round.schedule.start_us,
            state: life.stage.name(),
            reason: reason(&life),
            receipt: life.latest.map(ReceiptBody::from),
            counted: life.counted.as_ref().map(CountedBody::from),
            outcome: life.outcome.map(Outcome::name),
            crowd: life.crowd.map(Probability::to_f64),
            score: life.score.as_ref().map(ScoreBody::from),
            payout: life.payout.map(|payout| signed(payout.delta)),
            batch: life.batch.map(LifeBatchBody::from),
        }
    }
}

fn reason(life: &Life) -> Option<ReasonBody> {
    let absence = life.absence?;
    let (round, model) = (&life.round.id, &life.model);
    let detail = match absence {
        Absence::NoPrediction => {
            format!("No prediction of model {model} had arrived when round {round} closed.")
        }
        Absence::NeverRevealed => {
            format!("The seal of model {model} in round {round} was not opened before the lock.")
        }
        Absence::NotCounted => {
            format!("Round {round} was locked without the prediction of model {model}.")
        }
        Absence::RoundVoid => {
            let why = life.round.void_reason.as_str();
            format!("Round {round} is void: {why}. Every stake returned.")
        }
    };
    Some(ReasonBody {
        code: absence.code(),
        detail,
    })
}

impl From<&Counted> for CountedBody {
    fn from(counted: &Counted) -> Self {
        Self {
            sequence: counted.sequence,
            p_ppm: counted.counted.ppm(),
            posted_ppm: counted.posted.ppm(),
            at_risk: counted.at_risk.tokens(),
            model_index: counted.model_index,
        }
    }
}

impl From<&Row> for ScoreBody {
    fn from(row: &Row) -> Self {
        Self {
            brier: row.brier.to_f64(),
            log: row.log.to_f64(),
            correct: row.correct,
            crowd_without: row.crowd.map(Probability::to_f64),
            skill_half: row.skill_half.to_f64(),
            skill_persistence: row.skill_persistence.to_f64(),
            skill_crowd: row.skill_crowd.map(Score::to_f64),
        }
    }
}

impl From<RoundBatch> for LifeBatchBody {
    fn from(batch: RoundBatch) -> Self {
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            id: batch.id,
            seq: batch.seq,
            attempt: batch.attempt,
            state: batch.state.name(),
            propose_tx: some(batch.propose_tx),
            accept_tx: some(batch.accept_tx),
        }
    }
}
