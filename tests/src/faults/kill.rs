//! R1: the settler dies at every named step, as by kill −9, and at moments of no name.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use server::app::pause;

use super::check::{self, Left};
use super::dice::Dice;
use super::flow::Flow;
use super::world::{LIMIT, Plan, Start, World};
use crate::process::Running;
use crate::wait;

/// Every fail-point of the settler, and `None`: SIGKILL at a moment that the dice choose.
const STEPS: [Option<&str>; 11] = [
    Some("commitments_planned"),
    Some("attempt_signed"),
    None,
    Some("attempt_stored"),
    Some("proposal_planned"),
    Some("attempt_sent"),
    Some("batch_planned"),
    Some("intent_closed"),
    Some("events_applied"),
    Some("acceptance_planned"),
    Some("replacement_stored"),
];
/// A settler that was killed must be replaced within this.
const TARGET_MS: i64 = 10_000;
/// Blocks mined while nobody settles: enough to make final what is sent, not enough to end windows.
const BLOCKS_WHILE_DOWN: i64 = 14;
/// Long enough that a proposal outlives a settler's absence on a busy machine.
const WINDOW_S: u32 = 150;
/// Above what was offered before, below the cap.
const HIGH_BASE_FEE: u64 = 40_000_000_000;

/// What the kills of one world showed.
#[derive(Debug, Default)]
pub struct Killed {
    by_step: std::collections::BTreeMap<&'static str, u32>,
    slowest_ms: i64,
    other_id: u32,
    left: Left,
}

/// Kills `kills` times, in as many worlds as `lanes` says at once; gives counts and whether the
/// target is met.
///
/// # Errors
/// What went wrong in the first world that failed.
pub async fn run(kills: u32, lanes: u32) -> anyhow::Result<(bool, Value)> {
    let lanes = lanes.clamp(1, kills.max(1));
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..lanes {
        let share: Vec<u32> = (0..kills).filter(|kill| kill % lanes == lane).collect();
        tasks.spawn_local(async move {
            let name = format!("kill-{lane}");
            let plan = Plan {
                window_s: WINDOW_S,
                ..Plan::default()
            };
            World::with(&name, plan, async |world| {
                one_world(world, lane, &share).await
            })
            .await
        });
    }
    let mut all = Killed::default();
    while let Some(done) = tasks.join_next().await {
        let one = done.context("a world of R1 panicked")??;
        for (step, count) in one.by_step {
            *all.by_step.entry(step).or_default() += count;
        }
        all.slowest_ms = all.slowest_ms.max(one.slowest_ms);
        all.other_id += one.other_id;
        all.left.add(&one.left);
    }
    let killed: u32 = all.by_step.values().sum();
    let is_met = killed == kills && all.other_id == 0 && all.slowest_ms <= TARGET_MS;
    let counts = json!({
        "kills": killed,
        "by_step": all.by_step,
        "batches": all.left.batches,
        "rounds_final": all.left.rounds,
        "rounds_void": all.left.voided,
        "batches_rejected": all.left.rejected,
        "double": 0,
        "lost": 0,
        "resumed_with_another_batch_id": all.other_id,
        "slowest_resume_ms": all.slowest_ms,
    });
    Ok((is_met, counts))
}

