//! The charts of a model's page.

use super::chart::{LineChart, Lines, Series};
use super::home::seconds;
use super::text;
use crate::scores::Row;
use crate::settlement::Payout;

/// Points of a chart; more would not be seen.
const POINTS: usize = 300;

/// What the model won or lost so far, staked round by staked round.
pub(super) fn payout_chart(mut paid: Vec<Payout>) -> Option<LineChart> {
    paid.sort_by_key(|payout| payout.round.start_us());
    let steps = paid
        .iter()
        .map(|p| (p.round.start_us(), tokens(p.delta.units())));
    let points = thinned(cumulative(steps));
    let last = points.last()?.1;
    let x_label = labels(&points);
    LineChart::draw(&Lines {
        id: "payout",
        title: "Cumulative payout",
        description: format!(
            "After {} staked rounds the model has won or lost {} tokens in all.",
            paid.len(),
            text::plus(last, 4)
        ),
        unit: "tokens, cumulative",
        series: vec![Series {
            name: "payout",
            class: "line-a",
            points,
        }],
        has_zero: true,
        has_area: true,
        marks: Vec::new(),
        x_label: &x_label,
    })
}

/// How much better than two baselines it was so far, scored round by scored round.
pub(super) fn skill_chart(scored: &[Row]) -> Option<LineChart> {
    let half = scored
        .iter()
        .map(|row| (row.start_us, row.skill_half.to_f64() * 1e4));
    let crowd = scored
        .iter()
        .filter_map(|row| Some((row.start_us, row.skill_crowd?.to_f64() * 1e4)));
    let (half, crowd) = (thinned(cumulative(half)), thinned(cumulative(crowd)));
    let (last, last_crowd) = (half.last()?.1, crowd.last().map_or(0.0, |point| point.1));
    let x_label = labels(&half);
    LineChart::draw(&Lines {
        id: "skill",
        title: "Cumulative skill",
        description: format!(
            "Over {} scored rounds the sum of Brier score differences, in ten-thousandths, is {} against \
             the constant 0.5 and {} against the crowd without the model.",
            scored.len(),
            text::plus(last, 1),
            text::plus(last_crowd, 1)
        ),
        unit: "Brier score differences, 10⁻⁴, cumulative",
        series: vec![
            Series {
                name: "against the constant 0.5",
                class: "line-a",
                points: half,
            },
            Series {
                name: "against the crowd without it",
                class: "line-b",
                points: crowd,
            },
        ],
        has_zero: true,
        has_area: false,
        marks: Vec::new(),
        x_label: &x_label,
    })
}

fn cumulative(steps: impl Iterator<Item = (i64, f64)>) -> Vec<(f64, f64)> {
    let sums = steps.scan(0.0, |sum, (us, step)| {
        *sum += step;
        Some((seconds(us), *sum))
    });
    sums.collect()
}

/// At most [`POINTS`] of them, evenly spread, the last one kept.
pub(super) fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let every = points.len().div_ceil(POINTS).max(1);
    let last = points.len().saturating_sub(1);
    let kept = points.into_iter().enumerate();
    kept.filter(|(at, _)| at % every == 0 || *at == last)
        .map(|(_, point)| point)
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a place on a chart")]
fn tokens(units: i64) -> f64 {
    units as f64 / 1e9
}

/// Times of day on a chart of at most a day and a half, days on a longer one.
#[expect(clippy::cast_possible_truncation, reason = "made from microseconds")]
pub(super) fn labels(points: &[(f64, f64)]) -> impl Fn(f64) -> String + use<> {
    let ends = points.first().zip(points.last());
    let is_short = ends.is_none_or(|(first, last)| last.0 - first.0 < 129_600.0);
    move |seconds| {
        let us = (seconds * 1e6) as i64;
        if is_short {
            text::minute_of_day(us)
        } else {
            text::day_of(us)
        }
    }
}
