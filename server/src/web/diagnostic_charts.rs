//! The drawings of a model's diagnostics: its skill era by era, summed up and spread out.

use super::chart::{LineChart, Lines, Series};
use super::histogram::Histogram;
use super::home::seconds;
use super::model_charts::{labels, thinned};
use super::text;
use crate::diagnostics::Era;

/// Bins of the histogram of eras.
const BINS: usize = 32;

/// The running sum of skill, and how far it is below its highest value so far.
pub(super) fn cumulative_chart(eras: &[Era]) -> Option<LineChart> {
    let (mut sum, mut peak, mut deepest) = (0.0_f64, 0.0_f64, 0.0_f64);
    let (mut sums, mut falls) = (Vec::with_capacity(eras.len()), Vec::new());
    for era in eras {
        sum += era.skill() * 1e4;
        peak = peak.max(sum);
        deepest = deepest.min(sum - peak);
        sums.push((seconds(era.start_us), sum));
        falls.push((seconds(era.start_us), sum - peak));
    }
    let (sums, falls) = (thinned(sums), thinned(falls));
    LineChart::draw(&Lines {
        id: "diagnosis",
        title: "Cumulative skill and drawdown",
        description: format!(
            "Over {} eras the sum of Brier score differences to the constant 0.5, in ten-thousandths, \
             comes to {}; its deepest fall below its highest value is {}.",
            eras.len(),
            text::plus(sum, 1),
            text::plus(deepest, 1)
        ),
        unit: "Brier score differences, 10⁻⁴, cumulative",
        x_label: &labels(&sums),
        series: vec![
            Series {
                name: "against the constant 0.5",
                class: "line-a",
                points: sums,
            },
            Series {
                name: "below its highest value",
                class: "line-b",
                points: falls,
            },
        ],
        has_zero: true,
        has_area: true,
        marks: Vec::new(),
    })
}

/// How the scores of single eras are spread, from the worst to the best.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the number of a bin, clamped"
)]
pub(super) fn spread(eras: &[Era]) -> Histogram {
    let skills: Vec<f64> = eras.iter().map(|era| era.skill() * 1e4).collect();
    let (low, high) = super::axis::range(skills.iter().copied()).unwrap_or((0.0, 0.0));
    let width = ((high - low) / BINS as f64).max(1e-9);
    let mut counts = vec![0; BINS];
    for skill in &skills {
        let bin = (((skill - low) / width) as usize).min(BINS - 1);
        if let Some(count) = counts.get_mut(bin) {
            *count += 1;
        }
    }
    let title = format!(
        "single eras score from {} to {} against the constant 0.5, in ten-thousandths",
        text::plus(low, 1),
        text::plus(high, 1)
    );
    Histogram::draw(title, &counts, low, high)
}
