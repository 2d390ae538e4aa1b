//! One round as a row of a table: the same on every page that lists rounds.

use std::collections::HashMap;

use domain::{Outcome, RoundId, RoundState, TokenAmount, TournamentId};

use super::error::WebError;
use super::{live, text};
use crate::aggregates::{self, Aggregate};
use crate::db::Conn;
use crate::prices;
use crate::rounds::{self, Round, RoundFilter};

/// A round with what is known of its end.
pub(super) struct RoundRow {
    pub(super) href: String,
    pub(super) day: String,
    pub(super) interval: String,
    pub(super) start_us: i64,
    pub(super) state: &'static str,
    pub(super) outcome: Option<OutcomeMark>,
    pub(super) crowd: String,
    pub(super) stake: String,
    pub(super) stake_exact: String,
    pub(super) models: String,
    pub(super) reason: String,
}

/// An outcome as a sign, a word and a class.
#[derive(Clone, Copy)]
pub(super) struct OutcomeMark {
    pub(super) glyph: &'static str,
    pub(super) word: &'static str,
}

impl OutcomeMark {
    pub(super) fn new(outcome: Outcome) -> Self {
        Self {
            glyph: text::arrow(outcome),
            word: outcome.name(),
        }
    }
}

/// The states of rounds whose outcome everybody may see.
pub(super) const ENDED: [RoundState; 5] = [
    RoundState::Resolved,
    RoundState::Scored,
    RoundState::Batched,
    RoundState::Final,
    RoundState::Void,
];

/// Rounds of a tournament, newest first, with outcome and crowd where they are known.
pub(super) async fn rows(
    conn: &mut Conn,
    tournament: &TournamentId,
    states: &[RoundState],
    before_start_us: Option<i64>,
    limit: i64,
) -> Result<Vec<RoundRow>, WebError> {
    let filter = RoundFilter {
        tournament: Some(tournament.clone()),
        states: states.to_vec(),
        before_start_us,
        limit,
    };
    let found = rounds::list(conn, &filter).await?;
    let Some(newest) = found.first() else {
        return Ok(Vec::new());
    };
    let before_us = newest.schedule.start_us + 1;
    let outcomes = prices::outcomes(conn, tournament, before_us, limit).await?;
    let outcomes: HashMap<RoundId, Outcome> = outcomes.into_iter().collect();
    // A round without a stake has an outcome and no crowd.
    let crowds = aggregates::of_resolved_rounds(conn, tournament, before_us, limit).await?;
    let crowds: HashMap<RoundId, Aggregate> = crowds
        .into_iter()
        .map(|(aggregate, _)| (aggregate.round.clone(), aggregate))
        .collect();
    Ok(found
        .iter()
        .map(|r| row(r, outcomes.get(&r.id), crowds.get(&r.id)))
        .collect())
}

fn row(round: &Round, outcome: Option<&Outcome>, crowd: Option<&Aggregate>) -> RoundRow {
    // What a round holds stays hidden until its outcome is public.
    let is_public = ENDED.contains(&round.state);
    let outcome = match round.state {
        RoundState::Void => Some(Outcome::Void),
        _ => outcome.copied().filter(|_| is_public),
    };
    let aggregate = crowd.filter(|_| is_public);
    let stake = aggregate.map(|a| a.stake);
    RoundRow {
        href: format!("/rounds/{}", round.id),
        day: text::day_of(round.schedule.start_us),
        interval: live::interval(round),
        start_us: round.schedule.start_us,
        state: round.state.shown().name(),
        outcome: outcome.map(OutcomeMark::new),
        crowd: aggregate.map_or_else(|| "–".to_owned(), |a| text::probability(a.pool)),
        stake: stake.map_or_else(|| "–".to_owned(), text::tokens),
        stake_exact: stake.map_or_else(String::new, TokenAmount::tokens),
        models: aggregate.map_or_else(|| "–".to_owned(), |a| text::count(a.model_count)),
        reason: round.void_reason.clone(),
    }
}
