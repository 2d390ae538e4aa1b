//! All SQL of `webhooks` and `webhook_deliveries`.

use domain::AccountId;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::signature::Secret;
use super::{Attempt, Delivery, DeliveryState, Message, Webhook, WebhookError};
use crate::db::Conn;
use crate::events::Filter;

const COLUMNS: &str = "id, account_id, url, tournaments, kinds, created_us, position, failures, \
                       failing_since_us, next_us, disabled_us, reason";
const DELIVERY: &str = "number, message_id, kind, body, state, created_us, attempts, next_us, \
                        attempted_us, took_us, status, answer, error";

/// The row of the account stays locked until the transaction ends.
pub(super) async fn hold_account(conn: &mut Conn, account: &AccountId) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE webhooks SET url = url WHERE account_id = $1")
        .bind(account.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn count(conn: &mut Conn, account: &AccountId) -> Result<i64, sqlx::Error> {
    let row = sqlx::query("SELECT CAST(count(*) AS BIGINT) FROM webhooks WHERE account_id = $1")
        .bind(account.as_str())
        .fetch_one(conn)
        .await?;
    row.try_get(0)
}

pub(super) async fn insert(
    conn: &mut Conn,
    webhook: &Webhook,
    secret: &Secret,
) -> Result<(), sqlx::Error> {
    let tournaments = webhook.filter.tournaments().iter().map(|id| id.as_str());
    let kinds = webhook.filter.kinds().iter().map(|kind| kind.name());
    sqlx::query(
        "INSERT INTO webhooks (id, account_id, url, tournaments, kinds, secret, old_secret,
             old_until_us, created_us, position, last_number, failures, failing_since_us, next_us,
             disabled_us, reason)
         VALUES ($1, $2, $3, $4, $5, $6, '', 0, $7, $8, 0, 0, 0, $9, 0, '')",
    )
    .bind(&webhook.id)
    .bind(webhook.account.as_str())
    .bind(&webhook.url)
    .bind(tournaments.collect::<Vec<_>>().join(","))
    .bind(kinds.collect::<Vec<_>>().join(","))
    .bind(secret.text())
    .bind(webhook.created_us)
    .bind(webhook.position)
    .bind(webhook.next_us)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn get(conn: &mut Conn, id: &str) -> Result<Option<Webhook>, WebhookError> {
    let text = format!("SELECT {COLUMNS} FROM webhooks WHERE id = $1");
    let row = sqlx::query(AssertSqlSafe(text))
        .bind(id)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(webhook).transpose()
}

pub(super) async fn of_account(
    conn: &mut Conn,
    account: &AccountId,
) -> Result<Vec<Webhook>, WebhookError> {
    let text = format!(
        "SELECT {COLUMNS} FROM webhooks WHERE account_id = $1 ORDER BY created_us, id LIMIT 100"
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(account.as_str())
        .fetch_all(conn)
        .await?;
    rows.iter().map(webhook).collect()
}

pub(super) async fn due(
    conn: &mut Conn,
    now_us: i64,
    newest: i64,
) -> Result<Vec<Webhook>, WebhookError> {
    let text = format!(
        "SELECT {COLUMNS} FROM webhooks WHERE disabled_us = 0 AND next_us <= $1
         AND (position < $2 OR EXISTS (
             SELECT 1 FROM webhook_deliveries WHERE webhook_id = webhooks.id
             AND webhook_deliveries.state = 'waiting' AND webhook_deliveries.next_us <= $1))
         ORDER BY next_us, id LIMIT 200"
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(now_us)
        .bind(newest)
        .fetch_all(conn)
        .await?;
    rows.iter().map(webhook).collect()
}

pub(super) async fn delete(conn: &mut Conn, id: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM webhook_deliveries WHERE webhook_id = $1")
        .bind(id)
        .execute(&mut *conn)
        .await?;
    sqlx::query("DELETE FROM webhooks WHERE id = $1")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn set_secret(
    conn: &mut Conn,
    id: &str,
    secret: &Secret,
    old_until_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE webhooks SET old_secret = secret, old_until_us = $1, secret = $2 WHERE id = $3",
    )
    .bind(old_until_us)
    .bind(secret.text())
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn secrets(
    conn: &mut Conn,
    id: &str,
    now_us: i64,
) -> Result<Vec<Secret>, sqlx::Error> {
    let row = sqlx::query("SELECT secret, old_secret, old_until_us FROM webhooks WHERE id = $1")
        .bind(id)
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else {
        return Ok(Vec::new());
    };
    let mut secrets = vec![Secret::from_stored(row.try_get(0)?)];
    let (old, old_until_us): (String, i64) = (row.try_get(1)?, row.try_get(2)?);
    if !old.is_empty() && now_us < old_until_us {
        secrets.push(Secret::from_stored(old));
    }
    Ok(secrets)
}

pub(super) async fn set_position(
    conn: &mut Conn,
    id: &str,
    position: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE webhooks SET position = $1 WHERE id = $2 AND position < $1")
        .bind(position)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Only from the moment that the caller read.
pub(super) async fn set_next(
    conn: &mut Conn,
    webhook: &Webhook,
    next_us: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("UPDATE webhooks SET next_us = $1 WHERE id = $2 AND next_us = $3")
        .bind(next_us)
        .bind(&webhook.id)
        .bind(webhook.next_us)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn set_health(
    conn: &mut Conn,
    id: &str,
    failures: i64,
    failing_since_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE webhooks SET failures = $1, failing_since_us = $2 WHERE id = $3")
        .bind(failures)
        .bind(failing_since_us)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn disable(
    conn: &mut Conn,
    id: &str,
    now_us: i64,
    reason: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE webhooks SET disabled_us = $1, reason = $2 WHERE id = $3")
        .bind(now_us)
        .bind(reason)
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn enable(conn: &mut Conn, id: &str, now_us: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE webhooks SET disabled_us = 0, reason = '', failures = 0, failing_since_us = 0,
             next_us = $1 WHERE id = $2",
    )
    .bind(now_us)
    .bind(id)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE webhook_deliveries SET next_us = $1 WHERE webhook_id = $2 AND state = 'waiting'",
    )
    .bind(now_us)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes `count` numbers of a webhook's messages and gives the last of them.
pub(super) async fn take_numbers(
    conn: &mut Conn,
    id: &str,
    count: i64,
) -> Result<i64, WebhookError> {
    let row = sqlx::query(
        "UPDATE webhooks SET last_number = last_number + $1 WHERE id = $2 RETURNING last_number",
    )
    .bind(count)
    .bind(id)
    .fetch_optional(conn)
    .await?;
    let row = row.ok_or_else(|| WebhookError::Unknown(id.to_owned()))?;
    Ok(row.try_get(0)?)
}

pub(super) async fn insert_delivery(
    conn: &mut Conn,
    webhook: &str,
    number: i64,
    message: &Message,
    now_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO webhook_deliveries (webhook_id, number, message_id, kind, body, state,
             created_us, attempts, next_us, attempted_us, took_us, status, answer, error)
         VALUES ($1, $2, $3, $4, $5, 'waiting', $6, 0, $6, 0, 0, 0, '', '')
         ON CONFLICT DO NOTHING",
    )
    .bind(webhook)
    .bind(number)
    .bind(&message.id)
    .bind(&message.kind)
    .bind(&message.body)
    .bind(now_us)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn set_delivery(
    conn: &mut Conn,
    webhook: &str,
    delivery: &Delivery,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE webhook_deliveries SET state = $1, attempts = $2, next_us = $3, attempted_us = $4,
             took_us = $5, status = $6, answer = $7, error = $8
         WHERE webhook_id = $9 AND number = $10",
    )
    .bind(delivery.state.name())
    .bind(delivery.attempts)
    .bind(delivery.next_us)
    .bind(delivery.attempted_us)
    .bind(delivery.last.took_us)
    .bind(i64::from(delivery.last.status))
    .bind(&delivery.last.answer)
    .bind(&delivery.last.error)
    .bind(webhook)
    .bind(delivery.number)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn waiting_count(conn: &mut Conn, webhook: &str) -> Result<i64, sqlx::Error> {
    let row = sqlx::query(
        "SELECT CAST(count(*) AS BIGINT) FROM webhook_deliveries
         WHERE webhook_id = $1 AND state = 'waiting'",
    )
    .bind(webhook)
    .fetch_one(conn)
    .await?;
    row.try_get(0)
}

pub(super) async fn waiting(
    conn: &mut Conn,
    webhook: &str,
    now_us: i64,
    limit: i64,
) -> Result<Vec<Delivery>, WebhookError> {
    let text = format!(
        "SELECT {DELIVERY} FROM webhook_deliveries
         WHERE webhook_id = $1 AND state = 'waiting' AND next_us <= $2 ORDER BY number LIMIT $3"
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(webhook)
        .bind(now_us)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(delivery).collect()
}

pub(super) async fn deliveries(
    conn: &mut Conn,
    webhook: &str,
    before: i64,
    limit: i64,
) -> Result<Vec<Delivery>, WebhookError> {
    let text = format!(
        "SELECT {DELIVERY} FROM webhook_deliveries WHERE webhook_id = $1 AND number < $2
         ORDER BY number DESC LIMIT $3"
    );
    let rows = sqlx::query(AssertSqlSafe(text))
        .bind(webhook)
        .bind(before)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    rows.iter().map(delivery).collect()
}

pub(super) async fn forget_before(conn: &mut Conn, before_us: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query("DELETE FROM webhook_deliveries WHERE created_us < $1")
        .bind(before_us)
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

fn webhook(row: &AnyRow) -> Result<Webhook, WebhookError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let id = text("id")?;
    let broken = |what: &str| WebhookError::Broken(format!("{what} of {id}"));
    let account: AccountId = text("account_id")?.parse().map_err(|_| broken("account"))?;
    let filter = Filter::parse(
        &text("tournaments")?,
        &text("kinds")?,
        Some(account.clone()),
    )
    .map_err(|_| broken("filter"))?;
    Ok(Webhook {
        account,
        filter,
        url: text("url")?,
        created_us: row.try_get("created_us")?,
        position: row.try_get("position")?,
        failures: row.try_get("failures")?,
        failing_since_us: row.try_get("failing_since_us")?,
        next_us: row.try_get("next_us")?,
        disabled_us: row.try_get("disabled_us")?,
        reason: text("reason")?,
        id,
    })
}

fn delivery(row: &AnyRow) -> Result<Delivery, WebhookError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let number = |column: &str| row.try_get::<i64, _>(column);
    let state = text("state")?;
    let state = DeliveryState::parse(&state).ok_or(WebhookError::Broken(state))?;
    Ok(Delivery {
        number: number("number")?,
        message: Message {
            id: text("message_id")?,
            kind: text("kind")?,
            body: text("body")?,
        },
        state,
        created_us: number("created_us")?,
        attempts: number("attempts")?,
        next_us: number("next_us")?,
        attempted_us: number("attempted_us")?,
        last: Attempt {
            status: u16::try_from(number("status")?).unwrap_or(0),
            took_us: number("took_us")?,
            answer: text("answer")?,
            error: text("error")?,
        },
    })
}
