//! `GET /leaderboard?tournament=`: every model of a tournament with the intervals of its means.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use domain::TournamentId;
use serde::Deserialize;

use super::chart::{IntervalBar, interval_bars};
use super::error::WebError;
use super::frame::{Frame, show};
use super::standings::{self, Standings};
use super::text;
use crate::app::App;
use crate::models::Model;
use crate::rounds::{self, RoundError};
use crate::scores::Standing;

/// Models on one page.
const SHOWN: usize = 100;

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
    let named = top
        .iter()
        .map(|standing| named.get(&standing.model))
        .collect::<Vec<_>>();
    show(&LeaderboardView {
        frame: Frame::new(&app, "Leaderboard", "/leaderboard"),
        choice,
        rows: rows(top, &named),
        left_out: standings.len() - top.len(),
    })
}

fn rows(top: &[Standing], named: &[Option<&Model>]) -> Vec<Row> {
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
    let parts = top.iter().zip(named).zip(half_bars);
    parts
        .map(|((s, model), bar)| Row {
            is_new_group: std::mem::replace(&mut group, s.rank_group) != s.rank_group,
            group: s.rank_group,
            name: model.map_or_else(|| s.model.to_string(), |m| m.name.clone()),
            href: format!("/models/{}", s.model),
            hosting: model.map_or("", |m| m.hosting.name()),
            is_reference: model.is_some_and(|m| m.is_reference),
            rounds: text::count(s.rounds),
            accuracy: text::percent(s.accuracy),
            brier: format!("{:.4}", s.brier_mean),
            half: Cell {
                mean: text::mean_skill(s.skill_half.mean),
                ends: standings::ends(&s.skill_half),
                bar,
            },
            crowd: s.skill_crowd.as_ref().and_then(|crowd| {
                let bar = crowd_bars.next()?;
                Some(Cell {
                    mean: text::mean_skill(crowd.mean),
                    ends: standings::ends(crowd),
                    bar,
                })
            }),
            persistence: text::mean_skill(s.skill_persistence.mean),
            persistence_ends: standings::ends(&s.skill_persistence),
        })
        .collect()
}
