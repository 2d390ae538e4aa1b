//! The right to settle: one holder at a time, and a number that grows with every change of hands,
//! so that a holder that slept too long cannot write any more.

use super::{SettlementError, store};
use crate::db::Conn;

/// Under this name the right is kept.
const NAME: &str = "settler";

/// The right to settle, as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who.
    pub holder: String,
    /// Grows with every change of hands.
    pub fence: i64,
    /// Until when, wall microseconds.
    pub until_us: i64,
}

/// Takes or renews the lease until `until_us`; `None` while somebody else has it. Wall clock:
/// processes of one installation share it to within far less than a lease.
///
/// # Errors
/// Database errors.
pub async fn take(
    conn: &mut Conn,
    holder: &str,
    now_us: i64,
    until_us: i64,
) -> Result<Option<Lease>, SettlementError> {
    let fence = store::control::take_lease(conn, NAME, holder, now_us, until_us).await?;
    Ok(fence.map(|fence| Lease {
        holder: holder.to_owned(),
        fence,
        until_us,
    }))
}

/// Makes sure, inside a transaction, that the lease is still ours, and keeps it so until the
/// transaction ends. Every transition of settlement begins with this.
///
/// # Errors
/// [`SettlementError::Fenced`].
pub async fn hold(conn: &mut Conn, lease: &Lease) -> Result<(), SettlementError> {
    if store::control::touch_lease(conn, NAME, &lease.holder, lease.fence).await? {
        return Ok(());
    }
    Err(SettlementError::Fenced)
}

/// Gives the lease back, so that the next holder need not wait.
///
/// # Errors
/// Database errors.
pub async fn give_back(conn: &mut Conn, lease: &Lease) -> Result<(), SettlementError> {
    store::control::end_lease(conn, NAME, &lease.holder, lease.fence).await
}
