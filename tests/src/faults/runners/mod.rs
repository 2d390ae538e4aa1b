//! R18: runners that die, hang, are late and lie, beside two honest ones, in a whole demo in which
//! every model runs twice.

mod fleet;
mod relay;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::ensure;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::wait;
use fleet::{DIES, Fleet, HANGS, LATE_ONE, LIAR, Runner, STEADY};
use relay::Wire;

/// Later than the deadline of a round's models.
const LATE: Duration = Duration::from_secs(8);
/// What was disputed is settled by then.
const SETTLED_LIMIT: Duration = Duration::from_secs(60);
/// A round that is in one of these was locked.
const LOCKED: [&str; 5] = ["locked", "resolved", "scored", "settled", "void"];
const ENDED: [&str; 3] = ["scored", "settled", "void"];
/// Voids that a busy machine makes and no runner.
const LATE_COMMITMENT: &str = "the commitment was not mined before T";

/// What the rounds say.
#[derive(Default)]
struct Seen {
    rounds: usize,
    late_locks: usize,
    voided_by_chain: usize,
    voided: Vec<String>,
    counted: usize,
    absent: usize,
    lies_counted: usize,
}

/// One demo, `times` rounds of each tournament with every fault in them.
///
/// # Errors
/// When a part does not start or nothing is lent to a runner.
pub async fn run(times: u32) -> anyhow::Result<(bool, Value)> {
    let mut fleet = Fleet::start().await?;
    let steady = fleet.join(STEADY, Wire::Honest).await?;
    let mut dies = fleet.join(DIES, Wire::Honest).await?;
    let hangs = fleet.join(HANGS, Wire::Honest).await?;
    let late = fleet.join(LATE_ONE, Wire::Late(LATE)).await?;
    let liar = fleet.join(LIAR, Wire::Lying).await?;
    let mut rounds = BTreeSet::new();
    for time in 0..times {
        if time > 0 {
            fleet.revive(&mut dies)?;
            hangs.wake();
        }
        fleet
            .until_live(&[STEADY, DIES, HANGS, LATE_ONE, LIAR])
            .await?;
        tokio::try_join!(dies.strike(Signal::SIGKILL), hangs.strike(Signal::SIGSTOP))?;
        // The other tournament's round is run at the same moment: twice, so that it is met too.
        for _ in 0..2 {
            for runner in [&dies, &hangs, &late, &liar, &steady] {
                rounds.extend(runner.relay.rounds());
            }
            for round in &rounds {
                fleet.until_round(round, &LOCKED).await?;
            }
        }
    }
    hangs.wake();
    let seen = look(&fleet, &rounds).await?;
    let blamed = blamed(&fleet).await?;
    verdict(&fleet, &seen, &blamed, times, (&late, &liar)).await
}

/// Waits for the end of the rounds and counts what they say.
async fn look(fleet: &Fleet, rounds: &BTreeSet<String>) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    for id in rounds {
        let told = fleet.until_round(id, &ENDED).await?;
        seen.rounds += 1;
        let reason = told["void_reason"].as_str().unwrap_or_default();
        if reason == LATE_COMMITMENT {
            seen.voided_by_chain += 1;
            continue;
        }
        if !reason.is_empty() {
            seen.voided.push(format!("{id}: {reason}"));
            continue;
        }
        let start_us = told["start_us"].as_i64().unwrap_or_default();
        let stages = told["stages"].as_array().cloned().unwrap_or_default();
        let lock = stages.iter().find(|stage| stage["stage"] == "lock");
        let locked_us = lock.and_then(|stage| stage["at_us"].as_i64());
        seen.late_locks += usize::from(locked_us.is_none_or(|at_us| at_us >= start_us));
        let entries = told["entries"].as_array().cloned().unwrap_or_default();
        let hosted = entries.iter().filter(|one| one["hosting"] == "hosted");
        let tournament = told["tournament"].as_str().unwrap_or_default();
        let counted = hosted.count();
        seen.counted += counted;
        seen.absent += fleet.hosted(tournament).await?.saturating_sub(counted);
        // One artifact on one block of features has one answer, whoever computed it.
        let copies: Vec<String> = entries
            .iter()
            .filter(|entry| Fleet::is_copy(entry))
            .map(|entry| entry["posted_p"].to_string())
            .collect();
        let mut values = copies.clone();
        values.sort();
        let most = values.chunk_by(|a, b| a == b).map(<[String]>::len).max();
        seen.lies_counted += copies.len() - most.unwrap_or_default();
    }
    Ok(seen)
}

/// Waits until nothing is disputed any more; gives the disagreements.
async fn blamed(fleet: &Fleet) -> anyhow::Result<Vec<Value>> {
    let settled = wait::until(
        "the disagreements to be settled",
        SETTLED_LIMIT,
        async || {
            let page = fleet.visitor.json("runners").await?;
            let all = page["disagreements"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let is_open = all.iter().any(|one| one["state"] == "disputed");
            Ok((!all.is_empty() && !is_open).then_some(all))
        },
    )
    .await;
    match settled {
        Ok(all) => Ok(all),
        Err(_) => {
            let page = fleet.visitor.json("runners").await?;
            Ok(page["disagreements"]
                .as_array()
                .cloned()
                .unwrap_or_default())
        }
    }
}

async fn verdict(
    fleet: &Fleet,
    seen: &Seen,
    disagreements: &[Value],
    times: u32,
    (late, liar): (&Runner, &Runner),
) -> anyhow::Result<(bool, Value)> {
    ensure!(seen.rounds > 0, "no round was met");
    let by = |state: &str| {
        disagreements
            .iter()
            .filter(|one| one["state"] == state)
            .count()
    };
    let others = disagreements.iter().filter(|one| {
        let blamed = one["blamed"].as_array().cloned().unwrap_or_default();
        blamed.iter().any(|name| name != LIAR)
    });
    let others = others.count();
    let number = async |name: &str, of: &str| -> anyhow::Result<i64> {
        Ok(fleet.told(name).await?[of].as_i64().unwrap_or_default())
    };
    let missed = [
        number(DIES, "missed").await?,
        number(HANGS, "missed").await?,
        number(LATE_ONE, "missed").await?,
    ];
    let found = number(LIAR, "disagreed").await?;
    let reputation = fleet.told(LIAR).await?["reputation"].clone();
    let is_met = seen.voided.is_empty()
        && seen.late_locks == 0
        && seen.lies_counted == 0
        && found > 0
        && others == 0
        && missed.iter().all(|count| *count > 0);
    Ok((
        is_met,
        json!({
            "rounds": seen.rounds,
            "locked_late": seen.late_locks,
            "void_for_a_late_commitment": seen.voided_by_chain,
            "void_otherwise": seen.voided,
            "hosted_models_counted": seen.counted,
            "hosted_models_absent": seen.absent,
            "killed": times,
            "hung": times,
            "missed_by_the_killed": missed[0],
            "missed_by_the_hung": missed[1],
            "missed_by_the_late": missed[2],
            "rounds_of_the_late": late.relay.rounds().len(),
            "probabilities_altered": liar.relay.altered(),
            "lies_found": found,
            "lies_counted": seen.lies_counted,
            "others_blamed": others,
            "settled": by("settled"),
            "still_disputed": by("disputed"),
            "undecided": by("undecided"),
            "reputation_of_the_liar": reputation,
        }),
    ))
}
