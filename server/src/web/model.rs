//! `GET /models/{id}`: one model's entry, its stake, its scores and its payouts.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use domain::{Delta, ModelId, RoundId, TokenAmount};
use serde::Deserialize;

use super::chart::LineChart;
use super::error::{Id, WebError};
use super::frame::{Frame, show};
use super::model_calibration::{self, CalibrationView};
use super::model_charts::{payout_chart, skill_chart};
use super::model_summary::{self, SkillLine};
use super::model_trading::{self, TradingView};
use super::standings::{self, Standings};
use super::text;
use crate::app::App;
use crate::models::{self, Model};
use crate::scores::{self, ROUNDS, Row, Skill, Standing};
use crate::settlement::{self, Payout};
use crate::stakes::{self, Stake};
use crate::{accounts, rounds};

/// Rounds in the table.
const SHOWN: usize = 30;
/// Lines of the report card.
const CARD_LINES: usize = 32;
/// Longest text of a line of it.
const CARD_TEXT: usize = 200;

/// How the trading view trades.
#[derive(Deserialize)]
pub(super) struct Asked {
    cost_bp: Option<f64>,
    threshold: Option<f64>,
}

#[derive(Template)]
#[template(path = "model.html")]
struct ModelView {
    frame: Frame,
    path: String,
    /// With the rule of the trading view, so that a live part keeps it.
    here: String,
    name: String,
    owner: String,
    tournament: String,
    tournament_href: String,
    hosting: &'static str,
    state: &'static str,
    reason: String,
    is_reference: bool,
    artifact: String,
    since: String,
    card: Vec<(String, String)>,
    standing: Option<StandingView>,
    skill: Option<SkillView>,
    stake: Option<StakeView>,
    payout: String,
    payout_class: &'static str,
    staked_rounds: String,
    payout_chart: Option<LineChart>,
    skill_chart: Option<LineChart>,
    skills: Vec<SkillLine>,
    calibration: Option<CalibrationView>,
    trading: TradingView,
    rows: Vec<RoundLine>,
}

struct StandingView {
    group: i64,
    rounds: String,
    half: String,
    half_ends: String,
    crowd: Option<(String, String)>,
    persistence: String,
    persistence_ends: String,
    brier: String,
    accuracy: String,
}

struct SkillView {
    multiplier: String,
    staked_rounds: String,
}

struct StakeView {
    deposited: String,
    withdrawn: String,
    at_risk: String,
    free: String,
    claimable: String,
    claimable_exact: String,
    stake_delta: String,
    pool_reward: String,
    requested: Option<(String, String)>,
    index: u32,
    owner: String,
}

struct RoundLine {
    href: String,
    label: String,
    day: String,
    p: String,
    crowd: String,
    brier: String,
    skill: String,
    skill_class: &'static str,
    is_right: &'static str,
    at_risk: String,
    payout: String,
    payout_exact: String,
    payout_class: &'static str,
}

/// `GET /models/{id}`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(known): Extension<Arc<Standings>>,
    Id(id): Id<ModelId>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Html<String>, WebError> {
    let Query(asked) = asked?;
    let rule = scores::trading_rule(asked.cost_bp, asked.threshold)?;
    let mut conn = app.db.read().await?;
    let model = models::get(&mut conn, &id).await?;
    let owner = accounts::get(&mut conn, &model.account).await?;
    let tournament = rounds::tournament(&mut conn, &model.tournament)
        .await?
        .tournament;
    let scored = scores::of_model(&mut conn, &id, ROUNDS).await?;
    let summary = scores::summary(&mut conn, &tournament, &scored, rule).await?;
    let paid = settlement::payouts_of_model(&mut conn, &id).await?;
    let stake = stakes::of_model(&mut conn, &id).await?;
    let skill = scores::skill(&mut conn, &id).await?;
    let all = known.of(&mut conn, &model.tournament).await?;
    let total: i64 = paid
        .iter()
        .fold(0, |sum, p| sum.saturating_add(p.delta.units()));
    let by_round: HashMap<RoundId, Payout> = paid
        .iter()
        .map(|payout| (payout.round.clone(), payout.clone()))
        .collect();
    show(&ModelView {
        frame: Frame::new(&app, &model.name, ""),
        path: format!("/models/{id}"),
        here: format!(
            "/models/{id}?cost_bp={}&threshold={}",
            rule.cost_bp(),
            rule.threshold().to_f64()
        ),
        owner: owner.name,
        tournament: tournament.name,
        tournament_href: format!("/tournaments/{}", model.tournament),
        hosting: model.hosting.name(),
        state: model.state.name(),
        reason: model.reason.clone(),
        is_reference: model.is_reference,
        artifact: model.artifact.clone(),
        since: text::moment(model.created_us),
        card: card(&model),
        standing: all.iter().find(|s| s.model == id).map(standing),
        skill: skill.as_ref().map(skill_view),
        stake: stake.as_ref().map(stake_view),
        payout: text::delta(Delta::from_units(total)),
        payout_class: text::sign_class(total),
        staked_rounds: text::count_of(paid.len()),
        payout_chart: payout_chart(paid),
        skill_chart: skill_chart(&scored),
        skills: model_summary::lines(&summary.skills),
        calibration: summary.calibration.as_ref().map(model_calibration::view),
        trading: model_trading::view(&summary, rule),
        rows: scored
            .iter()
            .rev()
            .take(SHOWN)
            .map(|row| line(row, by_round.get(&row.round)))
            .collect(),
        name: model.name,
    })
}

