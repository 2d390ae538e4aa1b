//! All SQL of `accounts`; that of their keys in modules of its own.

pub(super) mod keys;
pub(super) mod signed;

use domain::AccountId;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::{Account, Opening};
use crate::db::Conn;

/// Ids in one query.
const CHUNK: usize = 500;

const ACCOUNT: &str = "SELECT id, name, wallet, is_operator, created_us, opened_by FROM accounts";

/// Whether the row is new; `false` when the name, the id or the wallet is taken.
pub(super) async fn insert(conn: &mut Conn, account: &Account) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO accounts (id, name, wallet, is_operator, created_us, opened_by)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(account.id.as_str())
    .bind(&account.name)
    .bind(&account.wallet)
    .bind(i64::from(account.is_operator))
    .bind(account.created_us)
    .bind(account.opened_by.name())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn get(conn: &mut Conn, id: &AccountId) -> Result<Option<Account>, sqlx::Error> {
    let row = sqlx::query(AssertSqlSafe(format!("{ACCOUNT} WHERE id = $1")))
        .bind(id.as_str())
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(account).transpose()
}

pub(super) async fn by_name(conn: &mut Conn, name: &str) -> Result<Option<Account>, sqlx::Error> {
    let row = sqlx::query(AssertSqlSafe(format!("{ACCOUNT} WHERE name = $1")))
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
        let text = format!("{ACCOUNT} WHERE id IN ({}) ORDER BY id", places.join(", "));
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

pub(super) async fn by_wallet(
    conn: &mut Conn,
    wallet: &str,
) -> Result<Option<Account>, sqlx::Error> {
    // The index of wallets holds those that are not empty, and is used when the query says so.
    let sql = format!("{ACCOUNT} WHERE wallet = $1 AND wallet <> ''");
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(wallet)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(account).transpose()
}

/// Whether the account had no wallet and has this one now.
pub(super) async fn set_wallet(
    conn: &mut Conn,
    id: &AccountId,
    wallet: &str,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("UPDATE accounts SET wallet = $1 WHERE id = $2 AND wallet = ''")
        .bind(wallet)
        .bind(id.as_str())
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

fn account(row: &AnyRow) -> Result<Account, sqlx::Error> {
    Ok(Account {
        id: account_id(row, "id")?,
        name: row.try_get("name")?,
        wallet: row.try_get("wallet")?,
        is_operator: row.try_get::<i64, _>("is_operator")? != 0,
        created_us: row.try_get("created_us")?,
        opened_by: Opening::parse(&row.try_get::<String, _>("opened_by")?),
    })
}

fn account_id(row: &AnyRow, column: &str) -> Result<AccountId, sqlx::Error> {
    let text: String = row.try_get(column)?;
    text.parse()
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
