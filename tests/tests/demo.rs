//! `foretoken demo --headless`: one run of twelve rounds, and everything that must hold of it.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{Price, Probability, TokenAmount};
use scorer::wager::{self, Entry};
use serde_json::{Value, json};
use tests::demo::{Demo, DemoSettings};
use tests::process::{self, Finished};
use tests::report::{Report, Round, units};
use tests::scratch;
use tokio::sync::OnceCell;

/// Twelve rounds of two tournaments, settlement and the withdrawal, with room for a busy machine.
const LIMIT: Duration = Duration::from_secs(180);
const COMMAND_LIMIT: Duration = Duration::from_secs(20);

/// The one run that all tests of this file look at.
async fn run() -> &'static (Finished, Report) {
    static RUN: OnceCell<Result<(Finished, Report), String>> = OnceCell::const_new();
    let done = RUN.get_or_init(async || play().await.map_err(|error| format!("{error:#}"))).await;
    done.as_ref().expect("twelve rounds are settled")
}

async fn play() -> anyhow::Result<(Finished, Report)> {
    let folder = scratch::folder("demo")?;
    let settings = DemoSettings { folder: folder.path(), rounds: Some(12), database_url: None };
    Demo::start(&settings)?.finish(LIMIT).await
}

#[tokio::test]
async fn twelve_rounds_are_settled_in_both_tournaments() {
    let (_, report) = run().await;
    let staked: Vec<&Round> = report.decided().filter(|round| !round.thin).collect();
    assert!(staked.len() >= 12, "{} rounds have an outcome", staked.len());
    for tournament in ["btc-usd-5m", "eth-usd-5m"] {
        assert!(staked.iter().any(|round| round.tournament == tournament), "none of {tournament}");
    }
    for round in staked {
        for hosting in ["hosted", "external"] {
            let has = round.entries.iter().any(|entry| entry.hosting == hosting);
            assert!(has, "{}: no {hosting} model is counted", round.id);
        }
        assert!(round.opens_at < round.locks_at, "{}: locked before it opened", round.id);
    }
}

#[tokio::test]
async fn the_outcome_is_up_exactly_when_the_price_rose() {
    let (_, report) = run().await;
    for round in report.decided() {
        let price = |text: &Option<String>| -> Price {
            text.as_deref().expect("a price").parse().expect("a decimal price")
        };
        let rose = price(&round.p1) > price(&round.p0);
        let expected = if rose { "up" } else { "down" };
        assert_eq!(round.outcome, expected, "{}: {:?} to {:?}", round.id, round.p0, round.p1);
    }
    for round in report.rounds.iter().filter(|round| round.outcome == "void") {
        assert!(round.void_reason.is_some(), "{} is void and says not why", round.id);
        assert!(round.entries.iter().all(|entry| entry.delta == "0"), "{} is void and paid", round.id);
    }
}

#[tokio::test]
async fn the_settle_command_recomputes_every_payout() {
    let (_, report) = run().await;
    let folder = scratch::folder("settle").expect("a folder");
    for round in report.decided() {
        let rows = round.entries.iter().map(|e| json!({"model": e.model, "w": e.w, "p": e.p}));
        let input = json!({
            "a": round.a,
            "y": round.y_ppm().expect("an outcome"),
            "entries": rows.collect::<Vec<Value>>(),
        });
        let file = folder.path().join("round.json");
        std::fs::write(&file, input.to_string()).expect("a file");
        let mut command = process::foretoken(["settle", "--round"]).expect("the program");
        command.arg(&file);
        let done = process::run(command, COMMAND_LIMIT).await.expect("the command runs");
        assert_eq!(done.code, 0, "{}: {}", round.id, done.stderr);
        let settled: Value = serde_json::from_str(&done.stdout).expect("JSON alone");
        for (name, expected) in [("W", &round.stake), ("P", &round.weighted), ("burned", &round.burned)] {
            assert_eq!(settled[name], json!(expected), "{}: {name}", round.id);
        }
        let payouts = round.entries.iter().map(|e| json!({"model": e.model, "delta": e.delta}));
        assert_eq!(settled["payouts"], Value::Array(payouts.collect()), "{}", round.id);
    }
}

#[tokio::test]
async fn stakes_and_reports_add_up() {
    let (_, report) = run().await;
    for round in report.decided() {
        let of = |text: &str| units(text).expect("a whole number");
        let stake: i128 = round.entries.iter().map(|e| of(&e.w)).sum();
        let weighted: i128 = round.entries.iter().map(|e| of(&e.w) * i128::from(e.p)).sum();
        let paid: i128 = round.entries.iter().map(|e| of(&e.delta)).sum();
        assert_eq!(of(&round.stake), stake, "{}: W", round.id);
        assert_eq!(of(&round.weighted), weighted, "{}: P", round.id);
        assert_eq!(of(&round.burned), -paid, "{}: burned", round.id);
        assert!(paid <= 0, "{} paid out more than it took", round.id);
        for entry in &round.entries {
            let edge = round.a..=1_000_000 - round.a;
            assert!(edge.contains(&entry.p), "{}: {} counts {}", round.id, entry.name, entry.p);
            assert!(of(&entry.delta).abs() <= of(&entry.w), "{}: {}", round.id, entry.name);
        }
    }
}

