//! All SQL of `stake_accounts`, `pools`, `withdrawal_requests` and `reservations`.

use std::collections::HashMap;

use domain::{ModelId, RoundId, TokenAmount};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::free::Position;
use super::{Reservation, StakeError};
use crate::db::{Conn, questions};

/// Rows of one multi-row insert.
const CHUNK: usize = 500;

/// What final blocks say of one model's stake.
#[derive(Clone, Debug)]
pub(super) struct StakeRow {
    pub(super) vault: String,
    pub(super) model_index: i64,
    pub(super) model_key: String,
    pub(super) model_id: String,
    pub(super) owner: String,
    pub(super) position: Position,
    pub(super) matures_us: i64,
}

const STAKE: &str = "SELECT s.vault, s.model_index, s.model_key, s.model_id, s.owner, s.deposited, \
    s.withdrawn, s.stake_delta, s.pool_reward, COALESCE(w.amount, 0) AS requested, \
    COALESCE(w.matures_us, 0) AS matures_us FROM stake_accounts s \
    LEFT JOIN withdrawal_requests w ON w.vault = s.vault AND w.model_index = s.model_index ";

fn stake(row: &AnyRow) -> Result<StakeRow, StakeError> {
    let units = |name: &str| -> Result<u64, StakeError> {
        let stored: i64 = row.try_get(name)?;
        u64::try_from(stored).map_err(|_| StakeError::Broken(format!("{name} is {stored}")))
    };
    Ok(StakeRow {
        vault: row.try_get("vault")?,
        model_index: row.try_get("model_index")?,
        model_key: row.try_get("model_key")?,
        model_id: row.try_get("model_id")?,
        owner: row.try_get("owner")?,
        position: Position {
            deposited: units("deposited")?,
            withdrawn: units("withdrawn")?,
            stake_delta: row.try_get("stake_delta")?,
            pool_reward: row.try_get("pool_reward")?,
            requested: units("requested")?,
            reserved: 0,
        },
        matures_us: row.try_get("matures_us")?,
    })
}

