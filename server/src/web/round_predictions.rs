//! What the models of a round said, risked, scored and won; read only when the round is public.

use std::collections::HashMap;

use domain::{ModelId, RoundId, TokenAmount};

use super::error::WebError;
use super::{standings, text};
use crate::aggregates::Aggregate;
use crate::db::Conn;
use crate::models::Model;
use crate::predictions::{self, Counted};
use crate::scores::{self, Row};
use crate::settlement::{self, Lock, Payout};

/// Predictions on the page, those with the most at risk; the API has all.
const SHOWN: usize = 100;

/// What becomes visible with the outcome.
pub(super) struct ResultView {
    pub(super) stake: String,
    pub(super) stake_exact: String,
    pub(super) weighted: String,
    pub(super) crowd: String,
    pub(super) burned: Option<(String, String)>,
    pub(super) is_thin: bool,
    pub(super) rows: Vec<PredictionRow>,
    pub(super) left_out: usize,
    pub(super) never_revealed: usize,
}

/// The combined forecast.
pub(super) struct AggregateView {
    pub(super) calibrated: String,
    pub(super) low: String,
    pub(super) high: String,
    pub(super) effective_n: String,
    pub(super) models: String,
    pub(super) disagreement: String,
}

/// One model's prediction and what came of it.
pub(super) struct PredictionRow {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) hosting: &'static str,
    pub(super) counted: String,
    pub(super) counted_ppm: u32,
    pub(super) posted: Option<String>,
    pub(super) at_risk: String,
    pub(super) at_risk_exact: String,
    pub(super) is_staked: bool,
    pub(super) crowd: String,
    pub(super) brier: String,
    pub(super) skill: String,
    pub(super) skill_class: &'static str,
    pub(super) payout: String,
    pub(super) payout_exact: String,
    pub(super) payout_class: &'static str,
}

/// What is read of a round whose outcome is public.
pub(super) struct Ended {
    pub(super) counted: Vec<Counted>,
    pub(super) scores: HashMap<ModelId, Row>,
    pub(super) payouts: HashMap<ModelId, Payout>,
    pub(super) models: HashMap<ModelId, Model>,
    pub(super) never_revealed: usize,
}

/// Reads what a round holds; the caller has checked that it is public.
pub(super) async fn ended(conn: &mut Conn, id: &RoundId) -> Result<Ended, WebError> {
    let mut counted = predictions::counted(conn, id).await?;
    counted.sort_by(|a, b| {
        b.at_risk
            .cmp(&a.at_risk)
            .then_with(|| a.model.cmp(&b.model))
    });
    let scores = scores::of_round(conn, id).await?;
    let payouts = settlement::payouts(conn, id).await?;
    let ids: Vec<_> = counted
        .iter()
        .take(SHOWN)
        .map(|c| c.model.clone())
        .collect();
    Ok(Ended {
        counted,
        scores: scores
            .into_iter()
            .map(|row| (row.model.clone(), row))
            .collect(),
        payouts: payouts
            .into_iter()
            .map(|payout| (payout.model.clone(), payout))
            .collect(),
        models: standings::named(conn, &ids).await?,
        never_revealed: predictions::unopened(conn, id).await?.len(),
    })
}

/// The sums and the rows of a round.
pub(super) fn result(lock: &Lock, ended: &Ended) -> ResultView {
    let burned: i128 = ended
        .payouts
        .values()
        .map(|p| -i128::from(p.delta.units()))
        .sum();
    let burned = u64::try_from(burned)
        .ok()
        .and_then(|units| TokenAmount::from_units(units).ok());
    let burned = burned.filter(|_| !ended.payouts.is_empty());
    let staked = ended
        .counted
        .iter()
        .filter(|c| c.at_risk > TokenAmount::ZERO)
        .count();
    ResultView {
        stake: text::tokens(lock.total_w),
        stake_exact: lock.total_w.tokens(),
        weighted: lock.total_p.to_string(),
        crowd: crowd(lock).map_or_else(|| "–".to_owned(), |p| format!("{p:.4}")),
        burned: burned.map(|burned| (text::tokens(burned), burned.tokens())),
        is_thin: staked == 1,
        rows: ended
            .counted
            .iter()
            .take(SHOWN)
            .map(|c| prediction(c, ended))
            .collect(),
        left_out: ended.counted.len().saturating_sub(SHOWN),
        never_revealed: ended.never_revealed,
    }
}

/// P/W, for people.
#[expect(clippy::cast_precision_loss, reason = "four decimals are shown")]
fn crowd(lock: &Lock) -> Option<f64> {
    let total = lock.total_w.units();
    (total > 0).then(|| lock.total_p as f64 / total as f64 / 1e6)
}

fn prediction(c: &Counted, ended: &Ended) -> PredictionRow {
    let model = ended.models.get(&c.model);
    let score = ended.scores.get(&c.model);
    let payout = ended.payouts.get(&c.model).map(|payout| payout.delta);
    let none = || "–".to_owned();
    PredictionRow {
        name: model.map_or_else(|| c.model.to_string(), |m| m.name.clone()),
        href: format!("/models/{}", c.model),
        hosting: model.map_or("", |m| m.hosting.name()),
        counted: text::probability(c.counted),
        counted_ppm: c.counted.ppm(),
        posted: (c.counted != c.posted).then(|| text::probability(c.posted)),
        at_risk: text::tokens(c.at_risk),
        at_risk_exact: c.at_risk.tokens(),
        is_staked: c.at_risk > TokenAmount::ZERO,
        crowd: score
            .and_then(|s| s.crowd)
            .map_or_else(none, text::probability),
        brier: score.map_or_else(none, |s| text::score(s.brier)),
        skill: score.map_or_else(none, |s| text::skill(s.skill_half)),
        skill_class: score.map_or("even", |s| text::sign_class(s.skill_half.units())),
        payout: payout.map_or_else(none, text::delta),
        payout_exact: payout.map_or_else(String::new, |delta| format!("{} tokens", delta.tokens())),
        payout_class: payout.map_or("even", |delta| text::sign_class(delta.units())),
    }
}

/// The aggregate of a round that has ended.
pub(super) fn aggregate_view(aggregate: &Aggregate) -> AggregateView {
    let n = aggregate.effective_n_milli;
    AggregateView {
        calibrated: text::probability(aggregate.calibrated),
        low: text::probability(aggregate.low),
        high: text::probability(aggregate.high),
        effective_n: format!("{}.{}", n / 1_000, n % 1_000 / 100),
        models: text::count(aggregate.model_count),
        disagreement: text::probability(aggregate.disagreement),
    }
}
