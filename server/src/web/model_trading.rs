//! The part of a model's page that says what acting on its forecasts would have brought.

use scorer::trading::Rule;

use super::chart::{LineChart, Lines, Series};
use super::home::seconds;
use super::model_charts::{labels, thinned};
use super::text;
use crate::scores::{ModelSummary, Point};

/// The trading view under one rule.
pub(super) struct TradingView {
    pub(super) cost_bp: String,
    pub(super) threshold: String,
    /// Whether the rule ever took a position.
    pub(super) has_position: bool,
    pub(super) equity: String,
    pub(super) change: String,
    pub(super) change_class: &'static str,
    pub(super) gross: String,
    pub(super) gross_change: String,
    pub(super) drawdown: String,
    pub(super) turnover: String,
    pub(super) trades: String,
    pub(super) hit_rate: String,
    pub(super) in_market: String,
    pub(super) rounds: String,
    pub(super) chart: Option<LineChart>,
}

/// The view of `summary`, whose positions followed `rule`.
pub(super) fn view(summary: &ModelSummary, rule: Rule) -> TradingView {
    let trading = &summary.trading;
    let change = |equity: f64| format!("{} %", text::plus((equity - 1.0) * 100.0, 2));
    let has_position = trading.trades > 0;
    TradingView {
        cost_bp: rule.cost_bp().to_string(),
        threshold: rule.threshold().to_f64().to_string(),
        has_position,
        equity: format!("{:.4}", trading.final_equity),
        change: change(trading.final_equity),
        change_class: class(trading.final_equity),
        gross: format!("{:.4}", trading.gross_equity),
        gross_change: change(trading.gross_equity),
        drawdown: format!("{:.2} %", trading.max_drawdown * 100.0),
        turnover: text::count_of(trading.turnover),
        trades: text::count_of(trading.trades),
        hit_rate: trading
            .hit_rate
            .map_or_else(|| "–".to_owned(), text::percent),
        in_market: text::count_of(trading.intervals_in_market),
        rounds: text::count_of(trading.equity.len()),
        chart: has_position.then(|| chart(summary, rule)).flatten(),
    }
}

fn class(equity: f64) -> &'static str {
    match equity {
        equity if equity > 1.0 => "gain",
        equity if equity < 1.0 => "loss",
        _ => "even",
    }
}

fn chart(summary: &ModelSummary, rule: Rule) -> Option<LineChart> {
    let points = |value: fn(&Point) -> f64| {
        let all = summary.account.iter();
        thinned(
            all.map(|point| (seconds(point.at_us), value(point)))
                .collect(),
        )
    };
    let (net, gross) = (points(|point| point.equity), points(|point| point.gross));
    let x_label = labels(&net);
    LineChart::draw(&Lines {
        id: "equity",
        title: "Equity",
        description: format!(
            "From 1 the equity went to {:.4} at a cost of {} basis points per unit of turnover, and \
             to {:.4} without costs.",
            summary.trading.final_equity,
            rule.cost_bp(),
            summary.trading.gross_equity,
        ),
        unit: "equity, 1 at the start",
        series: vec![
            Series {
                name: "after costs",
                class: "line-a",
                points: net,
            },
            Series {
                name: "without costs",
                class: "line-b",
                points: gross,
            },
        ],
        has_zero: false,
        has_area: false,
        marks: Vec::new(),
        x_label: &x_label,
    })
}
