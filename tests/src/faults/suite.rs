//! The suite's command line: which rows, how many faults, where the figures go.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use domain::WallClock;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::row::Row;
use super::{burst, disk, flood, gone, kill, prices, reorg, replay, rpc, runners, two};

/// Rows that run at the same time: most of a row is waiting for leases, windows and blocks.
const AT_ONCE: usize = 4;

/// Rows that are begun first.
const LONG: [&str; 6] = ["R1", "R3", "R4", "R14", "R17", "R18"];

/// What is asked for.
#[derive(Clone, Debug)]
struct Wanted {
    kills: u32,
    batches: u32,
    reorgs: u32,
    price_rounds: u64,
    only: Option<String>,
    lanes: u32,
}

type Running = Pin<Box<dyn Future<Output = anyhow::Result<(bool, Value)>>>>;

/// A row and how it is run.
struct Entry {
    row: &'static str,
    fault: &'static str,
    target: &'static str,
    run: fn(&Wanted) -> Running,
}

const ROWS: &[Entry] = &[
    Entry {
        row: "R1",
        fault: "kill -9 of the settler at every step",
        target: "same batch id, 0 double, 0 lost, at most 10 s",
        run: |wanted| Box::pin(kill::run(wanted.kills, wanted.lanes)),
    },
    Entry {
        row: "R2",
        fault: "node's reply lost, late, 5xx, doubled, stale",
        target: "0 second effects",
        run: |wanted| Box::pin(rpc::run(wanted.batches, wanted.lanes)),
    },
    Entry {
        row: "R3",
        fault: "transaction dropped, stuck, underpriced",
        target: "same-nonce bump within the cap, settled",
        run: |wanted| Box::pin(rpc::stuck(4.max(wanted.kills / 5))),
    },
    Entry {
        row: "R4",
        fault: "re-organisation of 1 to 32 blocks at equal height",
        target: "ledger = chain to the wei",
        run: |wanted| Box::pin(reorg::run(wanted.reorgs)),
    },
    Entry {
        row: "R5",
        fault: "two settlers, the paused leader wakes",
        target: "one fenced, exactly one of each seq",
        run: |wanted| Box::pin(two::settlers(1.max(wanted.kills / 20))),
    },
    Entry {
        row: "R6",
        fault: "ledger and chain differ by 1",
        target: "halted before the next proposal, at most 1 cycle",
        run: |wanted| Box::pin(two::differ(1.max(wanted.kills / 20))),
    },
    Entry {
        row: "R7",
        fault: "operator gone",
        target: "anyone voids and exits, 100 % of stakes out",
        run: |_| Box::pin(gone::run()),
    },
    Entry {
        row: "R9",
        fault: "signatures shown for another chain, contract, round, nonce, time, user",
        target: "100 % refused",
        run: |_| Box::pin(replay::run()),
    },
    Entry {
        row: "R12",
        fault: "floods, slow heads and bodies, huge bodies, path tricks",
        target: "429, 408, 413; the victim's p99 at most twice",
        run: |_| Box::pin(flood::run()),
    },
    Entry {
        row: "R14",
        fault: "a venue disconnects, is mute, repeats, is late, prints nonsense",
        target: "noticed in 10 s, filled, 0 wrong outcomes",
        run: |wanted| Box::pin(prices::misbehaving(wanted.price_rounds)),
    },
    Entry {
        row: "R15",
        fault: "two of three venues dead, or their clocks off by 5 s",
        target: "always void",
        run: |wanted| Box::pin(prices::two_of_three(wanted.price_rounds)),
    },
    Entry {
        row: "R16",
        fault: "1,000 bots in the last 5 s, and the server killed among them",
        target: "acknowledged = counted, late refused: 0 / 0",
        run: |_| Box::pin(burst::run()),
    },
    Entry {
        row: "R17",
        fault: "disk full, database restart, power loss",
        target: "fail closed, resume, 0 committed rows lost",
        run: |wanted| Box::pin(disk::run(1.max(wanted.kills / 20))),
    },
    Entry {
        row: "R18",
        fault: "a runner dies mid-round, hangs, is late, lies",
        target: "every round on time, the lie found, nobody loses",
        run: |wanted| Box::pin(runners::run(1.max(wanted.kills / 20))),
    },
];

/// Runs what the command line asks for and prints the rows as JSON, whether or not they pass.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = crate::burst::child::serve_if_asked() {
        return code;
    }
    let done = Wanted::parse(std::env::args().skip(1)).and_then(|wanted| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        // Connections that a task holds when it ends go back to their pool by this runtime.
        let _inside = runtime.enter();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, run(&wanted))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(std::io::stderr(), "faults: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

async fn run(wanted: &Wanted) -> anyhow::Result<()> {
    crate::binaries::foretoken()?;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    // The long ones first, so that they end together.
    let mut order: Vec<(usize, &Entry)> = ROWS.iter().enumerate().collect();
    order.sort_by_key(|(_, entry)| !LONG.contains(&entry.row));
    for (position, entry) in order {
        if wanted.only.as_deref().is_none_or(|only| only == entry.row) {
            let (wanted, places) = (wanted.clone(), Arc::clone(&places));
            tasks.spawn_local(async move {
                let _place = places.acquire().await;
                let row = one(entry, &wanted).await;
                narrate(&row);
                (position, row)
            });
        }
    }
    let mut rows = BTreeMap::new();
    while let Some(done) = tasks.join_next().await {
        let (position, row) = done.context("a row panicked")?;
        rows.insert(position, row);
    }
    let rows: Vec<Row> = rows.into_values().collect();
    writeln!(
        std::io::stdout(),
        "{}",
        serde_json::to_string_pretty(&rows)?
    )?;
    Ok(())
}

async fn one(entry: &Entry, wanted: &Wanted) -> Row {
    let wall = WallClock::system();
    let began_us = wall.now_us();
    let (pass, counts, error) = match (entry.run)(wanted).await {
        Ok((pass, counts)) => (pass, counts, String::new()),
        Err(error) => (false, json!({}), format!("{error:#}")),
    };
    Row {
        row: entry.row,
        fault: entry.fault,
        target: entry.target,
        pass,
        counts,
        error,
        seconds: (wall.now_us() - began_us) / 1_000_000,
    }
}

impl Wanted {
    fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut wanted = Self {
            kills: 200,
            batches: 1_000,
            reorgs: 32,
            price_rounds: 10_000,
            only: None,
            lanes: 3,
        };
        while let Some(word) = words.next() {
            let value = words
                .next()
                .with_context(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--kills" => wanted.kills = value.parse()?,
                "--batches" => wanted.batches = value.parse()?,
                "--reorgs" => wanted.reorgs = value.parse()?,
                "--price-rounds" => wanted.price_rounds = value.parse()?,
                "--lanes" => wanted.lanes = value.parse()?,
                "--only" => wanted.only = Some(value),
                _ => bail!("{word} is no flag of the fault suite"),
            }
        }
        Ok(wanted)
    }
}

/// What a person reads while the other rows still run.
fn narrate(row: &Row) {
    let verdict = if row.pass { "pass" } else { "FAIL" };
    writeln!(
        std::io::stderr(),
        "    {} {verdict} after {} s {}",
        row.row,
        row.seconds,
        row.error
    )
    .ok();
}
