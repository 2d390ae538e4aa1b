//! SQL of `session_keys` and `request_nonces`.

use domain::AccountId;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::accounts::SessionKey;
use crate::db::Conn;

/// Whether the nonce is new for this wallet. Nonces that no request can use any more are forgotten.
pub(in crate::accounts) async fn spend_nonce(
    conn: &mut Conn,
    now_us: i64,
    wallet: &str,
    nonce: &str,
    until_us: i64,
) -> Result<bool, sqlx::Error> {
    sqlx::query("DELETE FROM request_nonces WHERE until_us < $1")
        .bind(now_us)
        .execute(&mut *conn)
        .await?;
    let done = sqlx::query(
        "INSERT INTO request_nonces (wallet, nonce, until_us) VALUES ($1, $2, $3) \
         ON CONFLICT DO NOTHING",
    )
    .bind(wallet)
    .bind(nonce)
    .bind(until_us)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Stores a session key in the place of an earlier one of its address, and forgets those of the
/// account that ended.
pub(in crate::accounts) async fn put_session(
    conn: &mut Conn,
    account: &AccountId,
    session: &SessionKey,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM session_keys WHERE account_id = $1 \
         AND (address = $2 OR revoked_us <> 0 OR expires_us <= $3)",
    )
    .bind(account.as_str())
    .bind(&session.address)
    .bind(session.created_us)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO session_keys (account_id, address, expires_us, created_us, revoked_us) \
         VALUES ($1, $2, $3, $4, 0)",
    )
    .bind(account.as_str())
    .bind(&session.address)
    .bind(session.expires_us)
    .bind(session.created_us)
    .execute(conn)
    .await?;
    Ok(())
}

/// The live session keys of an account, oldest first.
pub(in crate::accounts) async fn sessions(
    conn: &mut Conn,
    account: &AccountId,
    now_us: i64,
) -> Result<Vec<SessionKey>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT address, expires_us, created_us FROM session_keys \
         WHERE account_id = $1 AND revoked_us = 0 AND expires_us > $2 \
         ORDER BY created_us, address",
    )
    .bind(account.as_str())
    .bind(now_us)
    .fetch_all(conn)
    .await?;
    rows.iter().map(session).collect()
}

pub(in crate::accounts) async fn is_session(
    conn: &mut Conn,
    account: &AccountId,
    address: &str,
    now_us: i64,
) -> Result<bool, sqlx::Error> {
    let row = sqlx::query(
        "SELECT address FROM session_keys \
         WHERE account_id = $1 AND address = $2 AND revoked_us = 0 AND expires_us > $3",
    )
    .bind(account.as_str())
    .bind(address)
    .bind(now_us)
    .fetch_optional(conn)
    .await?;
    Ok(row.is_some())
}

/// Whether there was a live one.
pub(in crate::accounts) async fn revoke_session(
    conn: &mut Conn,
    account: &AccountId,
    address: &str,
    now_us: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE session_keys SET revoked_us = $1 \
         WHERE account_id = $2 AND address = $3 AND revoked_us = 0 AND expires_us > $1",
    )
    .bind(now_us)
    .bind(account.as_str())
    .bind(address)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

fn session(row: &AnyRow) -> Result<SessionKey, sqlx::Error> {
    Ok(SessionKey {
        address: row.try_get("address")?,
        expires_us: row.try_get("expires_us")?,
        created_us: row.try_get("created_us")?,
    })
}
