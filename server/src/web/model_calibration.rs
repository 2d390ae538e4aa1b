//! The part of a model's page that says whether its probabilities come true.

use scorer::calibration::{Bin, Calibration};

use super::reliability_chart::ReliabilityChart;
use super::text;

/// A calibration in words and numbers.
pub(super) struct CalibrationView {
    pub(super) chart: Option<ReliabilityChart>,
    pub(super) bins: Vec<BinLine>,
    pub(super) rounds: String,
    pub(super) expected_error: String,
    pub(super) loss: String,
    pub(super) reliability: String,
    pub(super) resolution: String,
    pub(super) uncertainty: String,
    pub(super) within: String,
}

/// A row of the reliability table.
pub(super) struct BinLine {
    pub(super) mean_p: String,
    pub(super) frequency: String,
    pub(super) low: String,
    pub(super) high: String,
    pub(super) count: String,
}

/// The view of a calibration.
pub(super) fn view(calibration: &Calibration) -> CalibrationView {
    let number = |x: f64| format!("{x:.5}");
    let split = calibration.split;
    CalibrationView {
        chart: ReliabilityChart::draw(&calibration.bins),
        bins: calibration.bins.iter().map(line).collect(),
        rounds: text::count_of(calibration.forecasts),
        expected_error: format!("{:.4}", calibration.expected_error),
        loss: number(calibration.brier_loss),
        reliability: number(split.reliability),
        resolution: number(split.resolution),
        uncertainty: number(split.uncertainty),
        within: text::plus(split.within, 5),
    }
}

fn line(bin: &Bin) -> BinLine {
    BinLine {
        mean_p: format!("{:.4}", bin.mean_p),
        frequency: text::percent(bin.frequency),
        low: text::percent(bin.interval.low),
        high: text::percent(bin.interval.high),
        count: text::count_of(bin.count),
    }
}
