//! All SQL of `models` and `artifacts`.

use domain::{AccountId, ModelId, TournamentId};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::{Artifact, Hosting, LIST_LIMIT, Model, ModelState, Standing};
use crate::db::{Conn, placeholders, questions};

const COLUMNS: &str = "id, account_id, tournament_id, name, hosting, state, reason, artifact, \
                       card, is_reference, created_us";
/// Ids in one query.
const CHUNK: usize = 500;

pub(super) async fn insert_artifact(
    conn: &mut Conn,
    artifact: &Artifact,
    now_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO artifacts (digest, size_bytes, created_us) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
    )
    .bind(&artifact.digest)
    .bind(i64::try_from(artifact.size_bytes).unwrap_or(i64::MAX))
    .bind(now_us)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether the row is new; `false` when the id or the name is taken.
pub(super) async fn insert(conn: &mut Conn, model: &Model) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO models (id, account_id, tournament_id, name, hosting, state, reason,
                             artifact, card, is_reference, created_us)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
    )
    .bind(model.id.as_str())
    .bind(model.account.as_str())
    .bind(model.tournament.as_str())
    .bind(&model.name)
    .bind(model.hosting.name())
    .bind(model.state.name())
    .bind(&model.reason)
    .bind(&model.artifact)
    .bind(&model.card)
    .bind(i64::from(model.is_reference))
    .bind(model.created_us)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Only a refused or paused model takes another artifact.
