//! SQL of `intents` and `attempts`.

use alloy::primitives::{Address, Bytes};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::super::intent::{Action, Attempt, Intent, IntentState};
use super::super::{SettlementError, broken};
use super::{from_wide, hash, wide};
use crate::chain::Fees;
use crate::db::Conn;

pub(super) const INTENT: &str = "SELECT id, signer, action, subject, recipient, calldata, useless_from_us, \
                      state, nonce, mined_tx, created_us, failures, last_error, next_try_us, \
                      gas_used, closed_us FROM intents ";

pub(super) fn intent(row: &AnyRow) -> Result<Intent, SettlementError> {
    let text = |name: &str| -> Result<String, SettlementError> { Ok(row.try_get(name)?) };
    let address = |name: &str| -> Result<Address, SettlementError> {
        let stored = text(name)?;
        stored
            .parse()
            .map_err(|_| broken(format!("{stored:?} is no stored address")))
    };
    let nonce: i64 = row.try_get("nonce")?;
    let (action, state) = (text("action")?, text("state")?);
    Ok(Intent {
        id: text("id")?,
        signer: address("signer")?,
        action: Action::parse(&action).ok_or_else(|| broken(format!("action {action}")))?,
        subject: text("subject")?,
        recipient: address("recipient")?,
        calldata: bytes(&text("calldata")?)?,
        useless_from_us: row.try_get("useless_from_us")?,
        state: IntentState::parse(&state).ok_or_else(|| broken(format!("state {state}")))?,
        nonce: u64::try_from(nonce).ok(),
        mined_tx: text("mined_tx")?,
        created_us: row.try_get("created_us")?,
        failures: row.try_get("failures")?,
        last_error: text("last_error")?,
        next_try_us: row.try_get("next_try_us")?,
    })
}

fn bytes(stored: &str) -> Result<Bytes, SettlementError> {
    hex::decode(stored)
        .map(Bytes::from)
        .map_err(|error| broken(error.to_string()))
}

