//! HALTED: nothing is proposed or accepted, and rounds that reach their lock are void. Only a
//! person ends it, and only after ledger and chain agree again.

use std::fmt;

use alloy::primitives::keccak256;

use super::{SettlementError, store};
use crate::db::Conn;

/// Why settlement stopped. Shown as its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// Its id.
    pub id: String,
    /// Why.
    pub reason: String,
    /// Since when, market microseconds.
    pub halted_us: i64,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Whether settlement is halted, and why.
///
/// # Errors
/// Database errors.
pub async fn halted(conn: &mut Conn) -> Result<Option<Halt>, SettlementError> {
    store::control::open_halt(conn).await
}

/// Halts settlement; the first reason stays until somebody resumes.
///
/// # Errors
/// Database errors.
pub async fn halt(conn: &mut Conn, now_us: i64, reason: &str) -> Result<(), SettlementError> {
    if halted(conn).await?.is_some() {
        return Ok(());
    }
    let id = keccak256(format!("{now_us} {reason}")).to_string();
    let halt = Halt {
        id,
        reason: reason.to_owned(),
        halted_us: now_us,
    };
    tracing::error!(reason, "settlement is halted");
    store::control::insert_halt(conn, &halt).await
}

/// Goes on, for a reason that is kept. The settler reconciles on while it is halted: only a
/// reconciliation that passed after the halt, the newest of all, lets this pass.
///
/// # Errors
/// [`SettlementError::Differs`].
pub async fn resume(conn: &mut Conn, now_us: i64, reason: &str) -> Result<(), SettlementError> {
    let Some(halt) = store::control::open_halt(conn).await? else {
        return Ok(());
    };
    let latest = store::control::latest_reconciliation(conn).await?;
    match latest {
        Some(latest) if latest.equal && latest.at_us > halt.halted_us => {
            store::control::end_halts(conn, now_us, reason).await
        }
        Some(latest) if !latest.equal => Err(SettlementError::Differs(latest.differs)),
        _ => Err(SettlementError::Differs(String::from(
            "no reconciliation has passed since the halt; is the settler running?",
        ))),
    }
}
