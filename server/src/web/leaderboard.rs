//! `GET /leaderboard?tournament=`: every model of a tournament with the intervals of its means.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use domain::{Delta, TokenAmount, TournamentId};
use serde::Deserialize;

use super::bars::{IntervalBar, interval_bars};
use super::error::WebError;
use super::frame::{Frame, show};
use super::standings::{self, Standings};
use super::text;
use crate::app::App;
use crate::models::Model;
use crate::rounds::{self, RoundError};
use crate::scores::{Estimate, Standing};
use crate::stakes;

/// Models on one page.
const SHOWN: usize = 50;

#[derive(Default, Deserialize)]
pub(super) struct Asked {
    tournament: Option<String>,
}

#[derive(Template)]
#[template(path = "leaderboard.html")]
struct LeaderboardView {
    frame: Frame,
    choice: Vec<Choice>,
    rows: Vec<Row>,
    left_out: usize,
}

struct Choice {
    href: String,
    name: String,
    is_here: bool,
}

struct Row {
    group: i64,
    is_new_group: bool,
    name: String,
    href: String,
    hosting: &'static str,
    is_reference: bool,
    rounds: String,
    accuracy: String,
    brier: String,
    half: Cell,
    crowd: Option<Cell>,
    persistence: String,
    persistence_ends: String,
    payout: String,
    payout_exact: String,
    payout_class: &'static str,
    stake: String,
    stake_exact: String,
}

struct Cell {
    mean: String,
    ends: String,
    bar: IntervalBar,
}

/// `GET /leaderboard`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Extension(known): Extension<Arc<Standings>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Html<String>, WebError> {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let mut conn = app.db.read().await?;
    let entered = rounds::tournaments(&mut conn).await?;
    let wanted = match asked.tournament {
        None => entered.first().map(|of| of.tournament.id.clone()),
        Some(name) => Some(
            name.parse::<TournamentId>()
                .ok()
                .filter(|id| entered.iter().any(|of| of.tournament.id == *id))
                .ok_or(RoundError::UnknownTournament(name))?,
        ),
    };
    let choice = entered.iter().map(|of| Choice {
        href: format!("/leaderboard?tournament={}", of.tournament.id),
        name: of.tournament.name.clone(),
        is_here: Some(&of.tournament.id) == wanted.as_ref(),
    });
    let choice = choice.collect();
    let standings = match &wanted {
        Some(id) => known.of(&mut conn, id).await?,
        None => Arc::default(),
    };
    let top = standings
        .get(..SHOWN.min(standings.len()))
        .unwrap_or_default();
    let ids: Vec<_> = top.iter().map(|standing| standing.model.clone()).collect();
    let named = standings::named(&mut conn, &ids).await?;
    let payouts = match &wanted {
        Some(id) => known.payouts(&mut conn, id, &ids).await?,
        None => Arc::default(),
    };
    let mut entrants = Vec::with_capacity(top.len());
    for id in &ids {
        let stake = stakes::of_model(&mut conn, id)
            .await?
            .map(|stake| stake.claimable);
        entrants.push(Entrant {
            model: named.get(id),
            payout: payouts.get(id).copied(),
            stake,
        });
    }
    show(&LeaderboardView {
        frame: Frame::new(&app, "Leaderboard", "/leaderboard"),
        choice,
        rows: rows(top, &entrants),
        left_out: standings.len() - top.len(),
    })
}

/// What the standings do not say of a model.
struct Entrant<'a> {
    model: Option<&'a Model>,
    payout: Option<Delta>,
    stake: Option<TokenAmount>,
}

fn rows(top: &[Standing], entrants: &[Entrant]) -> Vec<Row> {
    let half: Vec<_> = top
        .iter()
        .map(|s| standings::interval(&s.skill_half))
        .collect();
    let crowd: Vec<_> = top
        .iter()
        .filter_map(|s| Some(standings::interval(s.skill_crowd.as_ref()?)))
        .collect();
    let half_bars = interval_bars(&half, standings::in_words);
    let mut crowd_bars = interval_bars(&crowd, standings::in_words).into_iter();
    let mut group = 0;
    let mut rows = Vec::with_capacity(top.len());
    for ((standing, entrant), bar) in top.iter().zip(entrants).zip(half_bars) {
        let crowd_bar = standing
            .skill_crowd
            .as_ref()
            .and_then(|_| crowd_bars.next());
        let is_new_group =
            std::mem::replace(&mut group, standing.rank_group) != standing.rank_group;
        rows.push(Row {
            is_new_group,
            ..row(standing, entrant, bar, crowd_bar)
        });
    }
    rows
}

fn row(s: &Standing, of: &Entrant, bar: IntervalBar, crowd_bar: Option<IntervalBar>) -> Row {
    let none = || "–".to_owned();
    let cell = |estimate: &Estimate, bar| Cell {
        mean: text::mean_skill(estimate.mean),
        ends: standings::ends(estimate),
        bar,
    };
    Row {
        group: s.rank_group,
        is_new_group: false,
        name: of
            .model
            .map_or_else(|| s.model.to_string(), |m| m.name.clone()),
        href: format!("/models/{}", s.model),
        hosting: of.model.map_or("", |m| m.hosting.name()),
        is_reference: of.model.is_some_and(|m| m.is_reference),
        rounds: text::count(s.rounds),
        accuracy: text::percent(s.accuracy),
        brier: format!("{:.4}", s.brier_mean),
        half: cell(&s.skill_half, bar),
        crowd: s
            .skill_crowd
            .as_ref()
            .zip(crowd_bar)
            .map(|(crowd, bar)| cell(crowd, bar)),
        persistence: text::mean_skill(s.skill_persistence.mean),
        persistence_ends: standings::ends(&s.skill_persistence),
        payout: of.payout.map_or_else(none, text::delta),
        payout_exact: of
            .payout
            .map_or_else(String::new, |p| format!("{} tokens", p.tokens())),
        payout_class: of.payout.map_or("even", |p| text::sign_class(p.units())),
        stake: of.stake.map_or_else(none, text::whole_tokens),
        stake_exact: of
            .stake
            .map_or_else(String::new, |s| format!("{} tokens", s.tokens())),
    }
}
