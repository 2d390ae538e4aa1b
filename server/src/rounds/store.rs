//! SQL of `tournaments`, `rounds` and `round_stages`.

use domain::tournament::RoundSchedule;
use domain::{RoundId, RoundState, TournamentId};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::voids::{CAUSES, OTHER};
use super::{Entered, RoundFilter, Stage};
use crate::db::{Conn, placeholders, questions};

/// A stored round.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) void_reason: String,
}

fn row(row: &AnyRow) -> Result<Row, sqlx::Error> {
    Ok(Row {
        id: row.try_get(0)?,
        state: row.try_get(1)?,
        void_reason: row.try_get(2)?,
    })
}

pub(super) async fn insert_tournament(
    conn: &mut Conn,
    entered: &Entered,
    now_us: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO tournaments (id, file, rule_hash, chain_key, created_us) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(entered.tournament.id.as_str())
    .bind(&entered.file)
    .bind(&entered.rule_hash)
    .bind(&entered.chain_key)
    .bind(now_us)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn tournament_files(
    conn: &mut Conn,
    id: Option<&TournamentId>,
) -> Result<Vec<String>, sqlx::Error> {
    let any = i64::from(id.is_none());
    let id = id.map_or("", TournamentId::as_str);
    let rows = sqlx::query("SELECT file FROM tournaments WHERE id = $1 OR $2 = 1 ORDER BY id")
        .bind(id)
        .bind(any)
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

pub(super) async fn insert_round(
    conn: &mut Conn,
    schedule: &RoundSchedule,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO rounds (id, tournament_id, start_us, state, due_us, void_reason) \
         VALUES ($1, $2, $3, $4, $5, '') ON CONFLICT DO NOTHING",
    )
    .bind(schedule.id.to_string())
    .bind(schedule.id.tournament().as_str())
    .bind(schedule.start_us)
    .bind(RoundState::Scheduled.name())
    .bind(schedule.opens_us)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn round(conn: &mut Conn, id: &RoundId) -> Result<Option<Row>, sqlx::Error> {
    let found = sqlx::query("SELECT id, state, void_reason FROM rounds WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?;
    found.as_ref().map(row).transpose()
}

/// The rounds of these ids; unknown ids are left out.
pub(super) async fn by_ids(conn: &mut Conn, ids: &[&RoundId]) -> Result<Vec<Row>, sqlx::Error> {
    let mut found = Vec::with_capacity(ids.len());
    for question in questions(ids) {
        let text = format!(
            "SELECT id, state, void_reason FROM rounds WHERE id IN {}",
            placeholders(1, question.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for id in question {
            query = query.bind(id.to_string());
        }
        for one in query.fetch_all(&mut *conn).await? {
            found.push(row(&one)?);
        }
    }
    Ok(found)
}

pub(super) async fn list(conn: &mut Conn, filter: &RoundFilter) -> Result<Vec<Row>, sqlx::Error> {
    // Only names from the state table are pasted into the text; values are bound.
    let states: Vec<String> = filter
        .states
        .iter()
        .map(|s| format!("'{}'", s.name()))
        .collect();
    let in_states = if states.is_empty() {
        String::new()
    } else {
        format!("AND state IN ({})", states.join(","))
    };
    let text = format!(
        "SELECT id, state, void_reason FROM rounds \
         WHERE start_us < $1 AND (tournament_id = $2 OR $3 = 1) {in_states} \
         ORDER BY start_us DESC, id LIMIT $4"
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(filter.before_start_us.unwrap_or(i64::MAX))
        .bind(
            filter
                .tournament
                .as_ref()
                .map_or("", TournamentId::as_str)
                .to_owned(),
        )
        .bind(i64::from(filter.tournament.is_none()))
        .bind(filter.limit.clamp(1, 500))
        .fetch_all(conn)
        .await?;
    rows.iter().map(row).collect()
}

/// Scheduled and open rounds that start after `now_us`, the soonest first.
pub(super) async fn starting_after(
    conn: &mut Conn,
    now_us: i64,
    tournaments: &[TournamentId],
    limit: i64,
) -> Result<Vec<Row>, sqlx::Error> {
    let places: Vec<String> = (0..tournaments.len())
        .map(|place| format!("${}", place + 3))
        .collect();
    let of_these = if places.is_empty() {
        String::new()
    } else {
        format!("AND tournament_id IN ({})", places.join(", "))
    };
    let text = format!(
        "SELECT id, state, void_reason FROM rounds \
         WHERE state IN ('scheduled', 'open') AND start_us > $1 {of_these} \
         ORDER BY start_us, id LIMIT $2"
    );
    let mut query = sqlx::query(AssertSqlSafe(text)).bind(now_us).bind(limit);
    for tournament in tournaments {
        query = query.bind(tournament.as_str());
    }
    let rows = query.fetch_all(conn).await?;
    rows.iter().map(row).collect()
}

pub(super) async fn in_state(conn: &mut Conn, state: RoundState) -> Result<Vec<Row>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT id, state, void_reason FROM rounds WHERE state = $1 ORDER BY start_us, id LIMIT 1000",
    )
    .bind(state.name())
    .fetch_all(conn)
    .await?;
    rows.iter().map(row).collect()
}

pub(super) async fn due(conn: &mut Conn, now_us: i64) -> Result<Vec<Row>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT id, state, void_reason FROM rounds WHERE due_us <= $1 ORDER BY due_us, id LIMIT 200",
    )
    .bind(now_us)
    .fetch_all(conn)
    .await?;
    rows.iter().map(row).collect()
}

pub(super) async fn next_due_us(conn: &mut Conn) -> Result<Option<i64>, sqlx::Error> {
    let found = sqlx::query("SELECT due_us FROM rounds WHERE due_us < $1 ORDER BY due_us LIMIT 1")
        .bind(super::NOT_DUE)
        .fetch_optional(conn)
        .await?;
    found.map(|row| row.try_get(0)).transpose()
}

pub(super) async fn last_start_us(
    conn: &mut Conn,
    tournament: &TournamentId,
) -> Result<Option<i64>, sqlx::Error> {
    let found = sqlx::query(
        "SELECT start_us FROM rounds WHERE tournament_id = $1 ORDER BY start_us DESC LIMIT 1",
    )
    .bind(tournament.as_str())
    .fetch_optional(conn)
    .await?;
    found.map(|row| row.try_get(0)).transpose()
}

pub(super) async fn set_state(
    conn: &mut Conn,
    id: &RoundId,
    from: RoundState,
    to: RoundState,
    due_us: i64,
    void_reason: &str,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE rounds SET state = $1, due_us = $2, void_reason = $3 WHERE id = $4 AND state = $5",
    )
    .bind(to.name())
    .bind(due_us)
    .bind(void_reason)
    .bind(id.to_string())
    .bind(from.name())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn hold(
    conn: &mut Conn,
    id: &RoundId,
    state: RoundState,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("UPDATE rounds SET state = state WHERE id = $1 AND state = $2")
        .bind(id.to_string())
        .bind(state.name())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn set_due(
    conn: &mut Conn,
    id: &RoundId,
    state: RoundState,
    due_us: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("UPDATE rounds SET due_us = $1 WHERE id = $2 AND state = $3")
        .bind(due_us)
        .bind(id.to_string())
        .bind(state.name())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn insert_stage(
    conn: &mut Conn,
    id: &RoundId,
    stage: &str,
    at_us: i64,
    took_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO round_stages (round_id, stage, at_us, took_us) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    )
    .bind(id.to_string())
    .bind(stage)
    .bind(at_us)
    .bind(took_us)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn stages(conn: &mut Conn, id: &RoundId) -> Result<Vec<Stage>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT stage, at_us, took_us FROM round_stages WHERE round_id = $1 ORDER BY at_us, stage",
    )
    .bind(id.to_string())
    .fetch_all(conn)
    .await?;
    let stage = |row: &AnyRow| {
        Ok(Stage {
            stage: row.try_get(0)?,
            at_us: row.try_get(1)?,
            took_us: row.try_get(2)?,
        })
    };
    rows.iter().map(stage).collect()
}

/// Void rounds by the beginning of their reason.
pub(super) async fn void_counts(conn: &mut Conn) -> Result<Vec<(String, i64)>, sqlx::Error> {
    // Only constants of `voids` are pasted into the text.
    let cases: Vec<String> = CAUSES
        .iter()
        .map(|(begin, cause)| format!("WHEN void_reason LIKE '{begin}%' THEN '{cause}'"))
        .collect();
    let text = format!(
        "SELECT cause, CAST(count(*) AS BIGINT) FROM \
         (SELECT CASE {} ELSE '{OTHER}' END AS cause FROM rounds WHERE state = 'void') AS voids \
         GROUP BY cause",
        cases.join(" ")
    );
    let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(conn).await?;
    let count = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter().map(count).collect()
}
