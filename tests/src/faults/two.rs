//! R5: two settlers of one installation. R6: the ledger is one unit off.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use contracts::abi::StakeVault;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use server::settlement;

use super::check;
use super::flow::Flow;
use super::world::{LIMIT, Plan, Start, World, kill};
use crate::process::Running;
use crate::wait;

const FINAL: &str = "SELECT count(*) FROM batches WHERE state = 'final'";
/// Long enough that a proposal outlives a lease.
const WINDOW_S: u32 = 150;
const FENCE: &str = "SELECT fence FROM leases";

/// R5: so often the leader is stopped until another leads, and then goes on.
///
/// # Errors
/// When nobody takes over, or an invariant does not hold.
pub async fn settlers(pauses: u32) -> anyhow::Result<(bool, Value)> {
    let plan = Plan {
        window_s: WINDOW_S,
        ..Plan::default()
    };
    World::with("two", plan, async |world| take_turns(world, pauses).await).await
}

async fn take_turns(world: &Arc<World>, pauses: u32) -> anyhow::Result<(bool, Value)> {
    let settlers = [
        world.settler(Start::default())?,
        world.settler(Start::default())?,
    ];
    let flow = Flow::start(world, 900, 2, 7);
    world
        .until_at_least("the first batch", 1, FINAL, LIMIT)
        .await?;
    let (mut taken_over, mut fenced) = (0_u32, 0_usize);
    for _ in 0..pauses {
        let leader = stop_leader(world, &settlers).await?;
        let fence = world.number(FENCE).await?;
        let batches = world.number(FINAL).await?;
        world.miner.hold_after(14);
        world
            .until_at_least("another leader", fence + 1, FENCE, LIMIT)
            .await?;
        world.miner.free();
        taken_over += 1;
        world
            .until_at_least("a batch of the other", batches + 1, FINAL, LIMIT)
            .await?;
        leader.signal(Signal::SIGCONT);
        let batches = world.number(FINAL).await?;
        world
            .until_at_least("batches with both awake", batches + 2, FINAL, LIMIT)
            .await?;
    }
    check::drain(world, &flow, LIMIT).await?;
    for running in &settlers {
        ensure!(
            running.ended().is_none(),
            "a settler ended:\n{}",
            crate::process::last_lines(&running.stderr())
        );
        fenced += running
            .stderr()
            .matches("another settler took the lease")
            .count();
    }
    settlers.into_iter().for_each(kill);
    let left = check::invariants(world).await?;
    let is_met = taken_over == pauses && left.batches > 0;
    Ok((
        is_met,
        json!({
            "leaders_paused": pauses,
            "taken_over": taken_over,
            "writes_fenced_off": fenced,
            "batches": left.batches,
            "rounds_final": left.rounds,
            "rounds_void": left.voided,
            "seqs_accepted_twice": 0,
        }),
    ))
}

/// Stops who holds the lease. On SQLite a process that is stopped inside a transaction holds the
/// write lock with it; nobody can write then, so another moment is chosen.
async fn stop_leader<'a>(world: &World, settlers: &'a [Running; 2]) -> anyhow::Result<&'a Running> {
    for _ in 0..200 {
        let holder = world.texts("SELECT holder FROM leases").await?;
        let holder = holder.first().context("somebody leads")?;
        let pid = holder.split('-').next().unwrap_or_default();
        let leader = settlers.iter().find(|one| one.pid().to_string() == pid);
        let leader = leader.with_context(|| format!("{holder} is none of ours"))?;
        leader.signal(Signal::SIGSTOP);
        let free = tokio::time::timeout(Duration::from_millis(300), world.db.begin()).await;
        if matches!(free, Ok(Ok(_))) {
            return Ok(leader);
        }
        leader.signal(Signal::SIGCONT);
    }
    anyhow::bail!("the leader was inside a transaction two hundred times")
}

