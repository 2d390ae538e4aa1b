//! What bounds a model's next stake, and what rounds hold of it now.

use domain::{ModelId, RoundId, StakeRule, TokenAmount};

use super::{Stake, StakeError, free, store};
use crate::db::Conn;

/// What a round that locked now would take of a stake (protocol.md §2). The round's own cap, which
/// divides what all models ask for, is known at the lock only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// What is risked when a prediction names no amount.
    pub default_limit: TokenAmount,
    /// Most of it.
    pub cap: TokenAmount,
    /// The least of free, named (else the default limit) and the cap; 0 under the minimum.
    pub would_risk: TokenAmount,
}

/// What one round holds of a model's stake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The round.
    pub round: RoundId,
    /// w: what it took at the lock.
    pub at_risk: TokenAmount,
    /// What it still holds: all until it is scored, then only the loss.
    pub reserved: TokenAmount,
}

/// The limits of a stake under a tournament's rule, for a prediction that names `named` or nothing.
///
/// # Errors
/// [`StakeError::Broken`].
pub fn limits(
    stake: &Stake,
    named: Option<TokenAmount>,
    rule: &StakeRule,
) -> Result<Limits, StakeError> {
    Ok(Limits {
        default_limit: free::share_floor(stake.free, rule.default_limit_ppm)?,
        cap: free::share_floor(stake.free, rule.default_cap_ppm)?,
        would_risk: free::ask_floor(stake.free, named, rule)?,
    })
}

/// The rounds that hold something of a model's stake, newest first, at most `limit`.
///
/// # Errors
/// Database errors and broken rows.
pub async fn reservations(
    conn: &mut Conn,
    model: &ModelId,
    limit: i64,
) -> Result<Vec<Reservation>, StakeError> {
    store::reservations(conn, model, limit).await
}