#[tokio::test]
async fn batches_follow_each_other_and_burn_what_their_rounds_burned() {
    let (_, report) = run().await;
    let numbers: Vec<i64> = report.batches.iter().map(|batch| batch.seq).collect();
    let expected: Vec<i64> = (1..).take(numbers.len()).collect();
    assert!(!numbers.is_empty(), "no batch");
    assert_eq!(numbers, expected, "every number once, from 1");
    let mut settled = BTreeSet::new();
    let mut hashes = BTreeSet::new();
    for batch in &report.batches {
        let mut burned = 0;
        for id in &batch.rounds {
            let round = report.round(id).unwrap_or_else(|| panic!("batch {} has {id}", batch.seq));
            assert_ne!(round.outcome, "void", "batch {} settles {id}", batch.seq);
            assert!(settled.insert(id.clone()), "{id} is settled twice");
            burned += units(&round.burned).expect("a whole number");
        }
        assert_eq!(units(&batch.burned).expect("a whole number"), burned, "batch {}", batch.seq);
        assert!(is_hash(&batch.root), "batch {}: root {:?}", batch.seq, batch.root);
        for tx in [&batch.propose_tx, &batch.accept_tx] {
            assert!(is_hash(tx), "batch {}: {tx:?} is no transaction", batch.seq);
            assert!(hashes.insert(tx.clone()), "{tx} stands there twice");
        }
        assert!(batch.gas_used > 0, "batch {} used no gas", batch.seq);
    }
    let decided: BTreeSet<String> = report.decided().map(|round| round.id.clone()).collect();
    assert_eq!(settled, decided, "every round with an outcome is in one batch");
}

#[tokio::test]
async fn an_opposite_pair_never_earns_more_than_one_model_at_its_mean() {
    let (_, report) = run().await;
    let mut seen = 0;
    for round in report.decided() {
        let (Some(high), Some(low)) = (round.entry("pair-high-bot"), round.entry("pair-low-bot")) else {
            continue;
        };
        assert_eq!(high.w, low.w, "{}: the pair risks the same", round.id);
        assert_eq!(high.p + low.p, 1_000_000, "{}: the pair is opposite", round.id);
        let pair = [&high.name, &low.name];
        let mut entries: Vec<Entry> = Vec::new();
        for entry in round.entries.iter().filter(|entry| !pair.contains(&&entry.name)) {
            entries.push(wager_entry(units(&entry.w).expect("units"), entry.p));
        }
        let joint = units(&high.w).expect("units") + units(&low.w).expect("units");
        entries.push(wager_entry(joint, (high.p + low.p) / 2));
        let y_ppm = round.y_ppm().expect("an outcome");
        let merged = wager::settle(round.a, y_ppm, &entries).expect("a settlement");
        let one = i128::from(merged.deltas.last().expect("the merged entry").units());
        let two = units(&high.delta).expect("units") + units(&low.delta).expect("units");
        assert!(two <= one, "{}: the pair got {two}, one model would have got {one}", round.id);
        seen += 1;
    }
    assert!(seen >= 6, "the pair was counted in {seen} rounds only");
}

fn wager_entry(stake: i128, p_ppm: u32) -> Entry {
    let stake = u64::try_from(stake).expect("a stake is positive");
    Entry {
        stake: TokenAmount::from_units(stake).expect("an amount"),
        p: Probability::from_ppm(p_ppm).expect("a probability"),
    }
}

#[tokio::test]
async fn ledger_and_chain_are_equal_and_a_stake_has_left_with_a_proof() {
    let (_, report) = run().await;
    let found = report.reconciliation.as_ref().expect("ledger and chain were compared");
    assert!(found.equal, "{found:?}");
    assert_eq!(found.ledger, found.chain);
    let paid = report.withdrawal.as_ref().expect("a withdrawal was paid");
    assert_eq!(paid.amount, "1000000000000", "{paid:?}");
    assert!(is_hash(&paid.tx), "{paid:?}");
}

#[tokio::test]
async fn the_time_of_every_stage_is_printed() {
    let (ended, _) = run().await;
    let line = ended.stdout.lines().find(|line| line.starts_with("stage, median time"));
    let line = line.unwrap_or_else(|| panic!("no stage times in\n{}", ended.stdout));
    for stage in ["lock", "aggregate", "commit", "resolve", "score", "propose", "accept"] {
        let time = line.split(&[':', ';']).find_map(|part| part.trim().strip_prefix(stage));
        let time = time.unwrap_or_else(|| panic!("no {stage} in {line}")).trim();
        let number = time.strip_suffix(" ms").and_then(|number| number.parse::<f64>().ok());
        assert!(number.is_some_and(|ms| ms >= 0.0), "{stage}: {time:?} is no time");
    }
}

fn is_hash(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
