//! All SQL of `accounts` and `api_keys`.

use domain::AccountId;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::key::NewKey;
use super::{Account, KeyEntry, Scope};
use crate::db::{Conn, placeholders, questions};

/// Ids in one query.
const CHUNK: usize = 500;

pub(super) struct KeyRow {
    pub(super) id: String,
    pub(super) account: Account,
    pub(super) secret_hash: String,
    pub(super) scopes: Vec<Scope>,
    pub(super) revoked_us: i64,
}

/// Whether the row is new; `false` when the name or the id is taken.
pub(super) async fn insert(
    conn: &mut Conn,
    account: &Account,
    now_us: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO accounts (id, name, wallet, is_operator, created_us)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(account.id.as_str())
    .bind(&account.name)
    .bind(&account.wallet)
    .bind(i64::from(account.is_operator))
    .bind(now_us)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn get(conn: &mut Conn, id: &AccountId) -> Result<Option<Account>, sqlx::Error> {
    let row = sqlx::query("SELECT id, name, wallet, is_operator FROM accounts WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(account).transpose()
}

pub(super) async fn by_name(conn: &mut Conn, name: &str) -> Result<Option<Account>, sqlx::Error> {
    let row = sqlx::query("SELECT id, name, wallet, is_operator FROM accounts WHERE name = $1")
        .bind(name)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(account).transpose()
}

pub(super) async fn by_ids(
    conn: &mut Conn,
    ids: &[AccountId],
) -> Result<Vec<Account>, sqlx::Error> {
    let mut found = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(CHUNK) {
        let places: Vec<String> = (1..=chunk.len()).map(|n| format!("${n}")).collect();
        let text = format!(
            "SELECT id, name, wallet, is_operator FROM accounts WHERE id IN ({}) ORDER BY id",
            places.join(", ")
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for id in chunk {
            query = query.bind(id.as_str());
        }
        for row in query.fetch_all(&mut *conn).await? {
            found.push(account(&row)?);
        }
    }
    Ok(found)
}

pub(super) async fn open_keys(conn: &mut Conn, account: &AccountId) -> Result<i64, sqlx::Error> {
    let row = sqlx::query(
        "SELECT CAST(count(*) AS BIGINT) FROM api_keys WHERE account_id = $1 AND revoked_us = 0",
    )
    .bind(account.as_str())
    .fetch_one(conn)
    .await?;
    row.try_get(0)
}

pub(super) async fn insert_key(
    conn: &mut Conn,
    account: &AccountId,
    key: &NewKey,
    scopes: &[Scope],
    now_us: i64,
) -> Result<(), sqlx::Error> {
    let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
    sqlx::query(
        "INSERT INTO api_keys (id, account_id, secret_hash, scopes, created_us, revoked_us)
         VALUES ($1, $2, $3, $4, $5, 0)",
    )
    .bind(&key.id)
    .bind(account.as_str())
    .bind(&key.hash)
    .bind(names.join(","))
    .bind(now_us)
    .execute(conn)
    .await?;
    Ok(())
}

/// The keys of these ids and their accounts; unknown ids are left out.
pub(super) async fn keys_by_id(conn: &mut Conn, ids: &[&str]) -> Result<Vec<KeyRow>, sqlx::Error> {
    let mut found = Vec::with_capacity(ids.len());
    for question in questions(ids) {
        let text = format!(
            "SELECT k.id AS key_id, k.secret_hash, k.scopes, k.revoked_us, \
             a.id, a.name, a.wallet, a.is_operator \
             FROM api_keys k JOIN accounts a ON a.id = k.account_id WHERE k.id IN {}",
            placeholders(1, question.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for id in question {
            query = query.bind(*id);
        }
        for row in query.fetch_all(&mut *conn).await? {
            found.push(KeyRow {
                id: row.try_get("key_id")?,
                account: account(&row)?,
                secret_hash: row.try_get("secret_hash")?,
                scopes: scopes(&row.try_get::<String, _>("scopes")?),
                revoked_us: row.try_get("revoked_us")?,
            });
        }
    }
    Ok(found)
}

pub(super) async fn keys(
    conn: &mut Conn,
    account: &AccountId,
) -> Result<Vec<KeyEntry>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT id, scopes, created_us, revoked_us FROM api_keys
         WHERE account_id = $1 ORDER BY created_us DESC, id LIMIT 200",
    )
    .bind(account.as_str())
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(KeyEntry {
                id: row.try_get("id")?,
                scopes: scopes(&row.try_get::<String, _>("scopes")?),
                created_us: row.try_get("created_us")?,
                revoked_us: row.try_get("revoked_us")?,
            })
        })
        .collect()
}

pub(super) async fn revoke(conn: &mut Conn, id: &str, now_us: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE api_keys SET revoked_us = $1 WHERE id = $2 AND revoked_us = 0")
        .bind(now_us)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

fn account(row: &AnyRow) -> Result<Account, sqlx::Error> {
    Ok(Account {
        id: account_id(row, "id")?,
        name: row.try_get("name")?,
        wallet: row.try_get("wallet")?,
        is_operator: row.try_get::<i64, _>("is_operator")? != 0,
    })
}

fn account_id(row: &AnyRow, column: &str) -> Result<AccountId, sqlx::Error> {
    let text: String = row.try_get(column)?;
    text.parse()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// A name that this version does not know allows nothing.
fn scopes(text: &str) -> Vec<Scope> {
    text.split(',').filter_map(Scope::parse).collect()
}
