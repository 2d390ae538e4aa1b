//! R2: the node's answers are lost, late, wrong or old. R3: what is sent does not get mined.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::check::{self, Left};
use super::flow::Flow;
use super::proxy::Proxy;
use super::world::{LIMIT, Plan, Start, World, kill};
use crate::process::Running;
use crate::wait;

/// So many of a hundred requests meet a fault.
const PERCENT: u64 = 12;
const FINAL: &str = "SELECT count(*) FROM batches WHERE state = 'final'";
/// What the settler never offers more than, wei per gas.
const CAP: u64 = 500_000_000_000;

/// R2 in as many worlds at once as `lanes` says.
///
/// # Errors
/// What went wrong in the first world that failed.
pub async fn run(batches: u32, lanes: u32) -> anyhow::Result<(bool, Value)> {
    let lanes = lanes.clamp(1, batches.max(1));
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..lanes {
        let share = i64::from(batches.div_ceil(lanes));
        tasks.spawn_local(async move {
            let name = format!("rpc-{lane}");
            World::with(&name, Plan::default(), async |world| {
                through_faults(world, lane, share).await
            })
            .await
        });
    }
    let mut faults = std::collections::BTreeMap::new();
    let mut left = Left::default();
    while let Some(done) = tasks.join_next().await {
        let (one, counts) = done.context("a world of R2 panicked")??;
        for (what, count) in counts {
            *faults.entry(what).or_insert(0_u64) += count;
        }
        left.add(&one);
    }
    let is_met = left.batches >= u64::from(batches);
    let counts = json!({
        "batches": left.batches,
        "rounds_final": left.rounds,
        "rounds_void": left.voided,
        "batches_rejected": left.rejected,
        "replacements": left.replacements,
        "second_effects": 0,
        "faults": faults,
    });
    Ok((is_met, counts))
}

type Counts = std::collections::BTreeMap<&'static str, u64>;

async fn through_faults(
    world: &Arc<World>,
    lane: u32,
    batches: i64,
) -> anyhow::Result<(Left, Counts)> {
    let seed = 1_000 + u64::from(lane);
    let proxy = Proxy::start(world.node.clone(), PERCENT, seed, world.stop.clone()).await?;
    // The settler's first question is not tried again: it asks for the chain's id and ends.
    let running = started(world, proxy.url()).await?;
    let flow = Flow::start(world, 400, 1, seed);
    let limit = Duration::from_secs(60 + 6 * u64::try_from(batches)?);
    let reached = world
        .until_at_least("batches through a faulty node", batches, FINAL, limit)
        .await;
    reached.context(check::told(world, &running).await)?;
    let drained = check::drain(world, &flow, LIMIT).await;
    drained.context(check::told(world, &running).await)?;
    kill(running);
    Ok((check::invariants(world).await?, proxy.counts()))
}

/// A settler that has got past its start.
async fn started(world: &World, rpc: &str) -> anyhow::Result<Running> {
    for _ in 0..20 {
        let running = world.settler(Start {
            rpc: Some(rpc),
            ..Start::default()
        })?;
        let taken = wait::until("the lease or the end", LIMIT, async || {
            let held = world.number("SELECT count(*) FROM leases").await? > 0;
            Ok((held || running.ended().is_some()).then_some(held))
        });
        if taken.await? && running.ended().is_none() {
            return Ok(running);
        }
    }
    anyhow::bail!("the settler did not start in twenty tries")
}

/// R3: dropped, stuck below the base fee, and stuck above the cap for a while.
///
/// # Errors
/// When something is not settled, or a rule of replacements is broken.
pub async fn stuck(rounds: u32) -> anyhow::Result<(bool, Value)> {
    World::with("stuck", Plan::default(), async |world| {
        stuck_in(world, rounds).await
    })
    .await
}

const WAITING: &str = "SELECT a.tx_hash FROM attempts a JOIN intents i ON i.id = a.intent_id \
                       WHERE i.state = 'sent' ORDER BY a.created_us DESC, a.number DESC";

