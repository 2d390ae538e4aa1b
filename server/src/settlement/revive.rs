//! The batch that an event of the vault speaks of. A batch may have been given up although its
//! proposal was mined after all, as when a node that was behind made us believe that it was lost:
//! the event is the truth, so the batch lives again.

use domain::RoundState;

use super::store::batches::Stored;
use super::{BatchState, SettlementError, batch, ending, store};
use crate::chain::B256;
use crate::db::Conn;
use crate::rounds::{self, NOT_DUE};

/// The batch on its way with this place and root.
pub(super) async fn live(
    conn: &mut Conn,
    vault: &str,
    seq: u64,
    root: B256,
) -> Result<Option<Stored>, SettlementError> {
    let live = store::batches::live(conn, vault).await?;
    Ok(live.filter(|live| is_it(live, seq, root)))
}

/// The batch on its way with this place and root, or the one that was given up, revived.
pub(super) async fn live_or_revived(
    conn: &mut Conn,
    vault: &str,
    seq: u64,
    root: B256,
) -> Result<Option<Stored>, SettlementError> {
    let live = store::batches::live(conn, vault).await?;
    if let Some(live) = live.as_ref().filter(|live| is_it(live, seq, root)) {
        return Ok(Some(live.clone()));
    }
    let place = store::batches::final_seq(conn, vault)
        .await?
        .saturating_add(1);
    if i64::try_from(seq) != Ok(place) {
        return Ok(None);
    }
    let given_up = {
        let root = root.to_string();
        store::batches::at(conn, vault, (place, &root), BatchState::Rejected).await?
    };
    let Some(given_up) = given_up else {
        return Ok(None);
    };
    if let Some(other) = live {
        // Its successor is not on the chain: the vault takes one proposal at a time.
        let state = other.batch.state;
        if !matches!(state, BatchState::Planned | BatchState::Proposing) {
            return Ok(None);
        }
        let reason = "an earlier batch of its place was mined after all";
        ending::abandon(conn, &other.batch.id, state, reason).await?;
    }
    revive(conn, given_up).await.map(Some)
}

async fn revive(conn: &mut Conn, given_up: Stored) -> Result<Stored, SettlementError> {
    let id = &given_up.batch.id;
    batch::advance(conn, id, BatchState::Rejected, BatchState::Proposing).await?;
    store::batches::set_reason(conn, id, "").await?;
    for round in &given_up.batch.rounds {
        if rounds::get(conn, round).await?.state == RoundState::Scored {
            let (from, to) = (RoundState::Scored, RoundState::Batched);
            rounds::advance(conn, round, from, to, NOT_DUE).await?;
        }
    }
    tracing::warn!(
        batch = id,
        was = given_up.batch.reason,
        "a batch lives again"
    );
    batch::get(conn, id).await
}

fn is_it(stored: &Stored, seq: u64, root: B256) -> bool {
    u64::try_from(stored.batch.seq) == Ok(seq) && stored.batch.new_root == root.to_string()
}
