//! `GET /rounds/{id}`: everything about one round, and before its outcome nothing that others said.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use domain::{ModelId, Outcome, RoundId, RoundState, ShownState, TokenAmount};

use super::error::{Id, WebError};
use super::frame::{Frame, show};
use super::live::{self, LiveRound};
use super::round_evidence::{self, EvidenceView};
use super::round_explained::{self, Explained};
use super::round_row::{ENDED, OutcomeMark};
use super::{standings, text};
use crate::app::App;
use crate::db::Conn;
use crate::models::Model;
use crate::predictions::{self, Counted};
use crate::prices;
use crate::rounds::{self, Round, Stage};
use crate::scores::{self, Row};
use crate::settlement::{self, Batch, Lock, Payout};

/// Predictions on the page, those with the most at risk; the API has all.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "round.html")]
struct RoundView {
    frame: Frame,
    here: String,
    every_ms: Option<i64>,
    id: String,
    tournament: String,
    tournament_href: String,
    interval: String,
    day: String,
    steps: Vec<Step>,
    live: LiveRound,
    void_reason: String,
    outcome: Option<OutcomeMark>,
    moments: Vec<Moment>,
    evidence: Option<EvidenceView>,
    result: Option<ResultView>,
    explained: Option<Explained>,
    chain: ChainView,
    stages: Vec<StageView>,
}

struct Step {
    name: &'static str,
    class: &'static str,
    is_here: bool,
}

struct Moment {
    what: &'static str,
    at: String,
}

/// What becomes visible with the outcome.
struct ResultView {
    stake: String,
    stake_exact: String,
    weighted: String,
    crowd: String,
    burned: Option<(String, String)>,
    is_thin: bool,
    rows: Vec<PredictionRow>,
    left_out: usize,
}

struct PredictionRow {
    name: String,
    href: String,
    hosting: &'static str,
    counted: String,
    counted_ppm: u32,
    posted: Option<String>,
    at_risk: String,
    at_risk_exact: String,
    is_staked: bool,
    crowd: String,
    brier: String,
    skill: String,
    skill_class: &'static str,
    payout: String,
    payout_exact: String,
    payout_class: &'static str,
}

struct ChainView {
    commitment: String,
    root: String,
    salt: String,
    transactions: Vec<Transaction>,
    batch: Option<i64>,
}

struct Transaction {
    what: &'static str,
    hash: String,
}

struct StageView {
    stage: String,
    at: String,
    took: String,
}

/// What is read of a round whose outcome is public.
pub(super) struct Ended {
    pub(super) counted: Vec<Counted>,
    pub(super) scores: HashMap<ModelId, Row>,
    pub(super) payouts: HashMap<ModelId, Payout>,
    pub(super) models: HashMap<ModelId, Model>,
}

/// `GET /rounds/{id}`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Id(id): Id<RoundId>,
) -> Result<Html<String>, WebError> {
    let mut conn = app.db.read().await?;
    let now_us = app.market.now_us();
    let round = rounds::get(&mut conn, &id).await?;
    let tournament = rounds::tournament(&mut conn, id.tournament())
        .await?
        .tournament;
    let is_public = is_public(&round, now_us);
    let lock = settlement::lock(&mut conn, &id).await?;
    let batch = settlement::batch_of_round(&mut conn, &id).await?;
    let resolution = if is_public {
        prices::resolution(&mut conn, &id).await?
    } else {
        None
    };
    let ended = if is_public {
        Some(ended(&mut conn, &id).await?)
    } else {
        None
    };
    let received = match round.state {
        RoundState::Open => Some(predictions::latest(&mut conn, &id).await?.len()),
        _ if is_public => None,
        _ => Some(predictions::counted(&mut conn, &id).await?.len()),
    };
    let outcome = match (round.state, &resolution) {
        (RoundState::Void, _) => Some(Outcome::Void),
        (_, resolution) => resolution.as_ref().map(|r| r.outcome),
    };
    let explained = match (outcome, &lock, &ended) {
        (Some(Outcome::Direction(y)), Some(lock), Some(ended)) => {
            round_explained::explain(&tournament.stake, y, lock, ended)
        }
        _ => None,
    };
    let is_live = !matches!(round.state, RoundState::Final | RoundState::Void);
    show(&RoundView {
        frame: Frame::new(&app, &format!("Round {}", live::interval(&round)), ""),
        here: format!("/rounds/{id}"),
        every_ms: is_live.then(|| live::every_ms(app.market.speed(), 30.0, 1_000.0)),
        id: id.to_string(),
        tournament: tournament.name.clone(),
        tournament_href: format!("/tournaments/{}", tournament.id),
        interval: live::interval(&round),
        day: text::day_of(round.schedule.start_us),
        steps: steps(&round),
        live: live::live_round(&round, received, now_us),
        void_reason: round.void_reason.clone(),
        outcome: outcome.map(OutcomeMark::new),
        moments: moments(&round),
        evidence: resolution
            .as_ref()
            .map(|r| round_evidence::view(&id, r))
            .transpose()?,
        result: ended
            .as_ref()
            .and_then(|ended| Some(result(lock.as_ref()?, ended))),
        explained,
        chain: chain(lock.as_ref(), batch.as_ref(), is_public),
        stages: rounds::stages(&mut conn, &id)
            .await?
            .iter()
            .map(stage)
            .collect(),
    })
}

