//! From scores to standings. Pure.

use domain::ModelId;
use scorer::summary::Summary;

use super::Row;
use super::summary::{Skills, skills};

/// Rounds that the leaderboard and a model's summary look at: a week of five-minute rounds.
pub const ROUNDS: i64 = 2_016;

/// Under so many rounds a bootstrap knows nothing: its draws are nearly copies of each other.
pub const LEAST_ROUNDS: usize = 10;

/// A mean with its 95 % interval (block bootstrap, scoring.md).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The ends of the interval; `None` under [`LEAST_ROUNDS`] rounds.
    pub interval: Option<(f64, f64)>,
}

impl From<&Summary> for Estimate {
    fn from(summary: &Summary) -> Self {
        let ends = (summary.interval.low, summary.interval.high);
        Self {
            mean: summary.mean,
            interval: (summary.eras >= LEAST_ROUNDS).then_some(ends),
        }
    }
}

/// One line of the leaderboard.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The model.
    pub model: ModelId,
    /// Scored rounds behind the numbers.
    pub rounds: i64,
    /// Mean Brier score.
    pub brier_mean: f64,
    /// Mean log score.
    pub log_mean: f64,
    /// Brier skill against one half: the order of the leaderboard.
    pub skill_half: Estimate,
    /// Brier skill against persistence.
    pub skill_persistence: Estimate,
    /// Brier skill against the crowd without the model, over the rounds that had one.
    pub skill_crowd: Option<Estimate>,
    /// Share of rounds on the right side; one half counts half.
    pub accuracy: f64,
    /// From 1. Models of one group cannot be told apart from its best one: the intervals of their
    /// skill against one half overlap.
    pub rank_group: i64,
}

/// Standings of `rows`, which are grouped by model and in time order within a model.
pub(super) fn standings(rows: &[Row]) -> Vec<Standing> {
    let models: Vec<&[Row]> = rows.chunk_by(|a, b| a.model == b.model).collect();
    let mut standings: Vec<Standing> = models
        .iter()
        .zip(skills(&models))
        .filter_map(|(rows, skills)| standing(rows, &skills))
        .collect();
    standings.sort_by(|a, b| {
        b.skill_half
            .mean
            .total_cmp(&a.skill_half.mean)
            .then_with(|| a.model.cmp(&b.model))
    });
    let (mut group, mut best_low) = (0, f64::INFINITY);
    for standing in &mut standings {
        // A model without an interval may be anywhere: nothing sets it apart.
        let everywhere = (f64::NEG_INFINITY, f64::INFINITY);
        let (low, high) = standing.skill_half.interval.unwrap_or(everywhere);
        if group == 0 || high < best_low {
            group += 1;
            best_low = low;
        }
        standing.rank_group = group;
    }
    standings
}

fn standing(rows: &[Row], skills: &Skills) -> Option<Standing> {
    let estimate = |skill: &Option<Summary>| skill.as_ref().map(Estimate::from);
    Some(Standing {
        model: rows.first()?.model.clone(),
        rounds: i64::try_from(rows.len()).ok()?,
        brier_mean: mean(rows, |row| row.brier.to_f64()),
        log_mean: mean(rows, |row| row.log.to_f64()),
        skill_half: estimate(&skills.half)?,
        skill_persistence: estimate(&skills.persistence)?,
        skill_crowd: estimate(&skills.crowd),
        accuracy: mean(rows, Row::hit),
        rank_group: 0,
    })
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of rounds stay far below 2^53"
)]
fn mean(rows: &[Row], value: impl Fn(&Row) -> f64) -> f64 {
    rows.iter().map(value).sum::<f64>() / rows.len() as f64
}
