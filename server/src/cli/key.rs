//! `foretoken admin key`: API keys by hand.

use clap::Subcommand;
use domain::timestamp::{SECOND_US, rfc3339};
use rand::TryRng;

use super::{DataArgs, Ended, print, refuse};
use crate::accounts::{self, Account, AccountError, KeyEntry, KeyRights, Opening, Scope};
use crate::db::Conn;

/// Days of an end at most.
const LONGEST_DAYS: i64 = 3_650;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make an API key; it is shown once
    Create {
        /// Name of the account; made when it is new
        #[arg(long)]
        account: String,
        /// What the key may do: read, predict, upload, trade, run, admin
        #[arg(long, value_delimiter = ',', default_value = "read,predict,upload")]
        scopes: Vec<String>,
        /// For your lists
        #[arg(long, default_value = "made by hand")]
        name: String,
        /// Days until it ends; it does not end without
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(1..=LONGEST_DAYS))]
        expires_days: Option<i64>,
        /// Addresses and CIDR blocks that it may be used from; everywhere without
        #[arg(long, value_delimiter = ',', value_name = "ADDRESS")]
        addresses: Vec<String>,
        #[command(flatten)]
        data: DataArgs,
    },
    /// List the keys of an account, newest first; secrets are not in it
    List {
        /// Name of the account
        #[arg(long)]
        account: String,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Revoke a key; the next request with it is refused
    Revoke {
        /// Its id: the 12 digits after `ftk_`
        id: String,
        #[command(flatten)]
        data: DataArgs,
    },
}

pub(super) async fn run(now_us: i64, command: KeyCommand) -> anyhow::Result<Ended> {
    match command {
        KeyCommand::Create {
            account,
            scopes,
            name,
            expires_days,
            addresses,
            data,
        } => {
            let days = expires_days.unwrap_or(0);
            let expires_us = if days == 0 {
                0
            } else {
                now_us + days * 86_400 * SECOND_US
            };
            match KeyRights::parse(now_us, &name, &scopes, expires_us, &addresses) {
                Ok(rights) => create(now_us, &account, rights, &data).await,
                Err(error) => Ok(refuse(&error.to_string())),
            }
        }
        KeyCommand::List { account, data } => list(&account, &data).await,
        KeyCommand::Revoke { id, data } => revoke(now_us, &id, &data).await,
    }
}

async fn create(
    now_us: i64,
    name: &str,
    rights: KeyRights,
    data: &DataArgs,
) -> anyhow::Result<Ended> {
    let db = data.open().await?;
    let mut random = [0; 20];
    rand::rngs::SysRng.try_fill_bytes(&mut random)?;
    let mut tx = db.begin().await?;
    let account = match account_of(&mut tx, now_us, name).await {
        Ok(account) => account,
        Err(error @ AccountError::Database(_)) => return Err(error.into()),
        Err(error) => return Ok(refuse(&error.to_string())),
    };
    // Whoever opened it over the API holds its keys, and would hold this one by a rotation.
    if rights.scopes.contains(&Scope::Run) && account.opened_by != Opening::Operator {
        return Ok(refuse(&format!(
            "account {name:?} was opened over the API: runners get keys of an account that you make, name another"
        )));
    }
    match accounts::make_key(&mut tx, now_us, &account.id, rights, random).await {
        Ok(made) => {
            tx.commit().await?;
            print(&made.text)?;
            Ok(Ended::Done)
        }
        Err(error @ AccountError::Database(_)) => Err(error.into()),
        Err(error) => Ok(refuse(&error.to_string())),
    }
}

async fn account_of(conn: &mut Conn, now_us: i64, name: &str) -> Result<Account, AccountError> {
    match accounts::by_name(conn, name).await? {
        Some(account) => Ok(account),
        None => accounts::create(conn, now_us, name, "", false).await,
    }
}

async fn list(name: &str, data: &DataArgs) -> anyhow::Result<Ended> {
    let db = data.open().await?;
    let mut conn = db.read().await?;
    let Some(account) = accounts::by_name(&mut conn, name).await? else {
        return Ok(refuse(&format!("no account is called {name:?}")));
    };
    for key in accounts::keys(&mut conn, &account.id).await? {
        print(&line(&key))?;
    }
    Ok(Ended::Done)
}

/// One key: its id, what it may do, and what became of it.
fn line(key: &KeyEntry) -> String {
    let scopes: Vec<&str> = key.rights.scopes.iter().map(|scope| scope.name()).collect();
    let mut text = format!("{}  {}  {:?}", key.id, scopes.join(","), key.rights.name);
    text.push_str(&format!("  made {}", rfc3339(key.created_us)));
    for (what, us) in [
        ("last used", key.used_us),
        ("ends", key.ends_us()),
        ("revoked", key.revoked_us),
    ] {
        if us != 0 {
            text.push_str(&format!("  {what} {}", rfc3339(us)));
        }
    }
    let addresses: Vec<String> = key
        .rights
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    if !addresses.is_empty() {
        text.push_str(&format!("  from {}", addresses.join(",")));
    }
    text
}

async fn revoke(now_us: i64, id: &str, data: &DataArgs) -> anyhow::Result<Ended> {
    let db = data.open().await?;
    let mut tx = db.begin().await?;
    match accounts::revoke_key(&mut tx, now_us, id).await {
        Ok(()) => {
            tx.commit().await?;
            print(&format!("key {id} is revoked"))?;
            Ok(Ended::Done)
        }
        Err(AccountError::KeyUnknown) => Ok(refuse(
            "no key has this id: it is the 12 digits after `ftk_`, `admin key list` shows them",
        )),
        Err(error) => Err(error.into()),
    }
}
