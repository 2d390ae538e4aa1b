//! R16: a thousand bots in the last five seconds before a deadline, and the same with a server that
//! is killed (−9) in the middle. What was acknowledged is counted, and nothing else; what came late
//! is refused.
//!
//! The server is the real router, writer and deadline loop in a process of its own; only the chain
//! is told to it, since a lock needs a fresh view of one and contracts to name.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256};
use anyhow::{Context, ensure};
use domain::timestamp::SECOND_US;
use domain::{ModelId, RoundState};
use serde_json::{Value, json};
use server::app::pause;
use server::chain::{self, Deployment};
use server::db::Db;
use server::db::testing::change;
use server::{predictions, rounds};

use crate::burst::child::Child;
use crate::burst::load::{self, Answer, Load, Sent};
use crate::burst::stage::Stage;
use crate::{scratch, wait};

const BOTS: usize = 1_000;
const CONNECTIONS: usize = 64;
/// The bots post from so long before the deadline on.
const BURST_US: i64 = 5 * SECOND_US;
/// And go on after it.
const LATE_US: i64 = 700_000;
/// For a server to start, before the burst.
const LEAD_US: i64 = 2 * SECOND_US;
/// Into the burst.
const KILLED_AFTER: Duration = Duration::from_millis(1_500);
const LIMIT: Duration = Duration::from_secs(60);

/// What one burst came to.
#[derive(Debug, Default)]
struct Counts {
    acknowledged: usize,
    bots: usize,
    counted: usize,
    late: usize,
    late_accepted: usize,
    /// Acknowledged, and neither counted nor replaced by a later one of its model.
    lost: usize,
    /// Counted, and not the latest that the model's bot may rely on.
    unearned: usize,
}

/// Both bursts.
///
/// # Errors
/// When a server does not start, or a round is not locked.
pub async fn run() -> anyhow::Result<(bool, Value)> {
    let (plain, killed) = tokio::join!(burst("burst", false), burst("burst-killed", true));
    let plain = plain.context("without a kill")?;
    let killed = killed.context("killed in the burst")?;
    let is_met = [&plain, &killed].iter().all(|counts| {
        counts.lost + counts.unearned + counts.late_accepted == 0
            && counts.late > 0
            && counts.acknowledged > 0
    });
    let told = |counts: &Counts| {
        json!({
            "acknowledged": counts.acknowledged,
            "bots_acknowledged": counts.bots,
            "counted": counts.counted,
            "acknowledged_not_counted": counts.lost,
            "counted_not_acknowledged": counts.unearned,
            "late_sent": counts.late,
            "late_accepted": counts.late_accepted,
        })
    };
    let counts = json!({ "bots": BOTS, "burst": told(&plain), "killed": told(&killed) });
    Ok((is_met, counts))
}

async fn burst(name: &str, is_killed: bool) -> anyhow::Result<Counts> {
    let folder = scratch::folder(name)?;
    let data = folder.path().join("data");
    let stage = Stage::build(&data, BOTS).await?;
    tell_chain(&data).await?;
    let deadline_us = stage.first.deadline_us;
    let market = stage.set_clock(deadline_us - BURST_US - LEAD_US)?;
    let mut child = Child::start(&data).await?;
    let mut load = Load {
        round: stage.first.id.clone(),
        market: market.clone(),
        first_turn: 0,
        turns: None,
        until_us: deadline_us + LATE_US,
    };
    let connections = load::connect(child.address, CONNECTIONS).await?;
    pause(market.wall_until(deadline_us - BURST_US)).await;
    let mut sent = Vec::new();
    if is_killed {
        let (first, bots) = (load.clone(), Arc::clone(&stage.bots));
        let sending = tokio::spawn(async move { load::run(&first, &bots, connections).await });
        pause(KILLED_AFTER).await;
        child.kill();
        sent.extend(sending.await??);
        let unanswered = sent.iter().filter(|sent| sent.answer == Answer::Nothing);
        ensure!(
            unanswered.count() > 0,
            "nobody waited when the server was killed"
        );
        child = Child::start(&data).await?;
        load.first_turn = 100;
        let connections = load::connect(child.address, CONNECTIONS).await?;
        sent.extend(load::run(&load, &stage.bots, connections).await?);
    } else {
        sent.extend(load::run(&load, &stage.bots, connections).await?);
    }
    let counted = counted(&stage).await?;
    child.kill();
    compare(&stage, &sent, &counted).await
}

