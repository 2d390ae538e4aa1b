//! `GET /tournaments/{id}`: the rules in words, the rounds, the leaders.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use domain::{RoundState, Tournament, TournamentId};
use serde::Deserialize;

use super::error::{Id, WebError};
use super::frame::{Frame, show};
use super::home::{Leader, leaders};
use super::live;
use super::round_row::{self, RoundRow};
use super::standings::Standings;
use super::text;
use crate::app::App;
use crate::rounds;

const PAGE: i64 = 30;
const LEADERS: usize = 10;

/// `?before=` is the start of the oldest round of the page before, microseconds.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    before: Option<String>,
}

#[derive(Template)]
#[template(path = "tournament.html")]
struct TournamentView {
    frame: Frame,
    id: String,
    name: String,
    here: String,
    every_ms: i64,
    rule_hash: String,
    moments: Vec<Moment>,
    rules: Rules,
    rounds: Vec<RoundRow>,
    is_first_page: bool,
    older: Option<String>,
    leaders: Vec<Leader>,
}

struct Moment {
    when: String,
    what: &'static str,
}

struct Rules {
    is_of_sources: bool,
    evidence_after: String,
    asset: String,
    interval: String,
    venues: String,
    quorum: usize,
    samples: usize,
    min_samples: usize,
    max_age: String,
    outlier: String,
    dead_band: String,
    edge: String,
    edge_high: String,
    lambda: String,
    minimum: String,
    round_cap: String,
    default_limit: String,
    default_cap: String,
    memory: String,
}

/// `GET /tournaments/{id}`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(known): Extension<Arc<Standings>>,
    Id(id): Id<TournamentId>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Html<String>, WebError> {
    let before_us = asked
        .ok()
        .and_then(|Query(asked)| asked.before?.parse::<i64>().ok());
    let mut conn = app.db.read().await?;
    let entered = rounds::tournament(&mut conn, &id).await?;
    let of = &entered.tournament;
    let rounds = round_row::rows(&mut conn, &id, &SHOWN, before_us, PAGE).await?;
    let is_full = i64::try_from(rounds.len()).is_ok_and(|shown| shown == PAGE);
    let oldest = rounds.last().filter(|_| is_full);
    show(&TournamentView {
        frame: Frame::new(&app, &of.name, ""),
        id: id.to_string(),
        name: of.name.clone(),
        here: before_us.map_or_else(
            || format!("/tournaments/{id}"),
            |us| format!("/tournaments/{id}?before={us}"),
        ),
        every_ms: live::every_ms(app.market.speed(), 60.0, 2_000.0),
        rule_hash: entered.rule_hash.clone(),
        moments: moments(of),
        rules: rules(of),
        is_first_page: before_us.is_none(),
        older: oldest.map(|round| format!("/tournaments/{id}?before={}", round.start_us)),
        rounds,
        leaders: leaders(&mut conn, &known, of, LEADERS).await?,
    })
}

/// Every state but `scheduled`.
const SHOWN: [RoundState; 9] = [
    RoundState::Open,
    RoundState::Locked,
    RoundState::Committed,
    RoundState::Evidenced,
    RoundState::Resolved,
    RoundState::Scored,
    RoundState::Batched,
    RoundState::Final,
    RoundState::Void,
];

fn moments(of: &Tournament) -> Vec<Moment> {
    let table = &of.timetable;
    let before = |seconds: i64| format!("T − {}", text::rule_span(seconds));
    let after = |seconds: i64| format!("T + {}", text::rule_span(seconds));
    let all = [
        (
            before(table.opens_before_s),
            "the round opens for predictions",
        ),
        (
            before(table.freeze_before_s),
            "features of hosted models are frozen and the runner starts",
        ),
        (before(table.answer_before_s), "the runner has answered"),
        (
            before(table.deadline_before_s),
            "deadline: later predictions are refused with the time missed",
        ),
        (
            before(table.lock_before_s),
            "lock, at the latest: predictions, stakes and the aggregate are frozen; their commitment goes \
             to the chain and must be mined before T",
        ),
        ("T".to_owned(), "the interval starts: the first price, P0"),
        (
            after(table.interval_s),
            "the interval ends: the second price, P1; then evidence, outcome, scores",
        ),
        (
            after(table.settle_by_s),
            "a round that is in no proposed batch by now is void",
        ),
    ];
    all.into_iter()
        .map(|(when, what)| Moment { when, what })
        .collect()
}

fn rules(of: &Tournament) -> Rules {
    let (stake, outcome) = (&of.stake, &of.outcome);
    let venues = of.venues.iter().map(|origin| match origin.venue() {
        Some(venue) => format!("{} ({})", live::venue_name(venue), live::quote(venue)),
        None => live::origin_name(origin),
    });
    let edge = |ppm: u32| f64::from(ppm) / 1e6;
    Rules {
        is_of_sources: of.is_of_sources(),
        evidence_after: text::rule_span(of.timetable.evidence_after_s),
        asset: if of.is_of_sources() {
            of.asset.clone()
        } else {
            of.asset.to_uppercase()
        },
        interval: text::rule_span(of.timetable.interval_s),
        venues: venues.collect::<Vec<_>>().join(", "),
        quorum: outcome.quorum,
        samples: outcome.samples,
        min_samples: outcome.min_samples,
        max_age: text::rule_span(outcome.max_age_s),
        outlier: format!("{} bp", outcome.outlier_bp),
        dead_band: format!(
            "{}.{:02} bp",
            outcome.dead_band_centi_bp / 100,
            outcome.dead_band_centi_bp % 100
        ),
        edge: edge(stake.a_ppm).to_string(),
        edge_high: edge(1_000_000 - stake.a_ppm).to_string(),
        lambda: format!("{:.4}", 1.0 / (1.0 - 2.0 * edge(stake.a_ppm))),
        minimum: text::tokens(stake.minimum),
        round_cap: text::tokens(stake.round_cap),
        default_limit: text::ppm_percent(stake.default_limit_ppm),
        default_cap: text::ppm_percent(stake.default_cap_ppm),
        memory: text::count(stake.skill_memory_rounds),
    }
}