pub(super) async fn replace_artifact(
    conn: &mut Conn,
    id: &ModelId,
    digest: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE models SET artifact = $1, state = 'checking', reason = '', card = '', strikes = 0
         WHERE id = $2 AND state IN ('refused', 'paused')",
    )
    .bind(digest)
    .bind(id.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn get(conn: &mut Conn, id: &ModelId) -> Result<Option<Model>, sqlx::Error> {
    let text = format!("SELECT {COLUMNS} FROM models WHERE id = $1");
    let row = sqlx::query(AssertSqlSafe(text))
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(model).transpose()
}

pub(super) async fn by_name(
    conn: &mut Conn,
    tournament: &TournamentId,
    name: &str,
) -> Result<Option<Model>, sqlx::Error> {
    let text = format!("SELECT {COLUMNS} FROM models WHERE tournament_id = $1 AND name = $2");
    let row = sqlx::query(AssertSqlSafe(text))
        .bind(tournament.as_str())
        .bind(name)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(model).transpose()
}

pub(super) async fn by_ids(conn: &mut Conn, ids: &[ModelId]) -> Result<Vec<Model>, sqlx::Error> {
    let mut found = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(CHUNK) {
        let places: Vec<String> = (1..=chunk.len()).map(|n| format!("${n}")).collect();
        let text = format!(
            "SELECT {COLUMNS} FROM models WHERE id IN ({}) ORDER BY id",
            places.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for id in chunk {
            query = query.bind(id.as_str());
        }
        for row in query.fetch_all(&mut *conn).await? {
            found.push(model(&row)?);
        }
    }
    Ok(found)
}

/// Where the models of these ids stand; unknown ids are left out.
pub(super) async fn standings(
    conn: &mut Conn,
    ids: &[&ModelId],
) -> Result<Vec<Standing>, sqlx::Error> {
    let mut found = Vec::with_capacity(ids.len());
    for question in questions(ids) {
        let text = format!(
            "SELECT id, account_id, tournament_id, state, reason FROM models WHERE id IN {}",
            placeholders(1, question.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for id in question {
            query = query.bind(id.as_str());
        }
        for row in query.fetch_all(&mut *conn).await? {
            found.push(standing(&row)?);
        }
    }
    Ok(found)
}

fn standing(row: &AnyRow) -> Result<Standing, sqlx::Error> {
    let text = |column: usize| row.try_get::<String, _>(column);
    let state = text(3)?;
    Ok(Standing {
        id: text(0)?.parse().map_err(decode)?,
        account: text(1)?.parse().map_err(decode)?,
        tournament: text(2)?.parse().map_err(decode)?,
        state: ModelState::parse(&state).ok_or_else(|| unknown("state", &state))?,
        reason: text(4)?,
    })
}

/// An empty text stands for "any".
pub(super) async fn list(
    conn: &mut Conn,
    tournament: Option<&TournamentId>,
    account: Option<&AccountId>,
) -> Result<Vec<Model>, sqlx::Error> {
    let text = format!(
        "SELECT {COLUMNS} FROM models
         WHERE ($1 = '' OR tournament_id = $1) AND ($2 = '' OR account_id = $2)
         ORDER BY id LIMIT $3"
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(tournament.map_or("", TournamentId::as_str))
        .bind(account.map_or("", AccountId::as_str))
        .bind(LIST_LIMIT)
        .fetch_all(conn)
        .await?;
    rows.iter().map(model).collect()
}

pub(super) async fn in_state(
    conn: &mut Conn,
    tournament: &TournamentId,
    state: ModelState,
) -> Result<Vec<Model>, sqlx::Error> {
    let text = format!(
        "SELECT {COLUMNS} FROM models
         WHERE tournament_id = $1 AND hosting = 'hosted' AND state = $2 ORDER BY id LIMIT 10000"
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(tournament.as_str())
        .bind(state.name())
        .fetch_all(conn)
        .await?;
    rows.iter().map(model).collect()
}

pub(super) async fn active(
    conn: &mut Conn,
    tournament: &TournamentId,
) -> Result<Vec<Model>, sqlx::Error> {
    let text = format!(
        "SELECT {COLUMNS} FROM models
         WHERE tournament_id = $1 AND state = 'active' ORDER BY id LIMIT 20000"
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(tournament.as_str())
        .fetch_all(conn)
        .await?;
    rows.iter().map(model).collect()
}

pub(super) async fn count(
    conn: &mut Conn,
    account: &AccountId,
    tournament: &TournamentId,
) -> Result<i64, sqlx::Error> {
    let row = sqlx::query(
        "SELECT CAST(count(*) AS BIGINT) FROM models
         WHERE tournament_id = $1 AND account_id = $2 AND state <> 'retired'",
    )
    .bind(tournament.as_str())
    .bind(account.as_str())
    .fetch_one(conn)
    .await?;
    row.try_get(0)
}

pub(super) async fn set_checked(
    conn: &mut Conn,
    id: &ModelId,
    state: ModelState,
    reason: &str,
    card: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE models SET state = $1, reason = $2, card = $3
         WHERE id = $4 AND state = 'checking'",
    )
    .bind(state.name())
    .bind(reason)
    .bind(card)
    .bind(id.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes only when there is something to clear, so that a round of good models writes nothing.
pub(super) async fn clear_strikes(
    conn: &mut Conn,
    id: &ModelId,
    artifact: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE models SET strikes = 0
         WHERE id = $1 AND artifact = $2 AND state = 'active' AND strikes > 0",
    )
    .bind(id.as_str())
    .bind(artifact)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn add_strike(
    conn: &mut Conn,
    id: &ModelId,
    artifact: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE models SET strikes = strikes + 1
         WHERE id = $1 AND artifact = $2 AND state = 'active'",
    )
    .bind(id.as_str())
    .bind(artifact)
    .execute(conn)
    .await?;
    Ok(())
}

/// Pauses an active model that has `limit` strikes.
pub(super) async fn pause(
    conn: &mut Conn,
    id: &ModelId,
    artifact: &str,
    limit: i64,
    reason: &str,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE models SET state = 'paused', reason = $1
         WHERE id = $2 AND artifact = $3 AND state = 'active' AND strikes >= $4",
    )
    .bind(reason)
    .bind(id.as_str())
    .bind(artifact)
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn retire(conn: &mut Conn, id: &ModelId) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE models SET state = 'retired' WHERE id = $1")
        .bind(id.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

fn model(row: &AnyRow) -> Result<Model, sqlx::Error> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let (hosting, state) = (text("hosting")?, text("state")?);
    Ok(Model {
        id: text("id")?.parse().map_err(decode)?,
        account: text("account_id")?.parse().map_err(decode)?,
        tournament: text("tournament_id")?.parse().map_err(decode)?,
        name: text("name")?,
        hosting: Hosting::parse(&hosting).ok_or_else(|| unknown("hosting", &hosting))?,
        state: ModelState::parse(&state).ok_or_else(|| unknown("state", &state))?,
        reason: text("reason")?,
        artifact: text("artifact")?,
        card: text("card")?,
        is_reference: row.try_get::<i64, _>("is_reference")? != 0,
        created_us: row.try_get("created_us")?,
    })
}

fn decode(error: domain::IdError) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

fn unknown(column: &str, text: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("models.{column} is {text:?}").into())
}