/// What the lock counted: the sequence by model.
async fn counted(stage: &Stage) -> anyhow::Result<BTreeMap<ModelId, i64>> {
    let db = Db::open_in(&stage.data, None).await?;
    let round = &stage.first.id;
    wait::until("the round to be locked", LIMIT, async || {
        let state = rounds::get(&mut *db.read().await?, round).await?.state;
        Ok((state == RoundState::Locked).then_some(()))
    })
    .await?;
    let counted = predictions::counted(&mut *db.read().await?, round).await?;
    db.close().await;
    Ok(counted
        .into_iter()
        .map(|one| (one.model, one.sequence))
        .collect())
}

async fn compare(
    stage: &Stage,
    sent: &[Sent],
    counted: &BTreeMap<ModelId, i64>,
) -> anyhow::Result<Counts> {
    let deadline_us = stage.first.deadline_us;
    let stored = stage.stored(&stage.first.id).await?;
    let present: HashSet<i64> = stored.iter().map(|(sequence, _)| *sequence).collect();
    let mut newest: BTreeMap<&ModelId, i64> = BTreeMap::new();
    for (sequence, model) in &stored {
        newest.insert(model, *sequence);
    }
    let mut counts = Counts {
        counted: counted.len(),
        ..Counts::default()
    };
    let (mut told, mut unanswered) = (BTreeMap::new(), HashSet::new());
    for one in sent {
        let model = &stage.bots.get(one.bot).context("a bot")?.model;
        if one.sent_us >= deadline_us {
            counts.late += 1;
            let is_refused = one.answer == Answer::Refused("late".to_owned());
            counts.late_accepted += usize::from(!is_refused);
        }
        match &one.answer {
            Answer::Acknowledged { sequence, .. } => {
                counts.acknowledged += 1;
                let latest: &mut i64 = told.entry(model).or_default();
                *latest = (*latest).max(*sequence);
                counts.lost += usize::from(!present.contains(sequence));
            }
            Answer::Nothing => {
                unanswered.insert(model);
            }
            Answer::Refused(code) => ensure!(code == "late", "{model} was told {code}"),
        }
    }
    counts.bots = told.len();
    for (model, latest) in &told {
        // The latest wins: what counts is what the bot was told last, or what came after it.
        let is_counted = counted
            .get(*model)
            .is_some_and(|sequence| sequence >= latest);
        counts.lost += usize::from(!is_counted);
    }
    for (model, sequence) in counted {
        // Of a bot whose answer the kill took, the row may be there without a receipt.
        let is_told = told.get(model) == Some(sequence) || unanswered.contains(model);
        let is_newest = newest.get(model) == Some(sequence);
        counts.unearned += usize::from(!(is_told && is_newest));
    }
    Ok(counts)
}

/// Contracts that nobody calls, and a block of this moment.
async fn tell_chain(data: &Path) -> anyhow::Result<()> {
    let deployment = Deployment {
        chain_id: 31_337,
        token: Address::repeat_byte(1),
        registry: Address::ZERO,
        vault: Address::repeat_byte(3),
        deployed_block: 0,
        window_s: 120,
        settle_by_s: 900,
        delay_s: 1_400,
        margin_s: 60,
        idle_limit_s: 7 * 86_400,
        bond: 1_000_000_000,
        minimum_deposit: 1_000_000_000,
        committer: Address::repeat_byte(4),
        operator: Address::repeat_byte(5),
        guardian: Address::repeat_byte(6),
        owner: Address::repeat_byte(7),
    };
    let db = Db::open_in(data, None).await?;
    let mut tx = db.begin().await?;
    chain::set_deployment(&mut tx, &deployment).await?;
    let block = format!(
        "INSERT INTO chain_blocks (number, hash, parent_hash, time_s, is_final) \
         VALUES (1, '{}', '{}', 1709640000, 1)",
        B256::repeat_byte(1),
        B256::ZERO
    );
    change(&mut tx, &block).await?;
    tx.commit().await?;
    db.close().await;
    Ok(())
}
