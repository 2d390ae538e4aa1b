//! `GET /models/{id}/diagnostics`: what a hosted model answers over the validation part of a dataset.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use domain::ModelId;

use super::bars::{Interval, IntervalBar, interval_bars};
use super::chart::LineChart;
use super::diagnostic_charts::{cumulative_chart, spread};
use super::error::{Id, WebError};
use super::frame::{Frame, show};
use super::histogram::Histogram;
use super::model_calibration::{self, CalibrationView};
use super::text;
use crate::app::App;
use crate::diagnostics::{
    self, CLONE_ABOVE, Crowd, CrowdSource, Finding, Kinship, Progress, Report,
};
use crate::models;

#[derive(Template)]
#[template(path = "model_diagnostics.html")]
struct DiagnosticsView {
    frame: Frame,
    path: String,
    model_href: String,
    name: String,
    state: &'static str,
    is_moving: bool,
    reason: String,
    finding: Option<FindingView>,
}

struct FindingView {
    dataset: String,
    made: String,
    eras: String,
    from: String,
    to: String,
    facts: Facts,
    chart: Option<LineChart>,
    spread: Histogram,
    days: Vec<DayLine>,
    calibration: CalibrationView,
    exposures: Vec<ExposureLine>,
    crowd: Option<CrowdView>,
    own: Vec<KinLine>,
    clones: Vec<KinLine>,
    compared: String,
    clone_above: String,
}

/// Skills in ten-thousandths.
struct Facts {
    mean: String,
    ends: String,
    std: String,
    sharpe: String,
    drawdown: String,
    positive: String,
    brier: String,
    accuracy: String,
    lowest: String,
    highest: String,
}

struct DayLine {
    day: String,
    mean: String,
    eras: String,
    positive: String,
    bar: IntervalBar,
}

struct ExposureLine {
    feature: String,
    correlation: String,
    bar: IntervalBar,
}

struct CrowdView {
    made_of: String,
    eras: String,
    correlation: String,
    skill: String,
    ends: String,
}

struct KinLine {
    href: Option<String>,
    name: String,
    correlation: String,
    eras: String,
    why: &'static str,
}

/// `GET /models/{id}/diagnostics`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Id(id): Id<ModelId>,
) -> Result<Html<String>, WebError> {
    let has_dataset = app.releases.newest().await?.is_some();
    let mut conn = app.db.read().await?;
    let model = models::get(&mut conn, &id).await?;
    let wall_us = app.wall.now_us();
    let known = diagnostics::of_model(&mut conn, wall_us, &model, has_dataset).await?;
    show(&DiagnosticsView {
        frame: Frame::new(&app, &format!("{}: diagnostics", model.name), ""),
        path: format!("/models/{id}/diagnostics"),
        model_href: format!("/models/{id}"),
        name: model.name,
        state: known.progress.name(),
        is_moving: matches!(known.progress, Progress::Queued | Progress::Running),
        reason: known.reason,
        finding: known.finding.as_ref().map(finding),
    })
}

fn finding(finding: &Finding) -> FindingView {
    let report = &finding.report;
    let at = |era: Option<&diagnostics::Era>| {
        era.map_or_else(String::new, |era| text::moment(era.start_us))
    };
    FindingView {
        dataset: finding.dataset.clone(),
        made: text::moment(finding.done_us),
        eras: text::count_of(finding.eras.len()),
        from: at(finding.eras.first()),
        to: at(finding.eras.last()),
        facts: facts(report),
        chart: cumulative_chart(&finding.eras),
        spread: spread(&finding.eras),
        days: days(report),
        calibration: model_calibration::view(&report.calibration),
        exposures: exposures(report),
        crowd: report.crowd.as_ref().map(crowd),
        own: report.own.iter().map(kin).collect(),
        clones: report.clones.iter().map(kin).collect(),
        compared: text::count_of(report.compared),
        clone_above: format!("{CLONE_ABOVE:.2}"),
    }
}

