//! SQL of `idempotency_keys`.

use domain::AccountId;
use sqlx::Row;

use super::super::{IdempotencyKey, Once};
use crate::db::Conn;

/// Whether the key is this request's now: it was free, or what stood under it has expired.
pub(in crate::predictions) async fn claim_key(
    conn: &mut Conn,
    once: &Once,
    expired_us: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO idempotency_keys (account_id, name, request, answer, created_us) \
         VALUES ($1, $2, $3, '', $4) ON CONFLICT (account_id, name) DO UPDATE \
         SET request = excluded.request, answer = '', created_us = excluded.created_us \
         WHERE idempotency_keys.created_us < $5",
    )
    .bind(once.account.as_str())
    .bind(once.key.as_str())
    .bind(&once.request)
    .bind(once.now_us)
    .bind(expired_us)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The hash of the request that has the key, and its answer; empty while it is being done.
pub(in crate::predictions) async fn answer(
    conn: &mut Conn,
    once: &Once,
) -> Result<(String, String), sqlx::Error> {
    let row = sqlx::query(
        "SELECT request, answer FROM idempotency_keys WHERE account_id = $1 AND name = $2",
    )
    .bind(once.account.as_str())
    .bind(once.key.as_str())
    .fetch_one(conn)
    .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

pub(in crate::predictions) async fn set_answer(
    conn: &mut Conn,
    account: &AccountId,
    key: &IdempotencyKey,
    answer: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE idempotency_keys SET answer = $1 WHERE account_id = $2 AND name = $3")
        .bind(answer)
        .bind(account.as_str())
        .bind(key.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// How many answers of an account have not expired.
pub(in crate::predictions) async fn kept_keys(
    conn: &mut Conn,
    account: &AccountId,
    expired_us: i64,
) -> Result<i64, sqlx::Error> {
    let row = sqlx::query(
        "SELECT CAST(count(*) AS BIGINT) FROM idempotency_keys \
         WHERE account_id = $1 AND created_us >= $2",
    )
    .bind(account.as_str())
    .bind(expired_us)
    .fetch_one(conn)
    .await?;
    row.try_get(0)
}

pub(in crate::predictions) async fn forget_key(
    conn: &mut Conn,
    once: &Once,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM idempotency_keys WHERE account_id = $1 AND name = $2")
        .bind(once.account.as_str())
        .bind(once.key.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

pub(in crate::predictions) async fn forget_keys_before(
    conn: &mut Conn,
    before_us: i64,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query("DELETE FROM idempotency_keys WHERE created_us < $1")
        .bind(before_us)
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}
