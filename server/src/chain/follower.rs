//! Records the chain: blocks and our contracts' events, rewound to the common ancestor when the
//! chain re-organised. Only writes rows; slices decide what they mean.

use std::time::Duration;

use alloy::primitives::Address;
use alloy::rpc::types::Log;
use tokio_util::sync::CancellationToken;

use super::event::Event;
use super::rpc::{BlockRef, Chain};
use super::store::{self, StoredBlock};
use super::{ChainError, Deployment, decode};
use crate::db::Db;
use crate::wall::pause;

/// Blocks that may still change are read one by one, at most so many a step.
const STEP_BLOCKS: u64 = 200;
/// Final blocks are read by range, at most so many a step.
const STEP_FINAL_BLOCKS: u64 = 2_000;
/// Final blocks kept behind the newest final one.
const KEPT_BLOCKS: u64 = 1_000;

/// What one step found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// New blocks.
    pub blocks: usize,
    /// New events.
    pub events: usize,
    /// The chain re-organised under us.
    pub rewound: bool,
    /// Nothing is left to read for now.
    pub caught_up: bool,
}

/// Follows until `stop`, looking every `poll`. Errors of the node are logged and tried again.
///
/// # Errors
/// [`ChainError::DoesNotFit`] when a stored final block is not on this chain.
pub async fn follow(
    db: Db,
    chain: Chain,
    deployment: Deployment,
    poll: Duration,
    stop: CancellationToken,
) -> Result<(), ChainError> {
    loop {
        let caught_up = match step(&db, &chain, &deployment).await {
            Ok(progress) => progress.caught_up,
            Err(error @ ChainError::DoesNotFit(_)) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the chain could not be followed");
                true
            }
        };
        let wait = if caught_up { poll } else { Duration::ZERO };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = pause(wait) => {}
        }
    }
}

struct Found {
    blocks: Vec<BlockRef>,
    events: Vec<Event>,
    caught_up: bool,
}

/// One look at the chain. What is new is stored in one transaction, or not at all; several
/// followers may run, one of them stores.
///
/// # Errors
/// [`ChainError::Rpc`], [`ChainError::DoesNotFit`], database errors.
pub async fn step(db: &Db, chain: &Chain, deployment: &Deployment) -> Result<Progress, ChainError> {
    let (tip, known_final) = {
        let mut conn = db.read().await?;
        (
            store::tip(&mut conn).await?,
            store::newest_final(&mut conn).await?,
        )
    };
    let latest = chain.latest().await?;
    let final_block = chain.finalized().await?;
    let final_number = final_block
        .map_or(0, |block| block.number)
        .min(latest.number);
    let unchanged = tip.is_some_and(|tip| tip.hash == latest.hash)
        && known_final.is_some_and(|known| known.number >= final_number);
    if unchanged {
        return Ok(Progress {
            caught_up: true,
            ..Progress::default()
        });
    }
    let base = match tip {
        Some(tip) if latest.parent_hash == tip.hash || latest.hash == tip.hash => Some(tip),
        Some(tip) => Some(common_ancestor(db, chain, tip).await?),
        None => None,
    };
    let next = base.map_or(deployment.deployed_block, |base| {
        base.number.saturating_add(1)
    });
    let found = if next <= final_number {
        read_final(chain, deployment, next, final_number).await?
    } else {
        read_unfinal(chain, deployment, base, next, latest).await?
    };
    store_found(db, tip, base, &found, final_number).await
}

/// The newest stored block that is on the chain.
async fn common_ancestor(
    db: &Db,
    chain: &Chain,
    tip: StoredBlock,
) -> Result<StoredBlock, ChainError> {
    let mut block = tip;
    loop {
        let there = chain.at(block.number).await?;
        if there.is_some_and(|there| there.hash == block.hash) {
            return Ok(block);
        }
        if block.is_final {
            return Err(ChainError::DoesNotFit(format!(
                "block {} was final with hash {}, but this chain has another there",
                block.number, block.hash
            )));
        }
        let mut conn = db.read().await?;
        block = store::below(&mut conn, block.number)
            .await?
            .ok_or_else(|| {
                ChainError::DoesNotFit(format!("no block up to {} is on this chain", tip.number))
            })?;
    }
}

