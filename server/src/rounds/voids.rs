//! Why rounds are void, in few words: the reasons themselves name moments and prices, and a metric
//! wants few values. Must never decide anything.

use super::{RoundError, store};
use crate::db::Conn;

/// How the reason begins, and the cause.
pub(super) const CAUSES: [(&str, &str); 12] = [
    ("quorum", "quorum"),
    ("disagreement", "disagreement"),
    ("dead band", "dead_band"),
    ("nobody predicted", "no_prediction"),
    ("our clock", "clock"),
    ("the lock came after T", "late_lock"),
    ("settlement is halted", "halted"),
    ("our view of the chain", "chain_view"),
    ("the commitment was not mined", "not_committed"),
    ("it was not scored", "not_settled"),
    ("no batch was proposed", "not_settled"),
    ("not proposed before", "not_settled"),
];
/// Every other one.
pub(super) const OTHER: &str = "other";

/// How many rounds are void of each cause, also of those that have none.
///
/// # Errors
/// Database errors.
pub async fn void_counts(conn: &mut Conn) -> Result<Vec<(&'static str, i64)>, RoundError> {
    let stored = store::void_counts(conn).await?;
    let mut causes: Vec<&str> = CAUSES.iter().map(|(_, cause)| *cause).collect();
    causes.push(OTHER);
    causes.dedup();
    let count = |cause: &str| {
        let own = stored.iter().filter(|(name, _)| name == cause);
        own.map(|(_, count)| count).sum()
    };
    Ok(causes
        .into_iter()
        .map(|cause| (cause, count(cause)))
        .collect())
}
