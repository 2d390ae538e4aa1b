//! Measures the write path over HTTP: 10,000 bots post in the last five seconds before a deadline,
//! each acknowledged only after it is durable. The server is another process on the same machine
//! and is killed (−9) twice, once in the middle of a burst; what it had acknowledged must be there.
//!
//! `submissions DIR [BOTS]` leaves its database in `DIR/data` and prints JSON.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use domain::timestamp::SECOND_US;
use domain::{MarketClock, RoundId};
use serde_json::{Value, json};
use server::app::pause;
use tests::burst::child::{Child, serve_if_asked};
use tests::burst::load::{self, Answer, Load, Sent};
use tests::burst::stage::Stage;

const BOTS: usize = 10_000;
const CONNECTIONS: usize = 256;
/// The burst that is measured ends at the deadline.
const BURST_US: i64 = 5 * SECOND_US;
/// The load goes on for so long after the deadline.
const LATE_US: i64 = SECOND_US / 2;
/// For a server to start.
const LEAD_US: i64 = 2 * SECOND_US;
/// The server is killed so long after the beginning of the load.
const KILLED_AFTER: Duration = Duration::from_millis(700);
/// Turns of the bots before the measured burst are below it.
const MEASURED_TURN: usize = 100;

fn main() -> ExitCode {
    if let Some(code) = serve_if_asked() {
        return code;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let measured = runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(measure()));
    match measured {
        Ok(report) => {
            writeln!(std::io::stdout(), "{report:#}").ok();
            ExitCode::SUCCESS
        }
        Err(error) => {
            writeln!(std::io::stderr(), "submissions: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> anyhow::Result<Value> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("usage: submissions DIR [BOTS]")?;
    let bots = arguments.next().map_or(Ok(BOTS), |count| count.parse())?;
    let stage = Stage::build(&Path::new(&folder).join("data"), bots).await?;
    let mut acknowledged = HashSet::new();
    let growth = grow(&stage, &mut acknowledged).await?;
    kill_in_a_burst(&stage, &mut acknowledged).await?;
    let burst = burst(&stage).await?;
    let lost_before = lost(&stage, &stage.second.id, &acknowledged).await?;
    let of_burst = sequences(&burst);
    let lost_after = lost(&stage, &stage.first.id, &of_burst).await?;
    let deadline_us = stage.first.deadline_us;
    let is_acknowledged = |sent: &&Sent| sent.sequence().is_some();
    let late: Vec<&Sent> = burst
        .iter()
        .filter(|sent| sent.sent_us >= deadline_us)
        .collect();
    ensure!(!late.is_empty(), "nothing was sent after the deadline");
    let taken: Vec<&Sent> = burst.iter().filter(is_acknowledged).collect();
    let (first_us, last_us) = (
        burst.iter().map(|sent| sent.sent_us).min().unwrap_or(0),
        taken.iter().map(|sent| sent.answered_us).max().unwrap_or(0),
    );
    let latencies = latencies(&taken);
    Ok(json!({
        "accepted_per_s": per_second(taken.len(), last_us - first_us),
        "p50_ms": percentile_ms(&latencies, 50),
        "p99_ms": percentile_ms(&latencies, 99),
        "lost": lost_before + lost_after,
        "late_accepted": late.iter().filter(|sent| is_acknowledged(sent)).count(),
        "growth": growth,
        "counts": {
            "bots": bots,
            "connections": CONNECTIONS,
            "accepted": taken.len(),
            "bots_accepted": taken.iter().map(|sent| sent.bot).collect::<HashSet<_>>().len(),
            "late_refused": late.iter().filter(|sent| !is_acknowledged(sent)).count(),
            "read_back_after_kills": acknowledged.len() + of_burst.len(),
        },
    }))
}

/// Every bot posts once: 1 %, 10 % and 100 % of them.
async fn grow(stage: &Stage, acknowledged: &mut HashSet<i64>) -> anyhow::Result<Vec<Value>> {
    let (market, child) = serve(stage, stage.second.opens_us + SECOND_US).await?;
    let mut growth = Vec::new();
    for (turn, share) in [100, 10, 1].into_iter().enumerate() {
        let some = stage.bots.iter().take(stage.bots.len() / share).cloned();
        let bots = Arc::new(some.collect::<Vec<_>>());
        let load = Load {
            first_turn: turn,
            turns: Some(1),
            ..endless(stage, &market)
        };
        let connections = load::connect(child.address, CONNECTIONS.min(bots.len())).await?;
        let sent = load::run(&load, &bots, connections).await?;
        let taken = sequences(&sent);
        ensure!(
            taken.len() == bots.len(),
            "{} of {} bots",
            taken.len(),
            bots.len()
        );
        let (first_us, last_us) = (
            sent.iter().map(|sent| sent.sent_us).min().unwrap_or(0),
            sent.iter().map(|sent| sent.answered_us).max().unwrap_or(0),
        );
        let seconds = (last_us - first_us) as f64 / 1e6;
        growth.push(json!({ "bots": bots.len(), "seconds": seconds }));
        acknowledged.extend(taken);
    }
    child.kill();
    Ok(growth)
}

/// kill −9 while every connection waits for an answer.
async fn kill_in_a_burst(stage: &Stage, acknowledged: &mut HashSet<i64>) -> anyhow::Result<()> {
    let (market, child) = serve(stage, stage.second.opens_us + SECOND_US).await?;
    let load = Load {
        first_turn: 10,
        ..endless(stage, &market)
    };
    let bots = Arc::clone(&stage.bots);
    let connections = load::connect(child.address, CONNECTIONS).await?;
    let sending = tokio::spawn(async move { load::run(&load, &bots, connections).await });
    pause(KILLED_AFTER).await;
    child.kill();
    let sent = sending.await??;
    let unanswered = sent.iter().filter(|sent| sent.answer == Answer::Nothing);
    ensure!(
        unanswered.count() > 0,
        "the server was killed when nothing was sent"
    );
    acknowledged.extend(sequences(&sent));
    Ok(())
}

/// The measured burst, and what is sent too late. The server is killed at its end.
async fn burst(stage: &Stage) -> anyhow::Result<Vec<Sent>> {
    let deadline_us = stage.first.deadline_us;
    let (market, child) = serve(stage, deadline_us - BURST_US - LEAD_US).await?;
    let connections = load::connect(child.address, CONNECTIONS).await?;
    pause(market.wall_until(deadline_us - BURST_US)).await;
    let load = Load {
        round: stage.first.id.clone(),
        first_turn: MEASURED_TURN,
        until_us: deadline_us + LATE_US,
        ..endless(stage, &market)
    };
    let sent = load::run(&load, &stage.bots, connections).await?;
    child.kill();
    Ok(sent)
}

async fn serve(stage: &Stage, market_us: i64) -> anyhow::Result<(MarketClock, Child)> {
    let market = stage.set_clock(market_us)?;
    Ok((market, Child::start(&stage.data).await?))
}

fn endless(stage: &Stage, market: &MarketClock) -> Load {
    Load {
        round: stage.second.id.clone(),
        market: market.clone(),
        first_turn: 0,
        turns: None,
        until_us: stage.second.deadline_us,
    }
}

fn sequences(sent: &[Sent]) -> HashSet<i64> {
    sent.iter().filter_map(Sent::sequence).collect()
}

/// Acknowledged and not there.
async fn lost(
    stage: &Stage,
    round: &RoundId,
    acknowledged: &HashSet<i64>,
) -> anyhow::Result<usize> {
    let stored = stage.stored(round).await?;
    let stored: HashSet<i64> = stored.into_iter().map(|(sequence, _)| sequence).collect();
    Ok(acknowledged.difference(&stored).count())
}

fn latencies(taken: &[&Sent]) -> Vec<i64> {
    let mut latencies: Vec<i64> = taken
        .iter()
        .map(|sent| sent.answered_us - sent.sent_us)
        .collect();
    latencies.sort_unstable();
    latencies
}

fn percentile_ms(sorted_us: &[i64], percent: usize) -> f64 {
    let place = (sorted_us.len() * percent).div_ceil(100).saturating_sub(1);
    sorted_us.get(place).map_or(f64::NAN, |us| *us as f64 / 1e3)
}

fn per_second(count: usize, us: i64) -> f64 {
    (count as f64 / (us as f64 / 1e6)).round()
}