/// Final blocks cannot change: one request for all their events, and the last of them as a row.
async fn read_final(
    chain: &Chain,
    deployment: &Deployment,
    next: u64,
    final_number: u64,
) -> Result<Found, ChainError> {
    let last = final_number.min(next.saturating_add(STEP_FINAL_BLOCKS).saturating_sub(1));
    let logs = chain.logs(&deployment.contracts(), next, last).await?;
    let mut events = Vec::new();
    let mut held: Option<BlockRef> = None;
    for log in &logs {
        let number = log.block_number.ok_or(ChainError::Answer("eth_getLogs"))?;
        let block = match held {
            Some(block) if block.number == number => block,
            _ => chain.at(number).await?.ok_or(ChainError::NoBlock(number))?,
        };
        held = Some(block);
        events.extend(event(log, &block)?);
    }
    let end = chain.at(last).await?.ok_or(ChainError::NoBlock(last))?;
    Ok(Found {
        blocks: vec![end],
        events,
        caught_up: false,
    })
}

/// Blocks that may still change, each tied to the one before by its parent's hash.
async fn read_unfinal(
    chain: &Chain,
    deployment: &Deployment,
    base: Option<StoredBlock>,
    next: u64,
    latest: BlockRef,
) -> Result<Found, ChainError> {
    let contracts = deployment.contracts();
    let mut found = Found {
        blocks: Vec::new(),
        events: Vec::new(),
        caught_up: true,
    };
    let mut parent = base.map(|base| base.hash);
    for number in next..=latest.number {
        if number >= next.saturating_add(STEP_BLOCKS) {
            found.caught_up = false;
            break;
        }
        let block = if number == latest.number {
            Some(latest)
        } else {
            chain.at(number).await?
        };
        let Some(block) = block else { break };
        if parent.is_some_and(|parent| parent != block.parent_hash) {
            // It re-organised while we read; the next step starts from the common ancestor.
            found.caught_up = false;
            break;
        }
        for log in chain.logs_of(&contracts, block.hash).await? {
            found.events.extend(event(&log, &block)?);
        }
        parent = Some(block.hash);
        found.blocks.push(block);
    }
    Ok(found)
}

fn event(log: &Log, block: &BlockRef) -> Result<Option<Event>, ChainError> {
    let incomplete = || ChainError::Answer("eth_getLogs");
    if log.block_hash != Some(block.hash) {
        return Err(incomplete());
    }
    let address: Address = log.inner.address;
    let Some(said) = decode::said(&log.inner) else {
        return Ok(None);
    };
    Ok(Some(Event {
        block_hash: block.hash.to_string(),
        log_index: log
            .log_index
            .and_then(|index| i64::try_from(index).ok())
            .ok_or_else(incomplete)?,
        block_number: i64::try_from(block.number).map_err(|_| incomplete())?,
        block_time_s: i64::try_from(block.time_s).map_err(|_| incomplete())?,
        tx_hash: log.transaction_hash.ok_or_else(incomplete)?.to_string(),
        address,
        is_final: false,
        said,
    }))
}

async fn store_found(
    db: &Db,
    tip: Option<StoredBlock>,
    base: Option<StoredBlock>,
    found: &Found,
    final_number: u64,
) -> Result<Progress, ChainError> {
    let mut tx = db.begin().await?;
    let elsewhere = Ok(Progress {
        caught_up: true,
        ..Progress::default()
    });
    if store::tip(&mut tx).await?.map(|now| now.hash) != tip.map(|tip| tip.hash) {
        return elsewhere;
    }
    let rewound = base.map(|base| base.number) != tip.map(|tip| tip.number);
    if let (true, Some(base)) = (rewound, base) {
        store::rewind_above(&mut tx, base.number).await?;
    }
    for block in &found.blocks {
        if !store::insert_block(&mut tx, block).await? {
            return elsewhere;
        }
    }
    for event in &found.events {
        store::insert_event(&mut tx, event).await?;
    }
    let newest = found
        .blocks
        .last()
        .map(|block| block.number)
        .or(base.map(|base| base.number));
    let final_here = final_number.min(newest.unwrap_or(0));
    store::mark_final(&mut tx, final_here).await?;
    if final_here.is_multiple_of(100) {
        store::prune_below(&mut tx, final_here.saturating_sub(KEPT_BLOCKS)).await?;
    }
    tx.commit().await?;
    Ok(Progress {
        blocks: found.blocks.len(),
        events: found.events.len(),
        rewound,
        caught_up: found.caught_up,
    })
}
