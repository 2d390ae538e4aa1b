//! Scores: how good each counted prediction was, and each model's running skill.
//!
//! Owns the tables scores (written once) and skills (protocol.md §4). Models without a stake are
//! scored like all others; only staked rounds move a skill. Must never decide money: payouts are
//! settled from counted predictions and the outcome alone.

mod leaderboard;
mod store;
mod summary;
#[cfg(test)]
mod summary_tests;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use domain::{
    Direction, ModelId, Outcome, Probability, RoundId, Score, ScoreError as FixedPointError,
    TokenAmount, Tournament, TournamentId,
};
use scorer::MoneyError;
use scorer::direction::{
    PERSISTENCE_WINDOW, brier, crowd_without, hit, log_score, persistence, to_score_half_even,
};
use scorer::skill::{Memory, Multiplier, reference_half_even};
use scorer::trading::Rule;
use thiserror::Error;

pub use leaderboard::{Estimate, LEAST_ROUNDS, ROUNDS, Standing};
pub use summary::{ModelSummary, Point, Skills, trading_rule};

use crate::db::Conn;
use crate::predictions::Counted;
use crate::prices::{self, PriceError, Resolution};
use crate::rounds::{self, Round, RoundError};

/// Why a round cannot be scored.
#[derive(Debug, Error)]
pub enum ScoreError {
    /// The database refused or is gone: retry.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The tournament behind the round.
    #[error(transparent)]
    Round(#[from] RoundError),
    /// The outcomes before the round.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// A void round has no scores.
    #[error("round {0} is void: there is nothing to score")]
    NoOutcome(RoundId),
    /// A scored round whose outcome is gone.
    #[error("round {0} is scored and has no outcome")]
    Unresolved(RoundId),
    /// A round is scored once.
    #[error("round {0} is already scored differently; nothing was changed")]
    ScoredDifferently(RoundId),
    /// A score that is no number.
    #[error(transparent)]
    FixedPoint(#[from] FixedPointError),
    /// A skill memory out of range.
    #[error(transparent)]
    Skill(#[from] MoneyError),
    /// A stored row that nothing of ours wrote.
    #[error("the stored {what} is broken: {value:?}")]
    Stored {
        /// Which column.
        what: &'static str,
        /// Its content.
        value: String,
    },
}

/// One model's scores in one round; higher is better everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The model.
    pub model: ModelId,
    /// The round.
    pub round: RoundId,
    /// T.
    pub start_us: i64,
    /// The counted probability, which everything here is about.
    pub counted: Probability,
    /// The stake-weighted mean of everybody else; none when nobody else had a stake.
    pub crowd: Option<Probability>,
    /// 1 − (p − y)².
    pub brier: Score,
    /// ln p(y).
    pub log: Score,
    /// Whether p was on the outcome's side of one half; one half itself is on no side.
    pub correct: bool,
    /// Brier score less that of one half.
    pub skill_half: Score,
    /// Brier score less that of persistence.
    pub skill_persistence: Score,
    /// Brier score less that of the crowd without the model; none without such a crowd.
    pub skill_crowd: Option<Score>,
}

impl Row {
    /// 1 when right, 0 when wrong, 0.5 when it took no side: what accuracy averages.
    #[must_use]
    pub fn hit(&self) -> f64 {
        if self.counted == Probability::HALF {
            0.5
        } else {
            f64::from(u8::from(self.correct))
        }
    }
}

/// A model's running skill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skill {
    /// E against one half and against the reference models, and V.
    pub memory: scorer::skill::Skill,
    /// m, as of the last staked round.
    pub multiplier: Multiplier,
    /// Staked rounds so far.
    pub staked_rounds: i64,
}

/// Scores a resolved round and moves the skills of its staked models; written once. Scoring again
/// with the same numbers changes nothing.
///
/// `models_reference` are the public reference models, whether or not they predicted.
///
/// # Errors
/// [`ScoreError::NoOutcome`] for a void round, [`ScoreError::ScoredDifferently`] when other scores
/// are there.
pub async fn score(
    conn: &mut Conn,
    round: &Round,
    resolution: &Resolution,
    counted: &[Counted],
    models_reference: &[ModelId],
) -> Result<(), ScoreError> {
    let Outcome::Direction(y) = resolution.outcome else {
        return Err(ScoreError::NoOutcome(round.id.clone()));
    };
    let start_us = round.schedule.start_us;
    let window = i64::try_from(PERSISTENCE_WINDOW).unwrap_or(i64::MAX);
    let history = prices::directions(conn, round.id.tournament(), start_us, window).await?;
    let rows = rows(&round.id, counted, persistence(&history), y)?;
    let written = store::of_round(conn, &round.id).await?;
    if !written.is_empty() {
        let is_same = written == rows;
        return if is_same {
            Ok(())
        } else {
            Err(ScoreError::ScoredDifferently(round.id.clone()))
        };
    }
    store::insert(conn, &rows).await?;
    let entered = rounds::tournament(conn, round.id.tournament()).await?;
    let memory = Memory::new(entered.tournament.stake.skill_memory_rounds)?;
    let spoken = counted
        .iter()
        .filter(|c| models_reference.contains(&c.model));
    let reference = reference_half_even(&spoken.map(|c| c.counted).collect::<Vec<_>>());
    move_skills(conn, memory, counted, reference, y).await
}

/// The scores of a round, by model id; empty before it is scored.
///
/// # Errors
/// Database errors, broken rows.
pub async fn of_round(conn: &mut Conn, round: &RoundId) -> Result<Vec<Row>, ScoreError> {
    store::of_round(conn, round).await
}

/// The scores of exactly these pairs; those that are not scored are left out. One query for each
/// 256 pairs.
///
/// # Errors
/// Database errors, broken rows.
pub async fn of_pairs(
    conn: &mut Conn,
    pairs: &[(RoundId, ModelId)],
) -> Result<HashMap<(RoundId, ModelId), Row>, ScoreError> {
    store::of_pairs(conn, pairs).await
}

/// The last `limit` scores of a model, oldest first.
///
/// # Errors
/// Database errors, broken rows.
pub async fn of_model(
    conn: &mut Conn,
    model: &ModelId,
    limit: i64,
) -> Result<Vec<Row>, ScoreError> {
    store::of_model(conn, model, limit).await
}

/// What the scores of a model come to, `rows` as [`of_model`] gives them; its positions follow `rule`.
///
/// # Errors
/// Database errors, broken rows; [`ScoreError::Unresolved`] when the outcome of a row is gone.
pub async fn summary(
    conn: &mut Conn,
    tournament: &Tournament,
    rows: &[Row],
    rule: Rule,
) -> Result<ModelSummary, ScoreError> {
    let rounds: Vec<RoundId> = rows.iter().map(|row| row.round.clone()).collect();
    let moves = prices::moves(conn, &rounds).await?;
    summary::summary(rows, &moves, &tournament.timetable, rule)
}

/// Every model of a tournament over its last 2,016 scored rounds, best first by skill against one
/// half.
///
/// # Errors
/// Database errors, broken rows.
pub async fn leaderboard(
    conn: &mut Conn,
    tournament: &TournamentId,
) -> Result<Vec<Standing>, ScoreError> {
    let rows = store::recent(conn, tournament, ROUNDS).await?;
    Ok(leaderboard::standings(&rows))
}

/// The running skill of a model; none before its first staked round was scored.
///
/// # Errors
/// Database errors, broken rows.
pub async fn skill(conn: &mut Conn, model: &ModelId) -> Result<Option<Skill>, ScoreError> {
    let found = store::skills(conn, &[model]).await?;
    Ok(found.into_iter().next().map(|(_, skill)| skill))
}

/// The skills of a round's models as they are now, in the order of `counted`; zero for models
/// without one.
///
/// # Errors
/// Database errors, broken rows.
pub async fn skills_of_round(
    conn: &mut Conn,
    counted: &[Counted],
) -> Result<Vec<(ModelId, Skill)>, ScoreError> {
    let models: Vec<&ModelId> = counted.iter().map(|c| &c.model).collect();
    let found = store::skills(conn, &models).await?;
    let skill = |model: &ModelId| found.get(model).copied().unwrap_or_default();
    Ok(models
        .into_iter()
        .map(|model| (model.clone(), skill(model)))
        .collect())
}

/// The scores of all counted predictions, by model id, from nothing but the arguments.
///
/// # Errors
/// [`ScoreError::FixedPoint`], [`ScoreError::Skill`] for stakes too large to add up.
pub fn rows(
    round: &RoundId,
    counted: &[Counted],
    persistence: Probability,
    y: Direction,
) -> Result<Vec<Row>, ScoreError> {
    let (weighted, total) = crowd(counted)?;
    let score_over = |p: Probability, baseline: Probability| {
        to_score_half_even(brier(p, y) - brier(baseline, y))
    };
    let row = |c: &Counted| {
        let p = c.counted;
        let crowd = crowd_without(weighted, total, c.at_risk, p);
        Ok(Row {
            model: c.model.clone(),
            round: round.clone(),
            start_us: round.start_us(),
            counted: p,
            crowd,
            brier: to_score_half_even(brier(p, y))?,
            log: to_score_half_even(log_score(p, y))?,
            correct: hit(p, y) > 0.5,
            skill_half: score_over(p, Probability::HALF)?,
            skill_persistence: score_over(p, persistence)?,
            skill_crowd: crowd.map(|crowd| score_over(p, crowd)).transpose()?,
        })
    };
    let mut rows: Vec<Row> = counted.iter().map(row).collect::<Result<_, ScoreError>>()?;
    rows.sort_by(|a, b| a.model.cmp(&b.model));
    Ok(rows)
}

/// P = Σ w·p and W of the staked models.
fn crowd(counted: &[Counted]) -> Result<(u128, TokenAmount), ScoreError> {
    let too_large = || MoneyError::TotalTooLarge;
    let (mut weighted, mut total) = (0_u128, TokenAmount::ZERO);
    for c in counted {
        total = total.checked_add(c.at_risk).ok_or_else(too_large)?;
        weighted += u128::from(c.at_risk.units()) * u128::from(c.counted.ppm());
    }
    Ok((weighted, total))
}

/// Moves the skills of the models that had a stake in the round.
async fn move_skills(
    conn: &mut Conn,
    memory: Memory,
    counted: &[Counted],
    reference: Probability,
    y: Direction,
) -> Result<(), ScoreError> {
    let staked: Vec<&Counted> = counted
        .iter()
        .filter(|c| c.at_risk > TokenAmount::ZERO)
        .collect();
    let models: Vec<&ModelId> = staked.iter().map(|c| &c.model).collect();
    let before = store::skills(conn, &models).await?;
    let mut after = Vec::with_capacity(staked.len());
    for c in staked {
        let old = before.get(&c.model).copied().unwrap_or_default();
        let moved = old
            .memory
            .after_round_floor(memory, c.at_risk, c.counted, reference, y)?;
        let skill = Skill {
            memory: moved,
            multiplier: moved.multiplier_floor(memory),
            staked_rounds: old.staked_rounds + 1,
        };
        after.push((c.model.clone(), skill));
    }
    Ok(store::set_skills(conn, &after).await?)
}