async fn stuck_in(world: &Arc<World>, rounds: u32) -> anyhow::Result<(bool, Value)> {
    let proxy = Proxy::start(world.node.clone(), 0, 1, world.stop.clone()).await?;
    let running = world.settler(Start {
        rpc: Some(proxy.url()),
        ..Start::default()
    })?;
    let flow = Flow::start(world, 900, 2, 3);
    world
        .until_at_least("the first batch", 1, FINAL, LIMIT)
        .await?;
    let done = trouble(world, rounds).await;
    let told = check::told(world, &running).await;
    let (dropped, raised, above_cap) = done.context(told)?;
    let drained = check::drain(world, &flow, LIMIT).await;
    drained.context(check::told(world, &running).await)?;
    kill(running);
    let left = check::invariants(world).await?;
    let over = world.texts("SELECT max_fee FROM attempts").await?;
    let over = over
        .iter()
        .filter(|fee| fee.parse::<u128>().is_ok_and(|fee| fee > u128::from(CAP)))
        .count();
    ensure!(over == 0, "{over} attempts offer more than the cap");
    let counts = proxy.counts();
    let refused = counts.get("refused_underpriced").copied().unwrap_or(0);
    ensure!(
        refused == 0,
        "{refused} replacements offered less than a tenth more"
    );
    let is_met = raised > 0 && dropped > 0 && above_cap > 0 && left.batches > 0;
    Ok((
        is_met,
        json!({
            "dropped_and_offered_again": dropped,
            "stuck_and_raised": raised,
            "times_above_the_cap": above_cap,
            "replacements_taken": counts.get("replacements_taken").copied().unwrap_or(0),
            "underpriced": refused,
            "above_cap": over,
            "batches": left.batches,
            "rounds_final": left.rounds,
            "rounds_void": left.voided,
        }),
    ))
}

/// Waits until the node has the transaction again, by the same bytes or a dearer attempt.
async fn until_offered_again(world: &World, dropped: &str) -> anyhow::Result<()> {
    let of_intent = format!(
        "SELECT tx_hash FROM attempts WHERE intent_id = \
         (SELECT intent_id FROM attempts WHERE tx_hash = '{dropped}')"
    );
    wait::until("the dropped transaction again", LIMIT, async || {
        for hash in world.texts(&of_intent).await? {
            let known = world.node.call("eth_getTransactionByHash", json!([hash]));
            if !known.await?.is_null() {
                return Ok(Some(()));
            }
        }
        Ok(None)
    })
    .await
}

/// Drops, sticks and overprices so many times; gives how often each.
async fn trouble(world: &World, rounds: u32) -> anyhow::Result<(u32, u32, u32)> {
    let (mut dropped, mut raised, mut above_cap) = (0_u32, 0_u32, 0_u32);
    for round in 0..rounds {
        world.miner.hold_after(0);
        let hash = wait::until("a transaction that waits", LIMIT, async || {
            unmined(world).await
        })
        .await?;
        world
            .node
            .call("anvil_dropTransaction", json!([hash]))
            .await?;
        until_offered_again(world, &hash).await?;
        dropped += 1;
        let replacements = world
            .number("SELECT count(*) FROM attempts WHERE number > 1")
            .await?;
        if round % 4 == 3 {
            // Dearer than the cap allows: nothing can be offered, and nothing may be.
            world.miner.set_base_fee(Some(CAP + 100_000_000_000));
            world.miner.hold_after(12);
            let (height, _) = world.node.newest().await?;
            wait::until("blocks above the cap", LIMIT, async || {
                Ok((world.node.newest().await?.0 >= height + 12).then_some(()))
            })
            .await?;
            above_cap += 1;
        } else {
            world
                .miner
                .set_base_fee(Some(20_000_000_000 + 7_000_000_000 * u64::from(round % 8)));
        }
        world.miner.hold_after(30);
        if round % 4 != 3 {
            world
                .until_at_least(
                    "a replacement on the same nonce",
                    replacements + 1,
                    "SELECT count(*) FROM attempts WHERE number > 1",
                    LIMIT,
                )
                .await?;
            raised += 1;
        }
        world.miner.set_base_fee(None);
        world.miner.free();
        // All that stood in line gets through, and chain and market come together again.
        let batches = world.number(FINAL).await?;
        world
            .until_at_least("a batch after the trouble", batches + 1, FINAL, LIMIT)
            .await?;
    }
    Ok((dropped, raised, above_cap))
}

/// The newest attempt that no block has, if the node knows it.
///
/// # Errors
/// Those of the database and the node.
pub async fn unmined(world: &World) -> anyhow::Result<Option<String>> {
    for hash in world.texts(WAITING).await? {
        let known = world
            .node
            .call("eth_getTransactionByHash", json!([hash]))
            .await?;
        if !known.is_null() && known["blockNumber"].is_null() {
            return Ok(Some(hash));
        }
    }
    Ok(None)
}