/// Whether everybody may see what the round holds: its outcome is public, or it is void and its
/// interval has passed.
fn is_public(round: &Round, now_us: i64) -> bool {
    ENDED.contains(&round.state)
        && (round.state != RoundState::Void || now_us >= round.schedule.end_us)
}

async fn ended(conn: &mut Conn, id: &RoundId) -> Result<Ended, WebError> {
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
    })
}

fn steps(round: &Round) -> Vec<Step> {
    use ShownState as S;
    let order = [
        S::Scheduled,
        S::Open,
        S::Locked,
        S::Resolved,
        S::Scored,
        S::Settled,
    ];
    let shown = round.state.shown();
    let at = order.iter().position(|state| *state == shown);
    let mut steps: Vec<Step> = order
        .iter()
        .enumerate()
        .map(|(n, state)| Step {
            name: state.name(),
            class: if at.is_some_and(|at| n < at || (n == at && *state == S::Settled)) {
                "done"
            } else {
                ""
            },
            is_here: at == Some(n),
        })
        .collect();
    if shown == S::Void {
        steps = vec![Step {
            name: "void",
            class: "void",
            is_here: false,
        }];
    }
    steps
}

fn moments(round: &Round) -> Vec<Moment> {
    let s = &round.schedule;
    let all = [
        ("Opens for predictions", s.opens_us),
        ("Features of hosted models frozen", s.freeze_us),
        ("Deadline", s.deadline_us),
        ("Lock, at the latest", s.lock_us),
        ("Interval starts, T", s.start_us),
        ("Interval ends", s.end_us),
        ("Proposed by, else void", s.settle_by_us),
    ];
    all.into_iter()
        .map(|(what, us)| Moment {
            what,
            at: text::moment(us),
        })
        .collect()
}

fn result(lock: &Lock, ended: &Ended) -> ResultView {
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

fn chain(lock: Option<&Lock>, batch: Option<&Batch>, is_public: bool) -> ChainView {
    // Root and salt would reveal the sums behind the commitment.
    let revealed = lock.filter(|_| is_public);
    let all = [
        (
            "Commitment",
            lock.map_or("", |lock| lock.commit_tx.as_str()),
        ),
        (
            "Proposal of its batch",
            batch.map_or("", |batch| batch.propose_tx.as_str()),
        ),
        (
            "Acceptance of its batch",
            batch.map_or("", |batch| batch.accept_tx.as_str()),
        ),
    ];
    let known = all.into_iter().filter(|(_, hash)| !hash.is_empty());
    ChainView {
        commitment: lock.map_or_else(String::new, |lock| lock.commitment.to_string()),
        root: revealed.map_or_else(String::new, |lock| lock.root.to_string()),
        salt: revealed.map_or_else(String::new, |lock| lock.salt.to_string()),
        transactions: known
            .map(|(what, hash)| Transaction {
                what,
                hash: hash.to_owned(),
            })
            .collect(),
        batch: batch.map(|batch| batch.seq),
    }
}

fn stage(stage: &Stage) -> StageView {
    StageView {
        stage: stage.stage.clone(),
        at: text::moment(stage.at_us),
        took: text::took(stage.took_us),
    }
}
