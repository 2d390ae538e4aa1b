//! From a model's scores to its summaries, its calibration and its trading view. Pure.

use std::collections::HashMap;

use domain::timestamp::SECOND_US;
use domain::{Direction, Probability, RoundId, Score, Timetable};
use scorer::calibration::{Calibration, calibrate};
use scorer::summary::{Summary, summarise_all};
use scorer::trading::{Forecast, Rule, RuleError, Trading, trade};

use super::{Row, ScoreError};
use crate::prices::Move;

/// Cost of trades when nobody says another, in basis points per unit of turnover.
const USUAL_COST_BP: f64 = 2.0;
/// Distance of p from one half that a position needs to exceed when nobody says another.
const USUAL_THRESHOLD: f64 = 0.0;

/// A model's Brier scores less those of each baseline, over the rounds that had it.
#[derive(Clone, Debug, PartialEq)]
pub struct Skills {
    /// Against the constant one half; `None` without rounds.
    pub half: Option<Summary>,
    /// Against persistence.
    pub persistence: Option<Summary>,
    /// Against the crowd without the model; `None` also when there never was one.
    pub crowd: Option<Summary>,
}

impl Skills {
    /// The next three summaries, in the order of [`series`].
    fn next_of(summaries: &mut impl Iterator<Item = Option<Summary>>) -> Self {
        let mut next = || summaries.next().flatten();
        Self {
            half: next(),
            persistence: next(),
            crowd: next(),
        }
    }
}

/// What a model's scored rounds come to.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSummary {
    /// Against each baseline; an [`super::Estimate`] of one knows whether its interval may be shown.
    pub skills: Skills,
    /// Whether its probabilities come true; `None` without rounds.
    pub calibration: Option<Calibration>,
    /// What acting on the sign of its forecasts would have brought.
    pub trading: Trading,
    /// The account over time: at the start of the first round, and at the end of every round.
    pub account: Vec<Point>,
}

/// The account of the trading view at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When.
    pub at_us: i64,
    /// Equity after costs; 1 at the start.
    pub equity: f64,
    /// Equity without costs.
    pub gross: f64,
}

/// The rule of a trading view from what was asked for: 2 bp and no threshold where nothing was.
///
/// # Errors
/// [`RuleError`] names the number that is outside its limits.
pub fn trading_rule(cost_bp: Option<f64>, threshold: Option<f64>) -> Result<Rule, RuleError> {
    Rule::new(
        cost_bp.unwrap_or(USUAL_COST_BP),
        threshold.unwrap_or(USUAL_THRESHOLD),
    )
}

/// The skills of each of `models`, which are rows in time order.
pub(super) fn skills(models: &[&[Row]]) -> Vec<Skills> {
    let series: Vec<Vec<f64>> = models.iter().flat_map(|rows| series(rows)).collect();
    let mut summaries = summarise_all(&series).into_iter();
    let one = |_: &&[Row]| Skills::next_of(&mut summaries);
    models.iter().map(one).collect()
}

/// The differences to one half, to persistence and to the crowd.
fn series(rows: &[Row]) -> [Vec<f64>; 3] {
    let of = |difference: fn(&Row) -> Option<Score>| {
        let found = rows.iter().filter_map(difference);
        found.map(Score::to_f64).collect()
    };
    [
        of(|row| Some(row.skill_half)),
        of(|row| Some(row.skill_persistence)),
        of(|row| row.skill_crowd),
    ]
}

/// Summarises one model's rows in time order.
pub(super) fn summary(
    rows: &[Row],
    moves: &HashMap<RoundId, Move>,
    timetable: &Timetable,
    rule: Rule,
) -> Result<ModelSummary, ScoreError> {
    let interval_us = timetable.interval_s * SECOND_US;
    let mut forecasts: Vec<(Probability, Direction)> = Vec::with_capacity(rows.len());
    let mut slots: Vec<Option<Forecast>> = Vec::with_capacity(rows.len());
    let mut next_us = None;
    for row in rows {
        let gone = || ScoreError::Unresolved(row.round.clone());
        let Move { direction, market } = *moves.get(&row.round).ok_or_else(gone)?;
        let p = row.counted;
        forecasts.push((p, direction));
        // Intervals between that are void or that the model missed.
        if next_us.is_some_and(|next_us| next_us != row.start_us) {
            slots.push(None);
        }
        slots.push(Some(Forecast { p, market }));
        next_us = Some(row.start_us + interval_us);
    }
    let trading = trade(&slots, rule);
    Ok(ModelSummary {
        skills: Skills::next_of(&mut summarise_all(&series(rows)).into_iter()),
        calibration: calibrate(&forecasts),
        account: account(rows, &trading, interval_us),
        trading,
    })
}

fn account(rows: &[Row], trading: &Trading, interval_us: i64) -> Vec<Point> {
    let start = rows.first().map(|row| Point {
        at_us: row.start_us,
        equity: 1.0,
        gross: 1.0,
    });
    let values = trading.equity.iter().zip(&trading.gross);
    let ends = rows.iter().zip(values).map(|(row, (equity, gross))| Point {
        at_us: row.start_us + interval_us,
        equity: *equity,
        gross: *gross,
    });
    start.into_iter().chain(ends).collect()
}