/// R6: one unit is added to a model's ledger entry; nothing may be proposed any more.
///
/// # Errors
/// When settlement does not halt, proposes, or does not go on after the repair.
pub async fn differ(times: u32) -> anyhow::Result<(bool, Value)> {
    World::with("differ", Plan::default(), async |world| {
        off_by_one(world, times).await
    })
    .await
}

async fn off_by_one(world: &Arc<World>, times: u32) -> anyhow::Result<(bool, Value)> {
    let running = world.settler(Start::default())?;
    let flow = Flow::start(world, 400, 1, 9);
    let (mut most_proposals, mut slowest_ms, mut refused_resumes) = (0_usize, 0, 0_u32);
    for time in 0..times {
        let batches = world.number(FINAL).await?;
        flow.set_scores(true);
        world
            .until_at_least("a batch", batches + 1, FINAL, LIMIT)
            .await?;
        // At rest, so that every later proposal was decided upon after the change.
        flow.set_scores(false);
        at_rest(world).await?;
        let before = proposals(world).await?;
        let index = time % 4;
        change(world, "+ 1", index).await?;
        let began_us = world.wall.now_us();
        flow.set_scores(true);
        let halt = wait::until("a halt", LIMIT, async || {
            Ok(settlement::halted(&mut *world.db.read().await?).await?)
        })
        .await?;
        slowest_ms = slowest_ms.max((world.wall.now_us() - began_us) / 1_000);
        ensure!(
            halt.reason.contains("ledger and chain differ"),
            "halted for another reason: {halt}"
        );
        let (resumed, _) = world.resume("too early").await?;
        ensure!(
            !resumed,
            "a resume was accepted while ledger and chain differ"
        );
        refused_resumes += 1;
        let closed = world.number("SELECT count(*) FROM reconciliations").await?;
        world
            .until_at_least(
                "three more comparisons",
                closed + 3,
                "SELECT count(*) FROM reconciliations",
                LIMIT,
            )
            .await?;
        most_proposals = most_proposals.max(proposals(world).await? - before);
        change(world, "- 1", index).await?;
        wait::until("a resume that is accepted", LIMIT, async || {
            Ok(world.resume("the row was repaired").await?.0.then_some(()))
        })
        .await?;
    }
    let batches = world.number(FINAL).await?;
    world
        .until_at_least("settlement to go on", batches + 1, FINAL, LIMIT)
        .await?;
    check::drain(world, &flow, LIMIT).await?;
    kill(running);
    let left = check::invariants(world).await?;
    Ok((
        most_proposals == 0,
        json!({
            "ledger_rows_changed_by_1": times,
            "proposals_before_the_halt": most_proposals,
            "slowest_halt_ms": slowest_ms,
            "resumes_refused_before_the_repair": refused_resumes,
            "resumed_after_the_repair": times,
            "batches": left.batches,
        }),
    ))
}

/// Waits until no batch is on its way and none could be planned.
async fn at_rest(world: &World) -> anyhow::Result<()> {
    let batches = "SELECT count(*) FROM batches WHERE state NOT IN ('final', 'rejected')";
    let rounds = "SELECT count(*) FROM rounds WHERE state IN ('scored', 'batched')";
    wait::until("no batch on its way", LIMIT, async || {
        let open = world.number(batches).await? + world.number(rounds).await?;
        Ok((open == 0).then_some(()))
    })
    .await
}

async fn proposals(world: &World) -> anyhow::Result<usize> {
    Ok(world
        .node
        .events::<StakeVault::BatchProposed>(world.deployment.vault)
        .await?
        .len())
}

/// Changes the ledger behind everybody's back.
async fn change(world: &World, by: &str, index: u32) -> anyhow::Result<()> {
    let sql = format!(
        "UPDATE stake_accounts SET stake_delta = stake_delta {by} WHERE model_index = {index}"
    );
    let changed = world
        .write(async |conn| Ok(server::db::testing::change(conn, &sql).await?))
        .await?;
    ensure!(changed == 1, "{changed} rows of model {index} were changed");
    Ok(())
}
