//! What happened, for those who want to be told: rows numbered without gaps, and one broadcaster
//! that hands each to everybody in the process who listens.
//!
//! Owns `events` and `event_sequence`. Rows are only added, in the transaction of what they tell, and
//! forgotten after a week. Never decides what may be told to whom beyond a row's audience, and knows
//! no other slice: whoever moves a round on says what to tell.

mod broadcast;
mod filter;
mod frame;
mod kind;
mod store;
#[cfg(test)]
mod tests;

use domain::tournament::RoundSchedule;
use domain::{AccountId, ModelId, Outcome, RoundId, TournamentId};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::db::Conn;

pub use broadcast::{Broadcast, Next, RING};
pub use filter::Filter;
pub use frame::{Frame, Head};
pub use kind::Kind;

/// What goes wrong with events.
#[derive(Debug, Error)]
pub enum EventError {
    /// A stored row breaks its own rules.
    #[error("stored event is broken: {0}")]
    Broken(String),
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Who may be told. What only some may see gets an audience of its own here, and [`Filter`] checks it
/// for each listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Anybody, without a key.
    Everybody,
    /// The holders of one account's keys.
    Account(AccountId),
}

/// Something that happened, before it has a number.
#[derive(Clone, Debug)]
pub struct Told {
    kind: Kind,
    tournament: TournamentId,
    round: Option<RoundId>,
    audience: Audience,
    detail: Map<String, Value>,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// From 1, without gaps.
    pub sequence: i64,
    /// What.
    pub kind: Kind,
    /// When, market microseconds.
    pub at_us: i64,
    /// In which tournament.
    pub tournament: TournamentId,
    /// In which round, where it happened in one.
    pub round: Option<RoundId>,
    /// Who may be told.
    pub audience: Audience,
    /// As it is sent, written once for all listeners.
    pub frame: Frame,
}

impl Told {
    /// A round takes predictions from now on.
    #[must_use]
    pub fn open(round: &RoundSchedule) -> Self {
        let mut told = Self::of_round(Kind::RoundOpen, &round.id);
        for (name, us) in [
            ("deadline", round.deadline_us),
            ("starts", round.start_us),
            ("ends", round.end_us),
        ] {
            frame::put_moment(&mut told.detail, name, us);
        }
        told
    }

    /// What the round counts is frozen.
    #[must_use]
    pub fn locked(round: &RoundId) -> Self {
        Self::of_round(Kind::RoundLocked, round)
    }

    /// The outcome is written.
    #[must_use]
    pub fn resolved(round: &RoundId, outcome: Outcome) -> Self {
        Self::of_round(Kind::RoundResolved, round).with("outcome", outcome.name().into())
    }

    /// Scores and payouts are written.
    #[must_use]
    pub fn scored(round: &RoundId) -> Self {
        Self::of_round(Kind::RoundScored, round)
    }

    /// The money has moved on chain.
    #[must_use]
    pub fn settled(round: &RoundId) -> Self {
        Self::of_round(Kind::RoundSettled, round)
    }

    /// The round ended without effect.
    #[must_use]
    pub fn void(round: &RoundId, reason: &str) -> Self {
        Self::of_round(Kind::RoundVoid, round).with("reason", reason.into())
    }

    /// A hosted model takes no part any more, for its owner's ears.
    #[must_use]
    pub fn paused(
        account: &AccountId,
        tournament: &TournamentId,
        model: &ModelId,
        reason: &str,
    ) -> Self {
        let told = Self {
            kind: Kind::ModelPaused,
            tournament: tournament.clone(),
            round: None,
            audience: Audience::Account(account.clone()),
            detail: Map::new(),
        };
        told.with("model", json!(model.as_str()))
            .with("reason", reason.into())
    }

    fn of_round(kind: Kind, round: &RoundId) -> Self {
        Self {
            kind,
            tournament: round.tournament().clone(),
            round: Some(round.clone()),
            audience: Audience::Everybody,
            detail: Map::new(),
        }
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.detail.insert(name.to_owned(), value);
        self
    }
}

/// Writes what happened under the next numbers, in the transaction in which it happened.
///
/// This is the last thing that a transaction does before its commit: the row with the last number
/// stays locked until then, so that no number is ever seen before a lower one. Whoever held it and
/// then waited for a round could wait for somebody who holds that round and waits for a number.
///
/// # Errors
/// Database errors.
pub async fn append(conn: &mut Conn, now_us: i64, told: &[Told]) -> Result<(), EventError> {
    if told.is_empty() {
        return Ok(());
    }
    let count = i64::try_from(told.len()).unwrap_or(i64::MAX);
    let last = store::take_numbers(conn, count).await?;
    for (sequence, one) in (last - count + 1..).zip(told) {
        store::insert(conn, sequence, now_us, one).await?;
    }
    Ok(())
}

/// Events after the number `position`, at most `limit`, by number.
///
/// # Errors
/// Database errors and broken rows.
pub async fn after(conn: &mut Conn, position: i64, limit: i64) -> Result<Vec<Event>, EventError> {
    store::after(conn, position, limit).await
}

/// The newest number given; 0 before the first.
///
/// # Errors
/// Database errors.
pub async fn newest(conn: &mut Conn) -> Result<i64, EventError> {
    Ok(store::newest(conn).await?)
}

/// The oldest number that is still kept; when nothing is, the number that comes next.
///
/// # Errors
/// Database errors.
pub async fn oldest(conn: &mut Conn) -> Result<i64, EventError> {
    match store::oldest(conn).await? {
        Some(oldest) => Ok(oldest),
        None => Ok(store::newest(conn).await? + 1),
    }
}

/// Forgets what happened before `before_us`, market microseconds, and never anything in between.
/// Gives how many.
///
/// # Errors
/// Database errors.
pub async fn forget_before(conn: &mut Conn, before_us: i64) -> Result<u64, EventError> {
    Ok(store::forget_before(conn, before_us).await?)
}
