//! All SQL of `ledger_entries`, `ledger_postings` and `ledger_balances`. No statement here changes
//! or deletes an entry or a posting.

use domain::timestamp::SECOND_US;
use sqlx::{AssertSqlSafe, Row};

use super::{Account, AccountKind, LedgerError, Total, VaultBalances};
use crate::chain::Event;
use crate::db::{Conn, placeholders};

/// Rows of one multi-row insert.
const CHUNK: usize = 400;

/// Whether the event had no entry yet.
pub(super) async fn insert_entry(conn: &mut Conn, event: &Event) -> Result<bool, LedgerError> {
    let done = sqlx::query(
        "INSERT INTO ledger_entries (block_hash, log_index, block_number, at_us, vault, kind) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (block_hash, log_index) DO NOTHING",
    )
    .bind(&event.block_hash)
    .bind(event.log_index)
    .bind(event.block_number)
    .bind(event.block_time_s.saturating_mul(SECOND_US))
    .bind(event.address.to_string())
    .bind(event.said.name())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn insert_postings(
    conn: &mut Conn,
    event: &Event,
    postings: &[(Account, i64)],
) -> Result<(), LedgerError> {
    for chunk in postings.chunks(CHUNK) {
        let sql = format!(
            "INSERT INTO ledger_postings (block_hash, log_index, account, amount) VALUES {}",
            placeholders(chunk.len(), 4)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (account, units) in chunk {
            query = query
                .bind(event.block_hash.clone())
                .bind(event.log_index)
                .bind(account.to_string())
                .bind(*units);
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

pub(super) async fn add_to_balances(
    conn: &mut Conn,
    postings: &[(Account, i64)],
) -> Result<(), LedgerError> {
    for chunk in postings.chunks(CHUNK) {
        let sql = format!(
            "INSERT INTO ledger_balances (account, kind, vault, model_index, balance) VALUES {} \
             ON CONFLICT (account) DO UPDATE \
             SET balance = ledger_balances.balance + excluded.balance",
            placeholders(chunk.len(), 5)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (account, units) in chunk {
            query = query
                .bind(account.to_string())
                .bind(account.kind().name())
                .bind(account.vault().to_owned())
                .bind(account.model_index())
                .bind(*units);
        }
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

pub(super) async fn balance(conn: &mut Conn, account: &Account) -> Result<i64, LedgerError> {
    let row = sqlx::query("SELECT balance FROM ledger_balances WHERE account = $1")
        .bind(account.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
}

pub(super) async fn of_vault(conn: &mut Conn, vault: &str) -> Result<VaultBalances, LedgerError> {
    let rows = sqlx::query(
        "SELECT kind, model_index, balance FROM ledger_balances WHERE vault = $1 AND kind <> 'burned'",
    )
    .bind(vault)
    .fetch_all(conn)
    .await?;
    let mut of = VaultBalances::default();
    for row in rows {
        let (kind, balance): (String, i64) = (row.try_get("kind")?, row.try_get("balance")?);
        match kind.as_str() {
            "pool" => of.pool = balance,
            "bond" => of.bond = balance,
            _ => {
                let index: i64 = row.try_get("model_index")?;
                let index = u32::try_from(index)
                    .map_err(|_| LedgerError::Broken(format!("index {index}")))?;
                of.models.insert(index, balance);
            }
        }
    }
    Ok(of)
}

pub(super) async fn totals(conn: &mut Conn) -> Result<Vec<Total>, LedgerError> {
    let rows = sqlx::query(
        "SELECT kind, COUNT(*) AS accounts, CAST(SUM(balance) AS BIGINT) AS balance \
         FROM ledger_balances GROUP BY kind",
    )
    .fetch_all(conn)
    .await?;
    let mut totals = Vec::with_capacity(AccountKind::ALL.len());
    for kind in AccountKind::ALL {
        let mut total = Total {
            kind,
            accounts: 0,
            balance: 0,
        };
        for row in &rows {
            if row.try_get::<String, _>("kind")? == kind.name() {
                total.accounts = row.try_get("accounts")?;
                total.balance = row.try_get("balance")?;
            }
        }
        totals.push(total);
    }
    Ok(totals)
}

pub(super) async fn unbalanced(conn: &mut Conn) -> Result<Vec<String>, LedgerError> {
    let rows = sqlx::query(
        "SELECT block_hash, log_index, CAST(SUM(amount) AS BIGINT) AS total FROM ledger_postings \
         GROUP BY block_hash, log_index HAVING SUM(amount) <> 0 LIMIT 3",
    )
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let (block, total): (String, i64) = (row.try_get(0)?, row.try_get(2)?);
            let log: i64 = row.try_get(1)?;
            Ok(format!(
                "the ledger's entry of block {block}, log {log} sums to {total} units"
            ))
        })
        .collect()
}

/// One statement, so that sums and balances are of one moment.
pub(super) async fn differing_balances(conn: &mut Conn) -> Result<Vec<String>, LedgerError> {
    let rows = sqlx::query(
        "SELECT ledger_balances.account, balance, COALESCE(total, 0) AS posted FROM ledger_balances \
         LEFT JOIN (SELECT account, CAST(SUM(amount) AS BIGINT) AS total FROM ledger_postings \
         GROUP BY account) AS sums ON sums.account = ledger_balances.account \
         WHERE balance <> COALESCE(total, 0) ORDER BY ledger_balances.account LIMIT 3",
    )
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let (account, balance): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            let posted: i64 = row.try_get(2)?;
            Ok(format!(
                "account {account} stands at {balance} units, its postings sum to {posted}"
            ))
        })
        .collect()
}

pub(super) async fn without_balance(conn: &mut Conn) -> Result<Vec<String>, LedgerError> {
    let rows = sqlx::query(
        "SELECT DISTINCT account FROM ledger_postings WHERE NOT EXISTS (SELECT 1 \
         FROM ledger_balances WHERE ledger_balances.account = ledger_postings.account) LIMIT 3",
    )
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let account: String = row.try_get(0)?;
            Ok(format!("account {account} has postings, but no balance"))
        })
        .collect()
}