async fn one_world(world: &Arc<World>, lane: u32, kills: &[u32]) -> anyhow::Result<Killed> {
    let flow = Flow::start(world, 900, 2, u64::from(lane) + 1);
    let dice = Dice::new(u64::from(lane) + 100);
    let mut killed = Killed::default();
    let mut live_at_kill = Vec::new();
    let step = |kill: u32| STEPS[kill as usize % STEPS.len()];
    let first = kills.first().copied().context("a world has kills")?;
    let mut running = world.settler(Start {
        failpoint: step(first),
        ..Start::default()
    })?;
    for (position, kill) in kills.iter().enumerate() {
        let killed_us = die(world, running, step(*kill), &dice).await?;
        *killed
            .by_step
            .entry(step(*kill).unwrap_or("random moment"))
            .or_default() += 1;
        live_at_kill.extend(world.texts(LIVE_BATCH).await?);
        let before = Mark::read(world).await?;
        world.miner.hold_after(BLOCKS_WHILE_DOWN);
        let failpoint = kills.get(position + 1).and_then(|next| step(*next));
        running = world.settler(Start {
            failpoint,
            ..Start::default()
        })?;
        let resumed_us = goes_on(world, &running, &before).await?;
        killed.slowest_ms = killed.slowest_ms.max((resumed_us - killed_us) / 1_000);
    }
    check::drain(world, &flow, LIMIT).await?;
    for id in live_at_kill {
        let is_final =
            format!("SELECT count(*) FROM batches WHERE id = '{id}' AND state = 'final'");
        killed.other_id += u32::from(world.number(&is_final).await? != 1);
    }
    super::world::kill(running);
    killed.left = check::invariants(world).await?;
    Ok(killed)
}

const LIVE_BATCH: &str = "SELECT id FROM batches WHERE state NOT IN ('final', 'rejected')";

/// Lets the settler die; gives when, wall microseconds.
async fn die(
    world: &World,
    running: Running,
    step: Option<&str>,
    dice: &Dice,
) -> anyhow::Result<i64> {
    if step.is_none() {
        pause(Duration::from_millis(200 + dice.below(1_500))).await;
        running.signal(Signal::SIGKILL);
    }
    if step == Some("replacement_stored") {
        raise_fee_under_a_transaction(world).await?;
    }
    let ended = wait::until(
        step.unwrap_or("the end of the settler"),
        LIMIT,
        async || Ok(running.ended()),
    )
    .await;
    let status = ended.with_context(|| crate::process::last_lines(&running.stderr()))?;
    world.miner.set_base_fee(None);
    if let Some(step) = step {
        let said = running.stderr();
        ensure!(
            said.contains("fail-point") && said.contains(step),
            "the settler ended with {status} before {step}:\n{}",
            crate::process::last_lines(&said)
        );
    }
    Ok(world.wall.now_us())
}

/// Waits for a transaction that is sent and not mined, then makes blocks too dear for it.
async fn raise_fee_under_a_transaction(world: &World) -> anyhow::Result<()> {
    world.miner.hold_after(0);
    wait::until("a transaction that waits", LIMIT, async || {
        super::rpc::unmined(world).await
    })
    .await?;
    world.miner.set_base_fee(Some(HIGH_BASE_FEE));
    world.miner.free();
    Ok(())
}

/// How far settlement has come; only progress moves it.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    closed: i64,
    planned: i64,
    attempts: i64,
    fence: i64,
}

impl Mark {
    async fn read(world: &World) -> anyhow::Result<Self> {
        Ok(Self {
            closed: world
                .number("SELECT count(*) FROM intents WHERE state NOT IN ('planned', 'sent')")
                .await?,
            planned: world.number("SELECT count(*) FROM intents").await?,
            attempts: world.number("SELECT count(*) FROM attempts").await?,
            fence: world.number("SELECT fence FROM leases").await?,
        })
    }
}

/// Waits until the next settler holds the lease and has moved something on, or has died at its own
/// step, which it can only reach by going on. Gives when, wall microseconds.
async fn goes_on(world: &World, running: &Running, before: &Mark) -> anyhow::Result<i64> {
    let resumed = wait::until("the next settler to go on", LIMIT, async || {
        let now = Mark::read(world).await?;
        if now.fence > before.fence {
            world.miner.free();
        }
        let moved = now.fence > before.fence
            && (now.closed, now.planned, now.attempts)
                != (before.closed, before.planned, before.attempts);
        Ok((moved || running.ended().is_some()).then_some(world.wall.now_us()))
    });
    let resumed = resumed.await?;
    world.miner.free();
    Ok(resumed)
}
