//! The suite's command line: which rows, how many faults, where the figures go.

use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::row::Row;
use super::{kill, reorg, rpc, two};

/// What is asked for.
#[derive(Clone, Debug)]
struct Wanted {
    kills: u32,
    batches: u32,
    reorgs: u32,
    json: Option<PathBuf>,
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
];

/// Runs what the command line asks for: 0 every target met, 2 one missed, 1 could not run.
#[must_use]
pub fn main() -> ExitCode {
    let done = Wanted::parse(std::env::args().skip(1)).and_then(|wanted| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        // Connections that a task holds when it ends go back to their pool by this runtime.
        let _inside = runtime.enter();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, run(&wanted))
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(2),
        Err(error) => {
            say(&format!("faults: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(wanted: &Wanted) -> anyhow::Result<bool> {
    crate::binaries::foretoken()?;
    let mut rows = Vec::new();
    for entry in ROWS {
        if wanted.only.as_deref().is_some_and(|only| only != entry.row) {
            continue;
        }
        let row = one(entry, wanted).await;
        say(&row.line());
        rows.push(row);
    }
    if let Some(path) = &wanted.json {
        let text = serde_json::to_string_pretty(&json!({ "rows": rows }))?;
        std::fs::write(path, text + "\n").with_context(|| format!("{}", path.display()))?;
    }
    Ok(!rows.is_empty() && rows.iter().all(|row| row.pass))
}

async fn one(entry: &Entry, wanted: &Wanted) -> Row {
    let (pass, counts, error) = match (entry.run)(wanted).await {
        Ok((pass, counts)) => (pass, counts, String::new()),
        Err(error) => (false, json!({}), format!("{error:#}")),
    };
    Row { row: entry.row, fault: entry.fault, target: entry.target, pass, counts, error }
}

impl Wanted {
    fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut wanted = Self { kills: 200, batches: 1_000, reorgs: 32, json: None, only: None, lanes: 3 };
        while let Some(word) = words.next() {
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--kills" => wanted.kills = value.parse()?,
                "--batches" => wanted.batches = value.parse()?,
                "--reorgs" => wanted.reorgs = value.parse()?,
                "--lanes" => wanted.lanes = value.parse()?,
                "--json" => wanted.json = Some(value.into()),
                "--only" => wanted.only = Some(value),
                _ => bail!("{word} is none of --kills, --batches, --reorgs, --lanes, --only, --json"),
            }
        }
        Ok(wanted)
    }
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}
