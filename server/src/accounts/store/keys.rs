//! SQL of `api_keys`.

use domain::AccountId;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::account;
use crate::accounts::{Account, KeyEntry, KeyRights, Scope};
use crate::db::{Conn, placeholders, questions};

/// Keys are live while neither revoked nor at an end.
const LIVE: &str = "revoked_us = 0 AND (expires_us = 0 OR expires_us > $2) \
                    AND (retires_us = 0 OR retires_us > $2)";

pub(in crate::accounts) async fn insert(
    conn: &mut Conn,
    account: &AccountId,
    entry: &KeyEntry,
    hash: &str,
) -> Result<(), sqlx::Error> {
    let scopes: Vec<&str> = entry.rights.scopes.iter().map(|s| s.name()).collect();
    let addresses: Vec<String> = entry
        .rights
        .addresses
        .iter()
        .map(|a| a.to_string())
        .collect();
    sqlx::query(
        "INSERT INTO api_keys (id, account_id, secret_hash, scopes, created_us, revoked_us, name, \
         expires_us, retires_us, used_us, addresses, family) \
         VALUES ($1, $2, $3, $4, $5, 0, $6, $7, 0, 0, $8, $9)",
    )
    .bind(&entry.id)
    .bind(account.as_str())
    .bind(hash)
    .bind(scopes.join(","))
    .bind(entry.created_us)
    .bind(&entry.rights.name)
    .bind(entry.rights.expires_us)
    .bind(addresses.join(","))
    .bind(&entry.family)
    .execute(conn)
    .await?;
    Ok(())
}

/// How many keys of an account are live, and how many there are.
pub(in crate::accounts) async fn count(
    conn: &mut Conn,
    account: &AccountId,
    now_us: i64,
) -> Result<(i64, i64), sqlx::Error> {
    let sql = format!(
        "SELECT CAST(COALESCE(SUM(CASE WHEN {LIVE} THEN 1 ELSE 0 END), 0) AS BIGINT), \
         CAST(COUNT(*) AS BIGINT) FROM api_keys WHERE account_id = $1"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(account.as_str())
        .bind(now_us)
        .fetch_one(conn)
        .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// Forgets keys of an account that ended before `before_us`.
pub(in crate::accounts) async fn forget(
    conn: &mut Conn,
    account: &AccountId,
    before_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM api_keys WHERE account_id = $1 AND ((revoked_us <> 0 AND revoked_us < $2) \
         OR (expires_us <> 0 AND expires_us < $2) OR (retires_us <> 0 AND retires_us < $2))",
    )
    .bind(account.as_str())
    .bind(before_us)
    .execute(conn)
    .await?;
    Ok(())
}

pub(in crate::accounts) async fn live_of_family(
    conn: &mut Conn,
    account: &AccountId,
    family: &str,
    now_us: i64,
) -> Result<i64, sqlx::Error> {
    let sql = format!(
        "SELECT CAST(COUNT(*) AS BIGINT) FROM api_keys \
         WHERE account_id = $1 AND (id = $3 OR family = $3) AND {LIVE}"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(account.as_str())
        .bind(now_us)
        .bind(family)
        .fetch_one(conn)
        .await?;
    row.try_get(0)
}

/// The keys of these ids, their accounts and the hashes of their secrets; unknown ids are left out.
pub(in crate::accounts) async fn with_accounts(
    conn: &mut Conn,
    ids: &[&str],
) -> Result<Vec<(Account, KeyEntry, String)>, sqlx::Error> {
    let mut found = Vec::with_capacity(ids.len());
    for question in questions(ids) {
        let text = format!(
            "SELECT k.id AS key_id, k.name AS key_name, k.scopes, k.created_us AS key_created_us, \
             k.revoked_us, k.expires_us, k.retires_us, k.used_us, k.addresses, k.family, \
             k.secret_hash, a.id, a.name, a.wallet, a.is_operator, a.created_us, a.opened_by \
             FROM api_keys k JOIN accounts a ON a.id = k.account_id WHERE k.id IN {}",
            placeholders(1, question.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(text));
        for id in question {
            query = query.bind(*id);
        }
        for row in query.fetch_all(&mut *conn).await? {
            found.push((account(&row)?, entry(&row)?, row.try_get("secret_hash")?));
        }
    }
    Ok(found)
}

pub(in crate::accounts) async fn list(
    conn: &mut Conn,
    account: &AccountId,
) -> Result<Vec<KeyEntry>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT id AS key_id, name AS key_name, scopes, created_us AS key_created_us, revoked_us, \
         expires_us, retires_us, used_us, addresses, family FROM api_keys \
         WHERE account_id = $1 ORDER BY created_us DESC, id LIMIT 200",
    )
    .bind(account.as_str())
    .fetch_all(conn)
    .await?;
    rows.iter().map(entry).collect()
}

pub(in crate::accounts) async fn revoke(
    conn: &mut Conn,
    id: &str,
    now_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE api_keys SET revoked_us = $1 WHERE id = $2 AND revoked_us = 0")
        .bind(now_us)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

pub(in crate::accounts) async fn retire(
    conn: &mut Conn,
    id: &str,
    at_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE api_keys SET retires_us = $1 WHERE id = $2")
        .bind(at_us)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

pub(in crate::accounts) async fn set_used(
    conn: &mut Conn,
    id: &str,
    used_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE api_keys SET used_us = $1 WHERE id = $2 AND used_us < $1")
        .bind(used_us)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

fn entry(row: &AnyRow) -> Result<KeyEntry, sqlx::Error> {
    let addresses: String = row.try_get("addresses")?;
    let blocks = addresses.split(',').filter(|text| !text.is_empty());
    // A block that cannot be read must not open the key to everywhere.
    let blocks: Result<Vec<_>, _> = blocks.map(str::parse).collect();
    let blocks =
        blocks.map_err(|_| sqlx::Error::Protocol("a key's addresses are broken".into()))?;
    Ok(KeyEntry {
        id: row.try_get("key_id")?,
        rights: KeyRights {
            name: row.try_get("key_name")?,
            scopes: scopes(&row.try_get::<String, _>("scopes")?),
            expires_us: row.try_get("expires_us")?,
            addresses: blocks,
        },
        created_us: row.try_get("key_created_us")?,
        revoked_us: row.try_get("revoked_us")?,
        retires_us: row.try_get("retires_us")?,
        used_us: row.try_get("used_us")?,
        family: row.try_get("family")?,
    })
}

/// A name that this version does not know allows nothing.
fn scopes(text: &str) -> Vec<Scope> {
    text.split(',').filter_map(Scope::parse).collect()
}
