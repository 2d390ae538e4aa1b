//! R4: the chain re-organises, to another branch of the same height.
//!
//! The follower believes blocks that are final and nothing else. A branch that leaves the chain
//! below its newest final block cannot be rewound: there settlement halts, for a person to look.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use server::{chain, settlement};

use super::check;
use super::flow::Flow;
use super::world::{LIMIT, Plan, Start, World, kill};
use crate::wait;

/// Blocks become final when 40 lie above them: the deepest re-organisation stays above.
const SLOTS: u32 = 20;
const DEEPEST: u64 = 32;
/// Deeper than what is final.
const TOO_DEEP: u64 = 60;

/// So many re-organisations of depth 1 to 32, then one below the newest final block.
///
/// # Errors
/// When the record of the chain does not follow, or an invariant does not hold.
pub async fn run(reorgs: u32) -> anyhow::Result<(bool, Value)> {
    let plan = Plan {
        slots: SLOTS,
        pace: Duration::from_millis(12),
        ..Plan::default()
    };
    World::with("reorg", plan, async |world| {
        through_branches(world, reorgs).await
    })
    .await
}

async fn through_branches(world: &Arc<World>, reorgs: u32) -> anyhow::Result<(bool, Value)> {
    let running = world.settler(Start::default())?;
    let flow = Flow::start(world, 900, 2, 5);
    world
        .until_at_least(
            "the first commitment",
            1,
            "SELECT count(*) FROM intents WHERE state = 'done'",
            LIMIT,
        )
        .await?;
    let (mut done, mut deepest, mut undone) = (0_u32, 0, 0_u64);
    for step in 0..u64::from(reorgs) {
        let depth = 1 + step * (DEEPEST - 1) / u64::from(reorgs.saturating_sub(1)).max(1);
        undone += undo_something(world, depth).await?;
        follows(world)
            .await
            .with_context(|| format!("after depth {depth}"))?;
        done += 1;
        deepest = deepest.max(depth);
        let closed = world.number(CLOSED).await?;
        world
            .until_at_least("settlement to go on", closed + 1, CLOSED, LIMIT)
            .await?;
    }
    let drained = check::drain(world, &flow, LIMIT).await;
    drained.context(check::told(world, &running).await)?;
    let left = check::invariants(world).await?;
    let reason = below_final(world).await?;
    kill(running);
    let is_met = done == reorgs && deepest <= DEEPEST && left.batches > 0;
    Ok((
        is_met,
        json!({
            "reorgs_at_equal_height": done,
            "deepest": deepest,
            "transactions_undone": undone,
            "batches": left.batches,
            "rounds_final": left.rounds,
            "rounds_void": left.voided,
            "batches_rejected": left.rejected,
            "differences_in_wei": 0,
            "below_the_final_block": format!("halted: {reason}"),
        }),
    ))
}

const CLOSED: &str = "SELECT count(*) FROM intents WHERE state NOT IN ('planned', 'sent')";

/// Re-organises at a moment when that undoes a transaction at least.
async fn undo_something(world: &World, depth: u64) -> anyhow::Result<u64> {
    wait::until("a transaction in the newest blocks", LIMIT, async || {
        let _stopped = world.miner.stopped().await;
        let undone = transactions(world, depth).await?;
        if undone > 0 {
            reorganise(world, depth).await?;
        }
        Ok((undone > 0).then_some(undone))
    })
    .await
}

/// Transactions in the newest `depth` blocks.
async fn transactions(world: &World, depth: u64) -> anyhow::Result<u64> {
    let (height, _) = world.node.newest().await?;
    let mut found = 0;
    for number in (height + 1).saturating_sub(depth)..=height {
        let count = world
            .node
            .call(
                "eth_getBlockTransactionCountByNumber",
                json!([format!("{number:#x}")]),
            )
            .await?;
        found += super::node::quantity(&count)?;
    }
    Ok(found)
}

/// Replaces the newest `depth` blocks by empty ones.
async fn reorganise(world: &World, depth: u64) -> anyhow::Result<()> {
    let (height, _) = world.node.newest().await?;
    let before = world.node.hash_at(height).await?;
    world.node.call("anvil_reorg", json!([depth, []])).await?;
    let (after, _) = world.node.newest().await?;
    ensure!(
        after == height,
        "the height was {height}, after {depth} blocks re-organised it is {after}"
    );
    ensure!(
        world.node.hash_at(height).await? != before,
        "the chain did not re-organise"
    );
    Ok(())
}

/// Waits until the newest recorded block is on the chain's present branch.
async fn follows(world: &World) -> anyhow::Result<()> {
    wait::until("the record of the chain to follow", LIMIT, async || {
        let Some(head) = chain::newest_head(&mut *world.db.read().await?).await? else {
            return Ok(None);
        };
        let there = world.node.hash_at(head.number).await.ok();
        Ok((there == Some(head.hash.to_string())).then_some(()))
    })
    .await
}

async fn below_final(world: &World) -> anyhow::Result<String> {
    {
        let _stopped = world.miner.stopped().await;
        reorganise(world, TOO_DEEP).await?;
    }
    let halt = wait::until("a halt", LIMIT, async || {
        Ok(settlement::halted(&mut *world.db.read().await?).await?)
    });
    Ok(halt.await?.reason.chars().take(90).collect())
}