pub(super) async fn by_model(
    conn: &mut Conn,
    model: &ModelId,
) -> Result<Option<StakeRow>, StakeError> {
    let sql = AssertSqlSafe(format!("{STAKE} WHERE s.model_id = $1"));
    let row = sqlx::query(sql)
        .bind(model.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(stake).transpose()
}

pub(super) async fn by_key(
    conn: &mut Conn,
    tournament_key: &str,
    model_key: &str,
    owner: &str,
) -> Result<Option<StakeRow>, StakeError> {
    // A wallet can use a key once in a vault; the vault's first registration of it counts, and
    // only in the model's own tournament.
    let sql = AssertSqlSafe(format!(
        "{STAKE} WHERE s.model_key = $1 AND s.owner = $2 AND s.tournament_key = $3 \
         ORDER BY s.vault, s.model_index LIMIT 1"
    ));
    let row = sqlx::query(sql)
        .bind(model_key)
        .bind(owner)
        .bind(tournament_key)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(stake).transpose()
}

/// Registrations in a tournament that are linked to these models. Work and answer are in proportion
/// to the models, however many are registered.
pub(super) async fn linked(
    conn: &mut Conn,
    tournament_key: &str,
    models: &[&ModelId],
) -> Result<Vec<StakeRow>, StakeError> {
    let names = models.iter().map(|model| model.as_str().to_owned());
    select(
        conn,
        tournament_key,
        "s.model_id",
        &names.collect::<Vec<_>>(),
    )
    .await
}

/// Registrations in a tournament of these keys that are linked to no model.
pub(super) async fn unlinked(
    conn: &mut Conn,
    tournament_key: &str,
    keys: &[String],
) -> Result<Vec<StakeRow>, StakeError> {
    let mut rows = select(conn, tournament_key, "s.model_key", keys).await?;
    rows.retain(|row| row.model_id.is_empty());
    Ok(rows)
}

async fn select(
    conn: &mut Conn,
    tournament_key: &str,
    column: &str,
    values: &[String],
) -> Result<Vec<StakeRow>, StakeError> {
    let mut found = Vec::new();
    for question in questions(values) {
        let sql = format!(
            "{STAKE} WHERE s.tournament_key = $1 AND {column} IN ({}) ORDER BY s.model_index",
            numbered(2, question.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(tournament_key.to_owned());
        for value in question {
            query = query.bind(value.clone());
        }
        let rows = query.fetch_all(&mut *conn).await?;
        found.extend(rows.iter().map(stake).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(found)
}

/// `$from, …`: so many placeholders.
fn numbered(from: usize, count: usize) -> String {
    let end = from.saturating_add(count);
    let places: Vec<String> = (from..end).map(|place| format!("${place}")).collect();
    places.join(", ")
}

pub(super) async fn of_vault(conn: &mut Conn, vault: &str) -> Result<Vec<StakeRow>, StakeError> {
    let sql = AssertSqlSafe(format!("{STAKE} WHERE s.vault = $1 ORDER BY s.model_index"));
    let rows = sqlx::query(sql).bind(vault).fetch_all(conn).await?;
    rows.iter().map(stake).collect()
}

/// Links a registration to our model; a linked one stays linked.
pub(super) async fn link(
    conn: &mut Conn,
    row: &StakeRow,
    model: &ModelId,
) -> Result<(), StakeError> {
    sqlx::query(
        "UPDATE stake_accounts SET model_id = $1 \
         WHERE vault = $2 AND model_index = $3 AND model_id = ''",
    )
    .bind(model.as_str())
    .bind(&row.vault)
    .bind(row.model_index)
    .execute(conn)
    .await?;
    Ok(())
}

/// What a final registration says.
pub(super) struct Registration<'a> {
    pub(super) vault: &'a str,
    pub(super) model_index: i64,
    pub(super) tournament_key: &'a str,
    pub(super) model_key: &'a str,
    pub(super) owner: &'a str,
    pub(super) deposited: i64,
}

pub(super) async fn insert_stake(
    conn: &mut Conn,
    new: &Registration<'_>,
) -> Result<bool, StakeError> {
    let done = sqlx::query(
        "INSERT INTO stake_accounts (vault, model_index, tournament_key, model_key, model_id, \
         owner, deposited, withdrawn, stake_delta, pool_reward) \
         VALUES ($1, $2, $3, $4, '', $5, $6, 0, 0, 0) ON CONFLICT (vault, model_index) DO NOTHING",
    )
    .bind(new.vault)
    .bind(new.model_index)
    .bind(new.tournament_key)
    .bind(new.model_key)
    .bind(new.owner)
    .bind(new.deposited)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn add_deposit(
    conn: &mut Conn,
    vault: &str,
    model_index: i64,
    amount: i64,
) -> Result<bool, StakeError> {
    let done = sqlx::query(
        "UPDATE stake_accounts SET deposited = deposited + $1 WHERE vault = $2 AND model_index = $3",
    )
    .bind(amount)
    .bind(vault)
    .bind(model_index)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn add_withdrawal(
    conn: &mut Conn,
    vault: &str,
    model_index: i64,
    amount: i64,
) -> Result<bool, StakeError> {
    let done = sqlx::query(
        "UPDATE stake_accounts SET withdrawn = withdrawn + $1 WHERE vault = $2 AND model_index = $3",
    )
    .bind(amount)
    .bind(vault)
    .bind(model_index)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn add_credit(
    conn: &mut Conn,
    vault: &str,
    credit: &super::Credit,
) -> Result<bool, StakeError> {
    let done = sqlx::query(
        "UPDATE stake_accounts SET stake_delta = stake_delta + $1, pool_reward = pool_reward + $2 \
         WHERE vault = $3 AND model_index = $4 \
         AND deposited - withdrawn + stake_delta + pool_reward + $1 + $2 >= 0",
    )
    .bind(credit.stake_delta)
    .bind(credit.pool_reward)
    .bind(vault)
    .bind(i64::from(credit.model_index))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn add_to_pool(
    conn: &mut Conn,
    vault: &str,
    funded: i64,
    used: i64,
) -> Result<(), StakeError> {
    sqlx::query(
        "INSERT INTO pools (vault, funded, used) VALUES ($1, $2, $3) ON CONFLICT (vault) \
         DO UPDATE SET funded = pools.funded + excluded.funded, used = pools.used + excluded.used",
    )
    .bind(vault)
    .bind(funded)
    .bind(used)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn pool(conn: &mut Conn, vault: &str) -> Result<i64, StakeError> {
    let row = sqlx::query("SELECT funded - used AS left_over FROM pools WHERE vault = $1")
        .bind(vault)
        .fetch_optional(conn)
        .await?;
    Ok(row
        .map(|row| row.try_get("left_over"))
        .transpose()?
        .unwrap_or(0))
}

pub(super) async fn empty_pool(conn: &mut Conn, vault: &str) -> Result<(), StakeError> {
    sqlx::query("UPDATE pools SET used = funded WHERE vault = $1")
        .bind(vault)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn owner(
    conn: &mut Conn,
    vault: &str,
    model_index: i64,
) -> Result<Option<String>, StakeError> {
    let row = sqlx::query("SELECT owner FROM stake_accounts WHERE vault = $1 AND model_index = $2")
        .bind(vault)
        .bind(model_index)
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

pub(super) async fn set_request(
    conn: &mut Conn,
    vault: &str,
    model_index: i64,
    amount: i64,
    matures_us: i64,
) -> Result<(), StakeError> {
    sqlx::query(
        "INSERT INTO withdrawal_requests (vault, model_index, amount, matures_us) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (vault, model_index) \
         DO UPDATE SET amount = excluded.amount, matures_us = excluded.matures_us",
    )
    .bind(vault)
    .bind(model_index)
    .bind(amount)
    .bind(matures_us)
    .execute(conn)
    .await?;
    Ok(())
}

/// What is left of a request after a payment; nothing left ends it.
pub(super) async fn keep_request(
    conn: &mut Conn,
    vault: &str,
    model_index: i64,
    left: i64,
) -> Result<(), StakeError> {
    sqlx::query("UPDATE withdrawal_requests SET amount = $1 WHERE vault = $2 AND model_index = $3")
        .bind(left)
        .bind(vault)
        .bind(model_index)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "DELETE FROM withdrawal_requests WHERE vault = $1 AND model_index = $2 AND amount = 0",
    )
    .bind(vault)
    .bind(model_index)
    .execute(conn)
    .await?;
    Ok(())
}

/// Sums of what rounds hold of these models.
pub(super) async fn reserved(
    conn: &mut Conn,
    models: &[&ModelId],
) -> Result<HashMap<String, u64>, StakeError> {
    let mut sums = HashMap::new();
    for question in questions(models) {
        let sql = format!(
            "SELECT model_id, CAST(SUM(reserved) AS BIGINT) AS held FROM reservations \
             WHERE reserved > 0 AND model_id IN ({}) GROUP BY model_id",
            numbered(1, question.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for model in question {
            query = query.bind(model.as_str().to_owned());
        }
        for row in query.fetch_all(&mut *conn).await? {
            let held: i64 = row.try_get("held")?;
            let held =
                u64::try_from(held).map_err(|_| StakeError::Broken(format!("{held} reserved")))?;
            sums.insert(row.try_get("model_id")?, held);
        }
    }
    Ok(sums)
}

pub(super) async fn reserved_by(conn: &mut Conn, model: &ModelId) -> Result<u64, StakeError> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM(reserved), 0) AS BIGINT) AS held FROM reservations \
         WHERE model_id = $1 AND reserved > 0",
    )
    .bind(model.as_str())
    .fetch_one(conn)
    .await?;
    let held: i64 = row.try_get("held")?;
    u64::try_from(held).map_err(|_| StakeError::Broken(format!("{held} reserved")))
}

pub(super) async fn reservations(
    conn: &mut Conn,
    model: &ModelId,
    limit: i64,
) -> Result<Vec<Reservation>, StakeError> {
    // Ids of one tournament's rounds sort as their starts do.
    let rows = sqlx::query(
        "SELECT round_id, at_risk, reserved FROM reservations \
         WHERE model_id = $1 AND reserved > 0 ORDER BY round_id DESC LIMIT $2",
    )
    .bind(model.as_str())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let amount = |stored: i64| {
        TokenAmount::from_stored(stored).map_err(|error| StakeError::Broken(error.to_string()))
    };
    let reservation = |row: &AnyRow| {
        let round: String = row.try_get("round_id")?;
        Ok(Reservation {
            round: round
                .parse()
                .map_err(|_| StakeError::Broken(format!("round {round}")))?,
            at_risk: amount(row.try_get("at_risk")?)?,
            reserved: amount(row.try_get("reserved")?)?,
        })
    };
    rows.iter().map(reservation).collect()
}

/// Writes a round's reservations; how many were new.
pub(super) async fn reserve(
    conn: &mut Conn,
    round: &RoundId,
    stakes: &[(&ModelId, TokenAmount)],
) -> Result<u64, StakeError> {
    let mut written: u64 = 0;
    for chunk in stakes.chunks(CHUNK) {
        let mut sql = String::from(
            "INSERT INTO reservations (round_id, model_id, at_risk, reserved) VALUES ",
        );
        for row in 0..chunk.len() {
            let at = row.saturating_mul(4);
            let comma = if row == 0 { "" } else { ", " };
            let place = |offset: usize| at.saturating_add(offset);
            sql.push_str(&format!(
                "{comma}(${}, ${}, ${}, ${})",
                place(1),
                place(2),
                place(3),
                place(4)
            ));
        }
        sql.push_str(" ON CONFLICT (round_id, model_id) DO NOTHING");
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (model, at_risk) in chunk {
            query = query
                .bind(round.to_string())
                .bind(model.as_str().to_owned());
            query = query.bind(at_risk.stored()).bind(at_risk.stored());
        }
        written = written.saturating_add(query.execute(&mut *conn).await?.rows_affected());
    }
    Ok(written)
}

/// Lowers one reservation to `reserved`; it never grows.
pub(super) async fn lower(
    conn: &mut Conn,
    round: &RoundId,
    model: &ModelId,
    reserved: i64,
) -> Result<bool, StakeError> {
    let done = sqlx::query(
        "UPDATE reservations SET reserved = $1 \
         WHERE round_id = $2 AND model_id = $3 AND at_risk >= $1",
    )
    .bind(reserved)
    .bind(round.to_string())
    .bind(model.as_str())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn release(conn: &mut Conn, round: &RoundId) -> Result<(), StakeError> {
    sqlx::query("UPDATE reservations SET reserved = 0 WHERE round_id = $1 AND reserved > 0")
        .bind(round.to_string())
        .execute(conn)
        .await?;
    Ok(())
}