fn standing(s: &Standing) -> StandingView {
    StandingView {
        group: s.rank_group,
        rounds: text::count(s.rounds),
        half: text::mean_skill(s.skill_half.mean),
        half_ends: standings::ends(&s.skill_half),
        crowd: s
            .skill_crowd
            .as_ref()
            .map(|c| (text::mean_skill(c.mean), standings::ends(c))),
        persistence: text::mean_skill(s.skill_persistence.mean),
        persistence_ends: standings::ends(&s.skill_persistence),
        brier: format!("{:.4}", s.brier_mean),
        accuracy: text::percent(s.accuracy),
    }
}

fn skill_view(skill: &Skill) -> SkillView {
    SkillView {
        multiplier: format!("{:.4}", skill.multiplier.to_f64()),
        staked_rounds: text::count(skill.staked_rounds),
    }
}

fn stake_view(stake: &Stake) -> StakeView {
    let asked = (stake.requested > TokenAmount::ZERO).then(|| {
        (
            text::tokens(stake.requested),
            text::moment(stake.matures_us),
        )
    });
    StakeView {
        deposited: text::tokens(stake.deposited),
        withdrawn: text::tokens(stake.withdrawn),
        at_risk: text::tokens(stake.reserved),
        free: text::tokens(stake.free),
        claimable: text::tokens(stake.claimable),
        claimable_exact: stake.claimable.tokens(),
        stake_delta: text::delta(Delta::from_units(stake.stake_delta)),
        pool_reward: text::delta(Delta::from_units(stake.pool_reward)),
        requested: asked,
        index: stake.model_index,
        owner: stake.owner.clone(),
    }
}

/// The lines of the report card: single values, and what counts things by name on one line.
fn card(model: &Model) -> Vec<(String, String)> {
    let Ok(serde_json::Value::Object(card)) = serde_json::from_str(&model.card) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for (key, value) in &card {
        let text = match value {
            serde_json::Value::Object(inner) => counts(inner),
            value => single(value),
        };
        lines.extend(text.map(|text| (words(key), text)));
    }
    lines.truncate(CARD_LINES);
    lines
}

/// `Gemm 2, Sigmoid 1`.
fn counts(inner: &serde_json::Map<String, serde_json::Value>) -> Option<String> {
    let each = inner
        .iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", single(value)?).trim().to_owned()));
    let all = each.collect::<Vec<_>>().join(", ");
    (!all.is_empty()).then(|| all.chars().take(CARD_TEXT).collect())
}

fn single(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.chars().take(CARD_TEXT).collect()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        _ => None,
    }
}

fn words(key: &str) -> String {
    key.replace('_', " ")
}

fn line(row: &Row, paid: Option<&Payout>) -> RoundLine {
    let none = || "–".to_owned();
    RoundLine {
        href: format!("/rounds/{}", row.round),
        label: text::minute_of_day(row.start_us),
        day: text::day_of(row.start_us),
        p: text::probability(row.counted),
        crowd: row.crowd.map_or_else(none, text::probability),
        brier: text::score(row.brier),
        skill: text::skill(row.skill_half),
        skill_class: text::sign_class(row.skill_half.units()),
        is_right: match (row.hit() > 0.6, row.hit() < 0.4) {
            (true, _) => "right",
            (_, true) => "wrong",
            _ => "no side",
        },
        at_risk: paid.map_or_else(none, |p| text::tokens(p.at_risk)),
        payout: paid.map_or_else(none, |p| text::delta(p.delta)),
        payout_exact: paid.map_or_else(String::new, |p| format!("{} tokens", p.delta.tokens())),
        payout_class: paid.map_or("even", |p| text::sign_class(p.delta.units())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_counted_by_name_stands_on_one_line() {
        let map = |value: serde_json::Value| value.as_object().cloned().expect("an object");
        let ops = map(json!({"Gemm": 2, "Sigmoid": 1}));
        assert_eq!(counts(&ops).as_deref(), Some("Gemm 2, Sigmoid 1"));
        let opsets = map(json!({"": 17, "ai.onnx.ml": 3}));
        assert_eq!(counts(&opsets).as_deref(), Some("17, ai.onnx.ml 3"));
        assert_eq!(counts(&map(json!({}))), None);
        assert_eq!(counts(&map(json!({"inputs": []}))), None);
    }
}
