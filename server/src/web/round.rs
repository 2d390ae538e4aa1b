//! `GET /rounds/{id}`: everything about one round, and before its outcome nothing that others said.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use domain::{Outcome, RoundId, RoundState, ShownState};

use super::error::{Id, WebError};
use super::frame::{Frame, show};
use super::live::{self, LiveRound};
use super::record;
use super::round_evidence::{self, EvidenceView};
use super::round_explained::{self, Explained};
use super::round_predictions::{self, AggregateView, ResultView};
use super::round_row::{ENDED, OutcomeMark};
use super::text;
use crate::app::App;
use crate::db::Conn;
use crate::rounds::{self, Round, Stage};
use crate::settlement::{self, Batch, Lock};
use crate::{aggregates, predictions, prices};

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
    aggregate: Option<AggregateView>,
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

struct ChainView {
    commitment: String,
    root: String,
    salt: String,
    transactions: Vec<Transaction>,
    batch: Option<i64>,
    record: Option<String>,
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
        Some(round_predictions::ended(&mut conn, &id).await?)
    } else {
        None
    };
    let aggregate = if is_public {
        aggregates::of_round(&mut conn, &id).await?
    } else {
        None
    };
    let received = received(&mut conn, &round, is_public).await?;
    let outcome = outcome(&round, resolution.as_ref());
    let explained = match (outcome, &lock, &ended) {
        (Some(Outcome::Direction(y)), Some(lock), Some(ended)) => {
            round_explained::explain(&tournament.stake, y, lock, ended)
        }
        _ => None,
    };
    let record = record::round_href(&app, batch.as_ref(), &id).await;
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
            .and_then(|ended| Some(round_predictions::result(lock.as_ref()?, ended))),
        aggregate: aggregate.as_ref().map(round_predictions::aggregate_view),
        explained,
        chain: chain(lock.as_ref(), batch.as_ref(), is_public, record),
        stages: rounds::stages(&mut conn, &id)
            .await?
            .iter()
            .map(stage)
            .collect(),
    })
}

fn outcome(round: &Round, resolution: Option<&prices::Resolution>) -> Option<Outcome> {
    if round.state == RoundState::Void {
        return Some(Outcome::Void);
    }
    resolution.map(|resolution| resolution.outcome)
}

/// How many models a round has heard, until its predictions themselves are shown. Sealed ones too,
/// so that the number tells nobody whether there were any.
async fn received(
    conn: &mut Conn,
    round: &Round,
    is_public: bool,
) -> Result<Option<usize>, WebError> {
    if is_public {
        return Ok(None);
    }
    Ok(Some(match round.state {
        RoundState::Open => predictions::models_heard(conn, &round.id).await?,
        _ => {
            let counted = predictions::counted(conn, &round.id).await?.len();
            counted + predictions::unopened(conn, &round.id).await?.len()
        }
    }))
}

/// Whether everybody may see what the round holds: its outcome is public, or it is void and its
/// interval has passed.
fn is_public(round: &Round, now_us: i64) -> bool {
    ENDED.contains(&round.state)
        && (round.state != RoundState::Void || now_us >= round.schedule.end_us)
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

fn chain(
    lock: Option<&Lock>,
    batch: Option<&Batch>,
    is_public: bool,
    record: Option<String>,
) -> ChainView {
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
        record,
    }
}

fn stage(stage: &Stage) -> StageView {
    StageView {
        stage: stage.stage.clone(),
        at: text::moment(stage.at_us),
        took: text::took(stage.took_us),
    }
}
