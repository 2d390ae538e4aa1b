//! Tournaments and their rounds: what exists, in which state, and when it must be looked at again.
//!
//! Owns the tables `tournaments`, `rounds` and `round_stages`. Never knows what a state means for
//! prices, stakes or money: jobs call [`advance`] beside the verbs of those slices, in one
//! transaction.

mod store;
#[cfg(test)]
mod tests;
mod voids;

use std::collections::HashMap;
use std::sync::Arc;

use domain::tournament::RoundSchedule;
use domain::{IdError, RoundId, RoundState, Tournament, TournamentError, TournamentId};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::db::Conn;

pub use voids::void_counts;

/// Nobody waits for this round's clock; an event moves it on.
pub const NOT_DUE: i64 = i64::MAX;

/// A tournament as entered.
#[derive(Clone, Debug)]
pub struct Entered {
    /// The parsed file.
    pub tournament: Tournament,
    /// SHA-256 of the file, hex; stands in every round's record.
    pub rule_hash: String,
    /// The contracts' name of the tournament: keccak256 of its id, `0x…`.
    pub chain_key: String,
    /// The file as given.
    pub file: String,
}

/// One round.
#[derive(Clone, Debug)]
pub struct Round {
    /// Its id.
    pub id: RoundId,
    /// Its moments.
    pub schedule: RoundSchedule,
    /// Where it stands.
    pub state: RoundState,
    /// Why it is void; empty otherwise.
    pub void_reason: String,
}

impl Round {
    /// Whether anybody may see what others predicted and what hosted models answered. Never before
    /// the outcome; of a void round, which has none, not before its interval has passed.
    #[must_use]
    pub fn is_revealed(&self, now_us: i64) -> bool {
        match self.state {
            RoundState::Resolved | RoundState::Scored | RoundState::Batched | RoundState::Final => {
                true
            }
            RoundState::Void => now_us >= self.schedule.end_us,
            RoundState::Scheduled
            | RoundState::Open
            | RoundState::Locked
            | RoundState::Committed
            | RoundState::Evidenced => false,
        }
    }
}

/// One round and the rules it is played by.
#[derive(Clone, Debug)]
pub struct Ruled {
    /// The round.
    pub round: Round,
    /// Its tournament.
    pub tournament: Arc<Tournament>,
}

/// How long one stage of a round took.
#[derive(Clone, Debug)]
pub struct Stage {
    /// `lock`, `aggregate`, `commit`, `resolve`, `score`, `propose` or `accept`.
    pub stage: String,
    /// When it ended, market microseconds.
    pub at_us: i64,
    /// Wall microseconds of work.
    pub took_us: i64,
}

/// Which rounds to list, newest first.
#[derive(Clone, Debug)]
pub struct RoundFilter {
    /// Only this tournament's.
    pub tournament: Option<TournamentId>,
    /// Only in these states; empty for all.
    pub states: Vec<RoundState>,
    /// Only rounds that start before this, microseconds.
    pub before_start_us: Option<i64>,
    /// At most so many; 1 to 500.
    pub limit: i64,
}

/// What can go wrong with tournaments and rounds.
#[derive(Debug, Error)]
pub enum RoundError {
    /// No such tournament.
    #[error("there is no tournament {0}")]
    UnknownTournament(String),
    /// No such round.
    #[error("there is no round {0}")]
    UnknownRound(String),
    /// The file cannot be read as a tournament.
    #[error("the tournament file is not valid: {0}")]
    File(String),
    /// The file breaks a rule.
    #[error(transparent)]
    Rule(#[from] TournamentError),
    /// A tournament never changes; another file needs another id.
    #[error(
        "tournament {0} exists with other rules; a tournament never changes, choose another id"
    )]
    Exists(TournamentId),
    /// Somebody else moved the round.
    #[error("round {round} is not {expected} (it is {found}), so it cannot become {wanted}")]
    Moved {
        /// The round.
        round: RoundId,
        /// The state that the caller saw.
        expected: RoundState,
        /// The state in the database.
        found: String,
        /// The state that the caller wanted.
        wanted: RoundState,
    },
    /// A stored row breaks its own rules.
    #[error("stored round is broken: {0}")]
    Broken(String),
    /// The id is no id.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The database.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Enters the tournament of a TOML file; entering the same file again changes nothing.
