//! Aggregates: the combined forecast of a round, the thing that traders buy (protocol.md §5).
//!
//! Owns the table aggregates, written once at the lock. Until a round has its outcome only
//! subscribers may see its row: callers that answer anybody else use [`of_resolved_rounds`].

mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use domain::timestamp::SECOND_US;
use domain::{
    Direction, ModelId, Outcome, Probability, ProbabilityError, RoundId, Score, ScoreError,
    TokenAmount, TournamentId,
};
use scorer::aggregate::{Member, pool};
use scorer::direction::{crowd_without, to_score_half_even};
use scorer::refit::{MINIMUM_ROUNDS, Refit, refit};
use thiserror::Error;

use crate::db::Conn;
use crate::predictions::Counted;
use crate::prices::{self, PriceError};
use crate::rounds::Round;
use crate::scores::Skill;

const DAY_US: i64 = 86_400 * SECOND_US;
/// Days behind a calibration.
const CALIBRATION_DAYS: i64 = 30;
/// Rounds behind a calibration: 30 days of rounds of a minute.
const CALIBRATION_ROUNDS: i64 = 43_200;

/// Why an aggregate cannot be built.
#[derive(Debug, Error)]
pub enum AggregateError {
    /// The database refused or is gone: retry.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The outcomes behind the calibration.
    #[error(transparent)]
    Price(#[from] PriceError),
    /// An aggregate is written once.
    #[error("round {0} already has another aggregate; nothing was changed")]
    BuiltDifferently(RoundId),
    /// A pooled probability that is none.
    #[error(transparent)]
    Probability(#[from] ProbabilityError),
    /// A pooled number that is none.
    #[error(transparent)]
    Number(#[from] ScoreError),
    /// A stored row that nothing of ours wrote.
    #[error("the stored {what} is broken: {value:?}")]
    Stored {
        /// Which column.
        what: &'static str,
        /// Its content.
        value: String,
    },
}

/// Aggregates of resolved rounds with their outcomes, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What was found.
    pub found: Vec<(Aggregate, Outcome)>,
    /// Ask for rounds before this start for the next page; none on the last one.
    pub next_before_us: Option<i64>,
}

/// The combined forecast of one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate {
    /// The round.
    pub round: RoundId,
    /// Staked models in it.
    pub model_count: i64,
    /// W.
    pub stake: TokenAmount,
    /// P/W, the pool that settlement uses, rounded half to even.
    pub pool: Probability,
    /// p̂, the calibrated log pool.
    pub calibrated: Probability,
    /// 5 % point of p̂.
    pub low: Probability,
    /// 95 % point of p̂.
    pub high: Probability,
    /// (Σω)²/Σω² in thousandths, floored.
    pub effective_n_milli: i64,
    /// ω-weighted standard deviation of p.
    pub disagreement: Probability,
    /// Σ ω·logit(p), what the calibration learns from.
    pub pooled_logit: Score,
    /// b of the calibration.
    pub intercept: Score,
    /// k of the calibration.
    pub slope: Score,
    /// When it was built, on the market clock.
    pub generated_us: i64,
}

/// Builds and writes the aggregate of a round at its lock; `None` when nothing is staked. Building
/// it again from the same predictions changes nothing.
///
/// `skills` are those frozen before the round (`scores::skills_of_round`).
///
/// # Errors
/// [`AggregateError::BuiltDifferently`] when another one is there.
pub async fn build(
    conn: &mut Conn,
    now_us: i64,
    round: &Round,
    counted: &[Counted],
    skills: &[(ModelId, Skill)],
) -> Result<Option<Aggregate>, AggregateError> {
    let calibration = calibration(conn, &round.id).await?;
    let Some(built) = pooled(now_us, &round.id, counted, skills, calibration)? else {
        return Ok(None);
    };
    if store::insert(conn, &built).await? {
        return Ok(Some(built));
    }
    let written = store::of_round(conn, &round.id).await?;
    let timeless = |a: &Aggregate| Aggregate {
        generated_us: 0,
        ..a.clone()
    };
    if written.as_ref().map(timeless) == Some(timeless(&built)) {
        return Ok(written);
    }
    Err(AggregateError::BuiltDifferently(round.id.clone()))
}

/// The aggregate of a round, resolved or not; none before the lock or when nothing was staked.
///
/// # Errors
/// Database errors, broken rows.
pub async fn of_round(
    conn: &mut Conn,
    round: &RoundId,
) -> Result<Option<Aggregate>, AggregateError> {
    store::of_round(conn, round).await
}

/// The aggregates of rounds that have an outcome and start before `before_start_us`, newest first,
/// out of the last `limit` such rounds. Free for all.
///
/// # Errors
/// Database errors, broken rows.
pub async fn of_resolved_rounds(
    conn: &mut Conn,
    tournament: &TournamentId,
    before_start_us: i64,
    limit: i64,
) -> Result<Vec<(Aggregate, Outcome)>, AggregateError> {
    let page = page_of_resolved_rounds(conn, tournament, before_start_us, limit).await?;
    Ok(page.found)
}

/// As [`of_resolved_rounds`], with the place where the next page begins.
///
/// # Errors
/// Database errors, broken rows.
pub async fn page_of_resolved_rounds(
    conn: &mut Conn,
    tournament: &TournamentId,
    before_start_us: i64,
    limit: i64,
) -> Result<Page, AggregateError> {
    let outcomes = prices::outcomes(conn, tournament, before_start_us, limit).await?;
    let Some((oldest, _)) = outcomes.last() else {
        return Ok(Page::default());
    };
    let oldest_us = oldest.start_us();
    // Rounds without an aggregate are looked at too, so a short page need not be the last.
    let is_full = i64::try_from(outcomes.len()) == Ok(limit);
    let span = oldest_us..before_start_us;
    let aggregates = store::of_rounds(conn, tournament, span).await?;
    let mut by_round: BTreeMap<RoundId, Aggregate> = aggregates
        .into_iter()
        .map(|aggregate| (aggregate.round.clone(), aggregate))
        .collect();
    let pair = |(round, outcome)| Some((by_round.remove(&round)?, outcome));
    Ok(Page {
        found: outcomes.into_iter().filter_map(pair).collect(),
        next_before_us: is_full.then_some(oldest_us),
    })
}

/// b and k, refitted daily: a function of the rounds of the 30 days before the day of this round,
/// so that every round of a day uses the same.
async fn calibration(conn: &mut Conn, round: &RoundId) -> Result<Refit, AggregateError> {
    let to_us = round.start_us().div_euclid(DAY_US) * DAY_US;
    let span = to_us.saturating_sub(CALIBRATION_DAYS * DAY_US)..to_us;
    let tournament = round.tournament();
    let pooled = store::pooled_logits(conn, tournament, span).await?;
    if pooled.len() < MINIMUM_ROUNDS {
        return Ok(Refit::identity(pooled.len()));
    }
    let outcomes = prices::outcomes(conn, tournament, to_us, CALIBRATION_ROUNDS).await?;
    let directions: BTreeMap<i64, Direction> = outcomes
        .into_iter()
        .filter_map(|(round, outcome)| match outcome {
            Outcome::Direction(direction) => Some((round.start_us(), direction)),
            Outcome::Void => None,
        })
        .collect();
    let example = |(start_us, logit): (i64, Score)| {
        directions
            .get(&start_us)
            .map(|direction| (logit.to_f64(), *direction))
    };
    Ok(refit(
        &pooled.into_iter().filter_map(example).collect::<Vec<_>>(),
    ))
}

fn pooled(
    now_us: i64,
    round: &RoundId,
    counted: &[Counted],
    skills: &[(ModelId, Skill)],
    calibration: Refit,
) -> Result<Option<Aggregate>, AggregateError> {
    let skills: BTreeMap<&ModelId, &Skill> =
        skills.iter().map(|(model, skill)| (model, skill)).collect();
    let member = |c: &Counted| Member {
        model: c.model.clone(),
        stake: c.at_risk,
        p: c.counted,
        multiplier: skills
            .get(&c.model)
            .map(|skill| skill.multiplier)
            .unwrap_or_default(),
    };
    let members: Vec<Member> = counted.iter().map(member).collect();
    let Some(pooled) = pool(round, &members, calibration) else {
        return Ok(None);
    };
    let weighted: u128 = members
        .iter()
        .map(|m| u128::from(m.stake.units()) * u128::from(m.p.ppm()))
        .sum();
    // P/W is the crowd that a model without a stake sees.
    let crowd = crowd_without(weighted, pooled.stake, TokenAmount::ZERO, Probability::HALF);
    let Some(crowd) = crowd else { return Ok(None) };
    let effective_models = to_score_half_even(pooled.effective_models)?;
    Ok(Some(Aggregate {
        round: round.clone(),
        model_count: i64::try_from(pooled.models).unwrap_or(i64::MAX),
        stake: pooled.stake,
        pool: crowd,
        calibrated: Probability::from_f64(pooled.p_hat)?,
        low: Probability::from_f64(pooled.band_low)?,
        high: Probability::from_f64(pooled.band_high)?,
        effective_n_milli: effective_models.units() / 1_000_000,
        disagreement: Probability::from_f64(pooled.disagreement)?,
        pooled_logit: to_score_half_even(pooled.pooled_logit)?,
        intercept: to_score_half_even(calibration.intercept)?,
        slope: to_score_half_even(calibration.slope)?,
        generated_us: now_us,
    }))
}