/// Whether it is new: an intent of the same id was planned before.
pub(in super::super) async fn insert(
    conn: &mut Conn,
    intent: &Intent,
) -> Result<bool, SettlementError> {
    let done = sqlx::query(
        "INSERT INTO intents (id, signer, action, subject, recipient, calldata, useless_from_us, \
         state, nonce, mined_tx, gas_used, created_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, -1, '', 0, $9) ON CONFLICT (id) DO NOTHING",
    )
    .bind(&intent.id)
    .bind(intent.signer.to_string())
    .bind(intent.action.name())
    .bind(&intent.subject)
    .bind(intent.recipient.to_string())
    .bind(hex::encode(&intent.calldata))
    .bind(intent.useless_from_us)
    .bind(intent.state.name())
    .bind(intent.created_us)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Intents whose fate is not known: those with a nonce first, in its order.
pub(in super::super) async fn open(conn: &mut Conn) -> Result<Vec<Intent>, SettlementError> {
    let sql = AssertSqlSafe(format!(
        "{INTENT} WHERE state IN ('planned', 'sent') ORDER BY state DESC, nonce, created_us LIMIT 500"
    ));
    let rows = sqlx::query(sql).fetch_all(conn).await?;
    rows.iter().map(intent).collect()
}

pub(in super::super) async fn get(
    conn: &mut Conn,
    id: &str,
) -> Result<Option<Intent>, SettlementError> {
    let sql = AssertSqlSafe(format!("{INTENT} WHERE id = $1"));
    let row = sqlx::query(sql).bind(id).fetch_optional(conn).await?;
    row.as_ref().map(intent).transpose()
}

/// How many acceptances of a batch were planned.
pub(in super::super) async fn accepts_of(
    conn: &mut Conn,
    batch: &str,
) -> Result<i64, SettlementError> {
    let row = sqlx::query(
        "SELECT COUNT(*) FROM intents WHERE action = $1 AND (subject = $2 OR subject LIKE $3)",
    )
    .bind(Action::Accept.name())
    .bind(batch)
    .bind(format!("{batch}#%"))
    .fetch_one(conn)
    .await?;
    Ok(row.try_get(0)?)
}

pub(in super::super) async fn set_sent(
    conn: &mut Conn,
    id: &str,
    nonce: i64,
) -> Result<bool, SettlementError> {
    let done = sqlx::query(
        "UPDATE intents SET state = 'sent', nonce = $1 WHERE id = $2 AND state = 'planned'",
    )
    .bind(nonce)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes a refusal of an intent that has no attempt.
pub(in super::super) async fn set_refused(
    conn: &mut Conn,
    id: &str,
    error: &str,
    next_try_us: i64,
) -> Result<bool, SettlementError> {
    let done = sqlx::query(
        "UPDATE intents SET failures = failures + 1, last_error = $1, next_try_us = $2 \
         WHERE id = $3 AND state = 'planned'",
    )
    .bind(error)
    .bind(next_try_us)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Closes an intent that is still in the state that was seen. `by` is the transaction that decided
/// it, empty for none, and the gas that it used.
pub(in super::super) async fn close(
    conn: &mut Conn,
    intent: &Intent,
    to: IntentState,
    (mined_tx, gas_used): (&str, i64),
    wall_us: i64,
) -> Result<bool, SettlementError> {
    let done = sqlx::query(
        "UPDATE intents SET state = $1, mined_tx = $2, gas_used = $3, closed_us = $4 \
         WHERE id = $5 AND state = $6",
    )
    .bind(to.name())
    .bind(mined_tx)
    .bind(gas_used)
    .bind(wall_us)
    .bind(&intent.id)
    .bind(intent.state.name())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether this number of attempt is new.
pub(in super::super) async fn insert_attempt(
    conn: &mut Conn,
    intent: &Intent,
    attempt: &Attempt,
) -> Result<bool, SettlementError> {
    let stored = |number: u64| {
        i64::try_from(number).map_err(|_| broken(format!("{number} does not fit a column")))
    };
    let done = sqlx::query(
        "INSERT INTO attempts (intent_id, number, signer, nonce, is_cancel, gas_limit, max_fee, \
         tip, raw, tx_hash, created_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (intent_id, number) DO NOTHING",
    )
    .bind(&intent.id)
    .bind(attempt.number)
    .bind(intent.signer.to_string())
    .bind(stored(attempt.nonce)?)
    .bind(i64::from(attempt.is_cancel))
    .bind(stored(attempt.gas_limit)?)
    .bind(wide(attempt.fees.max))
    .bind(wide(attempt.fees.tip))
    .bind(hex::encode(&attempt.raw))
    .bind(attempt.tx_hash.to_string())
    .bind(attempt.created_us)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(in super::super) async fn attempts(
    conn: &mut Conn,
    id: &str,
) -> Result<Vec<Attempt>, SettlementError> {
    let rows = sqlx::query(
        "SELECT number, nonce, is_cancel, gas_limit, max_fee, tip, raw, tx_hash, created_us \
         FROM attempts WHERE intent_id = $1 ORDER BY number",
    )
    .bind(id)
    .fetch_all(conn)
    .await?;
    rows.iter().map(attempt).collect()
}

fn attempt(row: &AnyRow) -> Result<Attempt, SettlementError> {
    let text = |name: &str| -> Result<String, SettlementError> { Ok(row.try_get(name)?) };
    let whole = |name: &str| -> Result<u64, SettlementError> {
        let stored: i64 = row.try_get(name)?;
        u64::try_from(stored).map_err(|_| broken(format!("{name} is {stored}")))
    };
    Ok(Attempt {
        number: row.try_get("number")?,
        nonce: whole("nonce")?,
        is_cancel: row.try_get::<i64, _>("is_cancel")? == 1,
        gas_limit: whole("gas_limit")?,
        fees: Fees {
            max: from_wide(&text("max_fee")?)?,
            tip: from_wide(&text("tip")?)?,
        },
        raw: bytes(&text("raw")?)?.to_vec(),
        tx_hash: hash(&text("tx_hash")?)?,
        created_us: row.try_get("created_us")?,
    })
}