///
/// # Errors
/// [`RoundError::File`], [`RoundError::Rule`], and [`RoundError::Exists`] for a changed file.
pub async fn enter(conn: &mut Conn, now_us: i64, file: &str) -> Result<Entered, RoundError> {
    let entered = parse(file)?;
    let id = &entered.tournament.id;
    if !store::insert_tournament(conn, &entered, now_us).await? {
        let known = tournament(conn, id).await?;
        if known.rule_hash != entered.rule_hash {
            return Err(RoundError::Exists(id.clone()));
        }
    }
    Ok(entered)
}

/// Every tournament, by id.
///
/// # Errors
/// Database errors and broken rows.
pub async fn tournaments(conn: &mut Conn) -> Result<Vec<Entered>, RoundError> {
    store::tournament_files(conn, None)
        .await?
        .iter()
        .map(|file| parse(file))
        .collect()
}

/// One tournament.
///
/// # Errors
/// [`RoundError::UnknownTournament`].
pub async fn tournament(conn: &mut Conn, id: &TournamentId) -> Result<Entered, RoundError> {
    let files = store::tournament_files(conn, Some(id)).await?;
    let file = files
        .first()
        .ok_or_else(|| RoundError::UnknownTournament(id.to_string()))?;
    parse(file)
}

/// The moments of rounds that open within one interval from `now_us`, can still freeze their
/// features, end by `last_end_us`, and are not made yet.
///
/// # Errors
/// Database errors and broken rows.
pub async fn missing(
    conn: &mut Conn,
    now_us: i64,
    last_end_us: Option<i64>,
) -> Result<Vec<RoundSchedule>, RoundError> {
    let mut missing = Vec::new();
    for entered in tournaments(conn).await? {
        let tournament = &entered.tournament;
        let known_us = store::last_start_us(conn, &tournament.id)
            .await?
            .unwrap_or(i64::MIN);
        let mut schedule = tournament.round(tournament.next_start_us(now_us))?;
        let horizon_us = now_us + (schedule.end_us - schedule.start_us);
        while schedule.opens_us <= horizon_us
            && last_end_us.is_none_or(|end| schedule.end_us <= end)
        {
            let next = tournament.round(schedule.end_us)?;
            if schedule.start_us > known_us {
                missing.push(schedule);
            }
            schedule = next;
        }
    }
    Ok(missing)
}

/// Makes rounds, each once. Gives how many are new.
///
/// # Errors
/// Database errors.
pub async fn schedule(conn: &mut Conn, moments: &[RoundSchedule]) -> Result<usize, RoundError> {
    let mut made = 0;
    for schedule in moments {
        made += usize::from(store::insert_round(conn, schedule).await?);
    }
    Ok(made)
}

/// One round.
///
/// # Errors
/// [`RoundError::UnknownRound`].
pub async fn get(conn: &mut Conn, id: &RoundId) -> Result<Round, RoundError> {
    let unknown = || RoundError::UnknownRound(id.to_string());
    let entered = tournament(conn, id.tournament())
        .await
        .map_err(|error| match error {
            RoundError::UnknownTournament(_) => unknown(),
            other => other,
        })?;
    let row = store::round(conn, id).await?.ok_or_else(unknown)?;
    assemble(&entered.tournament, row)
}