fn facts(report: &Report) -> Facts {
    let skill = &report.skill;
    Facts {
        mean: text::mean_skill(skill.mean),
        ends: ends(skill.interval.low, skill.interval.high),
        std: format!("{:.1}", skill.std * 1e4),
        sharpe: correlation(skill.sharpe),
        drawdown: format!("{:.1}", skill.max_drawdown * 1e4),
        positive: text::percent(skill.share_positive),
        brier: format!("{:.4}", report.brier_mean),
        accuracy: text::percent(report.accuracy),
        lowest: text::probability(report.lowest),
        highest: text::probability(report.highest),
    }
}

fn ends(low: f64, high: f64) -> String {
    format!("{} to {}", text::mean_skill(low), text::mean_skill(high))
}

fn days(report: &Report) -> Vec<DayLine> {
    let intervals: Vec<Interval> = report
        .days
        .iter()
        .map(|day| Interval {
            mean: day.skill.mean * 1e4,
            low: day.skill.interval.low * 1e4,
            high: day.skill.interval.high * 1e4,
            is_known: true,
        })
        .collect();
    let says = |row: &Interval| {
        format!(
            "mean {}, 95 % interval {} to {}",
            text::plus(row.mean, 1),
            text::plus(row.low, 1),
            text::plus(row.high, 1)
        )
    };
    let bars = interval_bars(&intervals, says);
    let line = |(day, bar): (&diagnostics::Day, IntervalBar)| DayLine {
        day: text::day_of(day.from_us),
        mean: text::mean_skill(day.skill.mean),
        eras: text::count_of(day.skill.eras),
        positive: text::percent(day.skill.share_positive),
        bar,
    };
    report.days.iter().zip(bars).map(line).collect()
}

/// Bars from 0 to the correlation, all on one scale.
fn exposures(report: &Report) -> Vec<ExposureLine> {
    let bars: Vec<Interval> = report
        .exposures
        .iter()
        .map(|one| Interval {
            mean: one.correlation,
            low: one.correlation.min(0.0),
            high: one.correlation.max(0.0),
            is_known: true,
        })
        .collect();
    let bars = interval_bars(&bars, |row| text::plus(row.mean, 3));
    let line = |(one, bar): (&diagnostics::Exposure, IntervalBar)| ExposureLine {
        feature: one.feature.clone(),
        correlation: text::plus(one.correlation, 3),
        bar,
    };
    report.exposures.iter().zip(bars).map(line).collect()
}

fn crowd(crowd: &Crowd) -> CrowdView {
    let skill = crowd.skill.as_ref();
    let none = || "–".to_owned();
    CrowdView {
        made_of: match (crowd.source, crowd.models) {
            (CrowdSource::Aggregates, _) => "the staked pool of the same rounds".to_owned(),
            (CrowdSource::Models, Some(1)) => {
                "the one hosted model of another account that answered these eras".to_owned()
            }
            (CrowdSource::Models, count) => format!(
                "the plain mean of {} hosted models of other accounts over these eras",
                text::count_of(count.unwrap_or(0))
            ),
        },
        eras: text::count_of(crowd.eras),
        correlation: correlation(crowd.correlation),
        skill: skill.map_or_else(none, |skill| text::mean_skill(skill.mean)),
        ends: skill.map_or_else(none, |s| ends(s.interval.low, s.interval.high)),
    }
}

fn kin(kin: &Kinship) -> KinLine {
    KinLine {
        href: kin.model.as_ref().map(|id| format!("/models/{id}")),
        name: kin.name.clone(),
        correlation: correlation(kin.correlation),
        eras: text::count_of(kin.eras),
        why: match (kin.is_same_graph, kin.is_likely_clone()) {
            (true, _) => "the same graph",
            (false, true) => "the same answers",
            (false, false) => "",
        },
    }
}

fn correlation(number: Option<f64>) -> String {
    number.map_or_else(|| "–".to_owned(), |number| text::plus(number, 3))
}
