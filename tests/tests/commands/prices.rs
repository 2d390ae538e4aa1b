//! `foretoken resolve` and `foretoken feeds decode`: what anybody uses to recompute an outcome.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests::scratch;

use super::{expect_failure, foretoken, run};

const T0_US: i64 = 1_709_640_000_000_000;
const T1_US: i64 = T0_US + 300_000_000;

/// A trade each second before and one after each boundary.
fn trades(venue: &str, [p0, p1]: [&str; 2]) -> Vec<Value> {
    let mut id = 0;
    let mut trades = Vec::new();
    for (boundary_us, price) in [(T0_US, p0), (T1_US, p1)] {
        for second in -12..=1 {
            id += 1;
            let time_us = boundary_us + second * 1_000_000;
            trades.push(json!({
                "venue": venue, "trade_id": id, "price": price,
                "venue_time_us": time_us, "receive_time_us": time_us + 80_000,
            }));
        }
    }
    trades
}

fn evidence(mut ticks: Vec<Value>) -> Value {
    // Whatever the order in which they come.
    ticks.reverse();
    json!({"t0_us": T0_US, "t1_us": T1_US, "ticks": ticks})
}

async fn resolve(folder: &Path, evidence: &Value) -> Value {
    let path = folder.join("evidence.json");
    std::fs::write(&path, evidence.to_string()).expect("written");
    let mut command = foretoken(&["resolve", "--evidence"]);
    command.arg(&path);
    let done = run(command).await;
    assert_eq!(done.code, 0, "{}", done.stderr);
    serde_json::from_str(&done.stdout).expect("JSON alone")
}

#[tokio::test]
async fn an_outcome_is_recomputed_from_its_evidence() {
    let folder = scratch::folder("resolve").expect("a folder");
    let all = [
        trades("binance", ["64000", "64032"]),
        trades("coinbase", ["64010.5", "64042.5"]),
        trades("kraken", ["63990.1", "64000.1"]),
    ]
    .concat();
    let whole = resolve(folder.path(), &evidence(all.clone())).await;
    assert_eq!(
        (&whole["outcome"], &whole["reason"]),
        (&json!("up"), &Value::Null)
    );
    // The middle one of 0.0005, 0.00049991…, 0.00015627….
    assert_eq!(whole["median_return"].to_string(), "0.000499917982");
    let kraken = &whole["venues"][2];
    assert_eq!(
        (&kraken["venue"], &kraken["used"]),
        (&json!("kraken"), &json!(true))
    );
    assert_eq!(
        (&kraken["p0"], &kraken["p1"]),
        (&json!("63990.10"), &json!("64000.10"))
    );
    assert_eq!(kraken["why_not"], Value::Null);
    let hash = whole["evidence_hash"].as_str().expect("a hash");
    assert!(hash.starts_with("0x") && hash.len() == 66, "{hash}");
    let mut ordered = evidence(all.clone());
    ordered["ticks"] = json!(all);
    ordered["rule"] = json!({"quorum": 2, "dead_band_bp": 0.1});
    ordered["left_out"] = json!([]);
    assert_eq!(
        resolve(folder.path(), &ordered).await,
        whole,
        "nothing but words differ"
    );
    let mut without = evidence(all);
    without["left_out"] = json!([
        {"venue": "binance", "reason": "clock"}, {"venue": "kraken", "reason": "gap"}
    ]);
    let void = resolve(folder.path(), &without).await;
    assert_eq!(void["outcome"], "void");
    assert!(
        void["venues"][0]["why_not"]
            .as_str()
            .is_some_and(|why| why.contains("clock"))
    );
    assert_ne!(void["evidence_hash"], whole["evidence_hash"]);
}

#[tokio::test]
async fn no_trades_are_a_void_and_broken_evidence_is_refused() {
    let folder = scratch::folder("resolve").expect("a folder");
    let void = resolve(folder.path(), &evidence(Vec::new())).await;
    assert_eq!(
        (&void["outcome"], &void["median_return"]),
        (&json!("void"), &Value::Null)
    );
    assert!(
        void["reason"]
            .as_str()
            .is_some_and(|why| why.starts_with("quorum: 0 of 2"))
    );
    let mut price = evidence(trades("kraken", ["1", "2"]));
    price["ticks"][0]["price"] = json!("1e5");
    let mut unknown = evidence(Vec::new());
    unknown["rules"] = json!({});
    let mut samples = evidence(Vec::new());
    samples["rule"] = json!({"min_samples": 11});
    let broken = [
        (json!({"ticks": []}).to_string(), "t0_us"),
        (
            json!({"t0_us": 5, "t1_us": 5, "ticks": []}).to_string(),
            "before t1_us",
        ),
        (price.to_string(), "price"),
        (unknown.to_string(), "rules"),
        (samples.to_string(), "min_samples"),
        ("{".to_owned(), "EOF"),
    ];
    for (text, word) in broken {
        let path = folder.path().join("broken.json");
        std::fs::write(&path, text).expect("written");
        let mut command = foretoken(&["resolve", "--evidence"]);
        command.arg(&path);
        expect_failure(&run(command).await, 2, &["broken.json", word]);
    }
}

#[tokio::test]
async fn frames_become_ticks_whatever_stands_between_them() {
    let folder = scratch::folder("decode").expect("a folder");
    let path = folder.path().join("frames");
    let matched = r#"{"type":"match","trade_id":10,"sequence":50,"time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD","size":"5.23512","price":"400.23","side":"sell"}"#;
    let recorded = json!({"receive_time_us": 7, "frame": matched});
    let text = format!("{matched}\nrubbish\n{{\"type\":\"news\"}}\n\n{recorded}\n");
    std::fs::write(&path, text).expect("written");
    let mut command: Command = foretoken(&["feeds", "decode", "--venue", "coinbase"]);
    command.stdin(File::open(&path).expect("there"));
    let done = command.output().expect("it ends");
    let (out, said) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert_eq!(done.status.code(), Some(0), "{said}");
    let ticks: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON lines"))
        .collect();
    let tick = |receive: Value| {
        json!({
            "venue": "coinbase", "symbol": "BTC-USD", "trade_id": 10, "price": "400.23",
            "venue_time_us": 1_415_348_367_028_459_i64, "receive_time_us": receive,
        })
    };
    assert_eq!(ticks, [tick(Value::Null), tick(json!(7))]);
    assert!(said.contains("4 frames: 2 trades"), "{said}");
    assert!(said.contains("1 unknown, 1 broken"), "{said}");
    let wrong = run(foretoken(&["feeds", "decode", "--venue", "mtgox"])).await;
    expect_failure(&wrong, 64, &["mtgox", "binance"]);
}