/// Rounds by their ids, each with its rules; unknown ones are left out. One query for the rounds
/// and one for each of their tournaments.
///
/// # Errors
/// Database errors and broken rows.
pub async fn ruled(
    conn: &mut Conn,
    ids: &[&RoundId],
) -> Result<HashMap<RoundId, Ruled>, RoundError> {
    let rows = store::by_ids(conn, ids).await?;
    let mut tournaments: HashMap<TournamentId, Arc<Tournament>> = HashMap::new();
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let id: RoundId = row.id.parse()?;
        let rules = match tournaments.get(id.tournament()) {
            Some(known) => Arc::clone(known),
            None => {
                let rules = Arc::new(tournament(conn, id.tournament()).await?.tournament);
                tournaments.insert(id.tournament().clone(), Arc::clone(&rules));
                rules
            }
        };
        let round = assemble(&rules, row)?;
        found.insert(
            id,
            Ruled {
                round,
                tournament: rules,
            },
        );
    }
    Ok(found)
}

/// Rounds by filter, newest first.
///
/// # Errors
/// Database errors and broken rows.
pub async fn list(conn: &mut Conn, filter: &RoundFilter) -> Result<Vec<Round>, RoundError> {
    let rows = store::list(conn, filter).await?;
    assemble_all(conn, rows).await
}

/// Rounds by their ids; unknown ids are left out. One query for each 256.
///
/// # Errors
/// Database errors and broken rows.
pub async fn by_ids(conn: &mut Conn, ids: &[RoundId]) -> Result<Vec<Round>, RoundError> {
    let ids: Vec<&RoundId> = ids.iter().collect();
    let rows = store::by_ids(conn, &ids).await?;
    assemble_all(conn, rows).await
}

/// Rounds that are open or will open, of these tournaments or of all when none is named, and whose
/// deadline is ahead: the soonest first, at most `limit` (up to 500).
///
/// # Errors
/// Database errors and broken rows.
pub async fn upcoming(
    conn: &mut Conn,
    now_us: i64,
    tournaments: &[TournamentId],
    limit: i64,
) -> Result<Vec<Round>, RoundError> {
    // A deadline is before its round's start, so none that is ahead is missed.
    let rows = store::starting_after(conn, now_us, tournaments, limit.clamp(1, 500)).await?;
    let mut rounds = assemble_all(conn, rows).await?;
    rounds.retain(|round| round.schedule.deadline_us > now_us);
    Ok(rounds)
}

/// Rounds in `state`, oldest first, at most 1,000.
///
/// # Errors
/// Database errors and broken rows.
pub async fn in_state(conn: &mut Conn, state: RoundState) -> Result<Vec<Round>, RoundError> {
    let rows = store::in_state(conn, state).await?;
    assemble_all(conn, rows).await
}

/// Rounds whose clock has come by `now_us`, the longest overdue first, at most 200.
///
/// # Errors
/// Database errors and broken rows.
pub async fn due(conn: &mut Conn, now_us: i64) -> Result<Vec<Round>, RoundError> {
    let rows = store::due(conn, now_us).await?;
    assemble_all(conn, rows).await
}

/// When the next round is due, if any waits for the clock.
///
/// # Errors
/// Database errors.
pub async fn next_due_us(conn: &mut Conn) -> Result<Option<i64>, RoundError> {
    Ok(store::next_due_us(conn).await?)
}

/// Moves a round on and says when to look again. Refused unless it is in `from`.
///
/// # Errors
/// [`RoundError::Moved`] when the rules or somebody else forbid it.
pub async fn advance(
    conn: &mut Conn,
    id: &RoundId,
    from: RoundState,
    to: RoundState,
    due_us: i64,
) -> Result<(), RoundError> {
    if from.may_become(to) && store::set_state(conn, id, from, to, due_us, "").await? {
        return Ok(());
    }
    refuse(conn, id, from, to).await
}

/// Holds the round's row for the rest of the transaction if it is in `state`; `false` otherwise.
///
/// The lock and the writer of predictions both begin with it, so that on PostgreSQL too one of them
/// waits for the other: what the writer acknowledges, the lock counts.
///
/// # Errors
/// Database errors.
pub async fn hold(conn: &mut Conn, id: &RoundId, state: RoundState) -> Result<bool, RoundError> {
    Ok(store::hold(conn, id, state).await?)
}

