//! All SQL of `events` and `event_sequence`.

use domain::AccountId;
use serde_json::{Map, Value};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::frame::{Frame, Head};
use super::{Audience, Event, EventError, Kind, Told};
use crate::db::Conn;

/// Takes `count` numbers and gives the last of them; the row stays locked until the transaction ends.
pub(super) async fn take_numbers(conn: &mut Conn, count: i64) -> Result<i64, sqlx::Error> {
    let row = sqlx::query("UPDATE event_sequence SET last = last + $1 WHERE id = 1 RETURNING last")
        .bind(count)
        .fetch_one(conn)
        .await?;
    row.try_get(0)
}

pub(super) async fn insert(
    conn: &mut Conn,
    sequence: i64,
    at_us: i64,
    told: &Told,
) -> Result<(), sqlx::Error> {
    let account = match &told.audience {
        Audience::Everybody => "",
        Audience::Account(account) => account.as_str(),
    };
    sqlx::query(
        "INSERT INTO events (sequence, kind, at_us, tournament_id, round_id, account_id, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(sequence)
    .bind(told.kind.name())
    .bind(at_us)
    .bind(told.tournament.as_str())
    .bind(
        told.round
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
    )
    .bind(account)
    .bind(Value::Object(told.detail.clone()).to_string())
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn after(
    conn: &mut Conn,
    position: i64,
    limit: i64,
) -> Result<Vec<Event>, EventError> {
    let rows = sqlx::query(
        "SELECT sequence, kind, at_us, tournament_id, round_id, account_id, detail FROM events
         WHERE sequence > $1 ORDER BY sequence LIMIT $2",
    )
    .bind(position)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(event).collect()
}

pub(super) async fn newest(conn: &mut Conn) -> Result<i64, sqlx::Error> {
    let row = sqlx::query("SELECT last FROM event_sequence WHERE id = 1")
        .fetch_one(conn)
        .await?;
    row.try_get(0)
}

pub(super) async fn oldest(conn: &mut Conn) -> Result<Option<i64>, sqlx::Error> {
    let row = sqlx::query("SELECT sequence FROM events ORDER BY sequence LIMIT 1")
        .fetch_optional(conn)
        .await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// Only a beginning is ever removed: what is kept has no holes, whatever the moments say.
pub(super) async fn forget_before(conn: &mut Conn, before_us: i64) -> Result<u64, sqlx::Error> {
    let row =
        sqlx::query("SELECT sequence FROM events WHERE at_us >= $1 ORDER BY sequence LIMIT 1")
            .bind(before_us)
            .fetch_optional(&mut *conn)
            .await?;
    let first_kept: i64 = row.map_or(Ok(i64::MAX), |row| row.try_get(0))?;
    let done = sqlx::query("DELETE FROM events WHERE sequence < $1")
        .bind(first_kept)
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

fn event(row: &AnyRow) -> Result<Event, EventError> {
    let sequence: i64 = row.try_get("sequence")?;
    let broken = |what: &str| EventError::Broken(format!("{what} of event {sequence}"));
    let text = |column: &str| row.try_get::<String, _>(column);
    let kind = Kind::parse(&text("kind")?).ok_or_else(|| broken("kind"))?;
    let tournament = text("tournament_id")?
        .parse()
        .map_err(|_| broken("tournament"))?;
    let round = match text("round_id")?.as_str() {
        "" => None,
        id => Some(id.parse().map_err(|_| broken("round"))?),
    };
    let audience = match text("account_id")?.as_str() {
        "" => Audience::Everybody,
        id => Audience::Account(id.parse::<AccountId>().map_err(|_| broken("account"))?),
    };
    let detail: Map<String, Value> =
        serde_json::from_str(&text("detail")?).map_err(|_| broken("detail"))?;
    let at_us = row.try_get("at_us")?;
    let head = Head {
        sequence,
        kind,
        at_us,
        tournament: &tournament,
        round: round.as_ref(),
    };
    let frame = Frame::new(head, detail);
    Ok(Event {
        sequence,
        kind,
        at_us,
        frame,
        tournament,
        round,
        audience,
    })
}
