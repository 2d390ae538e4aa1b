//! What the rounds paid: recomputed by the command, added up, and compared with one model in place
//! of two.

use std::time::Duration;

use domain::{Probability, TokenAmount};
use scorer::wager::{self, Entry};
use serde_json::{Value, json};
use tests::report::units;
use tests::{process, scratch};

use super::run;

const COMMAND_LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_settle_command_recomputes_every_payout() {
    let (_, report) = run().await;
    let folder = scratch::folder("settle").expect("a folder");
    for round in report.decided() {
        let rows = round
            .entries
            .iter()
            .map(|e| json!({"model": e.model, "w": e.w, "p": e.p}));
        let input = json!({
            "a": round.a,
            "y": round.y_ppm().expect("an outcome"),
            "entries": rows.collect::<Vec<Value>>(),
        });
        let file = folder.path().join("round.json");
        std::fs::write(&file, input.to_string()).expect("a file");
        let mut command = process::foretoken(["settle", "--round"]).expect("the program");
        command.arg(&file);
        let done = process::run(command, COMMAND_LIMIT)
            .await
            .expect("the command runs");
        assert_eq!(done.code, 0, "{}: {}", round.id, done.stderr);
        let settled: Value = serde_json::from_str(&done.stdout).expect("JSON alone");
        for (name, expected) in [
            ("W", &round.stake),
            ("P", &round.weighted),
            ("burned", &round.burned),
        ] {
            assert_eq!(settled[name], json!(expected), "{}: {name}", round.id);
        }
        let payouts = round
            .entries
            .iter()
            .map(|e| json!({"model": e.model, "delta": e.delta}));
        assert_eq!(
            settled["payouts"],
            Value::Array(payouts.collect()),
            "{}",
            round.id
        );
    }
}

#[tokio::test]
async fn stakes_and_reports_add_up() {
    let (_, report) = run().await;
    for round in report.decided() {
        let of = |text: &str| units(text).expect("a whole number");
        let stake: i128 = round.entries.iter().map(|e| of(&e.w)).sum();
        let weighted: i128 = round
            .entries
            .iter()
            .map(|e| of(&e.w) * i128::from(e.p))
            .sum();
        let paid: i128 = round.entries.iter().map(|e| of(&e.delta)).sum();
        assert_eq!(of(&round.stake), stake, "{}: W", round.id);
        assert_eq!(of(&round.weighted), weighted, "{}: P", round.id);
        assert_eq!(of(&round.burned), -paid, "{}: burned", round.id);
        assert!(paid <= 0, "{} paid out more than it took", round.id);
        for entry in &round.entries {
            let edge = round.a..=1_000_000 - round.a;
            assert!(
                edge.contains(&entry.p),
                "{}: {} counts {}",
                round.id,
                entry.name,
                entry.p
            );
            assert!(
                of(&entry.delta).abs() <= of(&entry.w),
                "{}: {}",
                round.id,
                entry.name
            );
        }
    }
}

#[tokio::test]
async fn an_opposite_pair_never_earns_more_than_one_model_at_its_mean() {
    let (_, report) = run().await;
    let mut seen = 0;
    for round in report.decided() {
        let (Some(high), Some(low)) = (round.entry("pair-high-bot"), round.entry("pair-low-bot"))
        else {
            continue;
        };
        assert_eq!(high.w, low.w, "{}: the pair risks the same", round.id);
        assert_eq!(
            high.p + low.p,
            1_000_000,
            "{}: the pair is opposite",
            round.id
        );
        let pair = [&high.name, &low.name];
        let mut entries: Vec<Entry> = Vec::new();
        for entry in round
            .entries
            .iter()
            .filter(|entry| !pair.contains(&&entry.name))
        {
            entries.push(wager_entry(units(&entry.w).expect("units"), entry.p));
        }
        let joint = units(&high.w).expect("units") + units(&low.w).expect("units");
        entries.push(wager_entry(joint, (high.p + low.p) / 2));
        let y_ppm = round.y_ppm().expect("an outcome");
        let merged = wager::settle(round.a, y_ppm, &entries).expect("a settlement");
        let one = i128::from(merged.deltas.last().expect("the merged entry").units());
        let two = units(&high.delta).expect("units") + units(&low.delta).expect("units");
        assert!(
            two <= one,
            "{}: the pair got {two}, one model would have got {one}",
            round.id
        );
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