/// Looks at the round again at `due_us`, in the same state.
///
/// # Errors
/// [`RoundError::Moved`] when it left `state` meanwhile.
pub async fn look_again(
    conn: &mut Conn,
    id: &RoundId,
    state: RoundState,
    due_us: i64,
) -> Result<(), RoundError> {
    if store::set_due(conn, id, state, due_us).await? {
        return Ok(());
    }
    refuse(conn, id, state, state).await
}

/// Ends a round without effect. The caller releases its stakes in the same transaction.
///
/// # Errors
/// [`RoundError::Moved`] when it is not in `from` any more or may not become void.
pub async fn void(
    conn: &mut Conn,
    id: &RoundId,
    from: RoundState,
    reason: &str,
) -> Result<(), RoundError> {
    let to = RoundState::Void;
    if from.may_become(to) && store::set_state(conn, id, from, to, NOT_DUE, reason).await? {
        return Ok(());
    }
    refuse(conn, id, from, to).await
}

/// Notes how long a stage took; the first note stays.
///
/// # Errors
/// Database errors.
pub async fn record_stage(
    conn: &mut Conn,
    id: &RoundId,
    stage: &str,
    at_us: i64,
    took_us: i64,
) -> Result<(), RoundError> {
    Ok(store::insert_stage(conn, id, stage, at_us, took_us).await?)
}

/// The stages of a round in the order of their ends.
///
/// # Errors
/// Database errors.
pub async fn stages(conn: &mut Conn, id: &RoundId) -> Result<Vec<Stage>, RoundError> {
    Ok(store::stages(conn, id).await?)
}

async fn refuse(
    conn: &mut Conn,
    id: &RoundId,
    expected: RoundState,
    wanted: RoundState,
) -> Result<(), RoundError> {
    let row = store::round(conn, id).await?;
    let row = row.ok_or_else(|| RoundError::UnknownRound(id.to_string()))?;
    Err(RoundError::Moved {
        round: id.clone(),
        expected,
        found: row.state,
        wanted,
    })
}

/// A tournament's file as it would be entered, without a database.
///
/// # Errors
/// [`RoundError::File`], [`RoundError::Rule`].
pub fn read_file(file: &str) -> Result<Entered, RoundError> {
    parse(file)
}

fn parse(file: &str) -> Result<Entered, RoundError> {
    let tournament: Tournament =
        toml::from_str(file).map_err(|error| RoundError::File(error.to_string()))?;
    tournament.check()?;
    let asset = tournament.asset.as_str();
    let is_traded = matches!(asset, "btc" | "eth");
    if !tournament.is_of_sources() && !is_traded {
        return Err(RoundError::File(format!(
            "asset {asset:?} is not btc or eth"
        )));
    }
    if tournament.is_of_sources() && (is_traded || asset.trim().is_empty() || asset.len() > 64) {
        let wrong = format!("asset {asset:?} must say in 1 to 64 bytes what the source measures");
        return Err(RoundError::File(wrong));
    }
    let rule_hash = hex::encode(Sha256::digest(file.as_bytes()));
    let chain_key = alloy::primitives::keccak256(tournament.id.as_str()).to_string();
    Ok(Entered {
        tournament,
        rule_hash,
        chain_key,
        file: file.to_owned(),
    })
}

async fn assemble_all(conn: &mut Conn, rows: Vec<store::Row>) -> Result<Vec<Round>, RoundError> {
    let entered = tournaments(conn).await?;
    let find = |row: store::Row| {
        let id: RoundId = row.id.parse()?;
        let of = entered.iter().find(|e| e.tournament.id == *id.tournament());
        let of = of.ok_or_else(|| RoundError::UnknownTournament(id.tournament().to_string()))?;
        assemble(&of.tournament, row)
    };
    rows.into_iter().map(find).collect()
}

fn assemble(tournament: &Tournament, row: store::Row) -> Result<Round, RoundError> {
    let id: RoundId = row.id.parse()?;
    let schedule = tournament.round(id.start_us())?;
    let state = row.state.parse().map_err(RoundError::Broken)?;
    Ok(Round {
        id,
        schedule,
        state,
        void_reason: row.void_reason,
    })
}
