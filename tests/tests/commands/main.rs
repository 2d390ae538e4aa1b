//! Commands that cannot do what they are asked: each says what, why and what to do, and ends with
//! the right exit code (1 could not, 2 input refused, 64 wrong usage).

mod deploy;
mod prices;
mod score;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tests::demo::free_port;
use tests::process::{self, Finished};
use tests::{binaries, scratch};

const LIMIT: Duration = Duration::from_secs(30);

async fn run(command: Command) -> Finished {
    process::run(command, LIMIT)
        .await
        .expect("the command ends")
}

fn foretoken(args: &[&str]) -> Command {
    process::foretoken(args).expect("the program")
}

/// Asserts the exit code, silence on standard output, and the words of the message.
fn expect_failure(done: &Finished, code: i32, words: &[&str]) {
    assert_eq!(done.code, code, "{}", done.stderr);
    assert_eq!(done.stdout, "", "results only go to standard output");
    for word in words {
        assert!(
            done.stderr.contains(word),
            "no {word:?} in: {}",
            done.stderr
        );
    }
}

#[tokio::test]
async fn a_demo_on_a_port_in_use_names_the_port_and_the_flag() {
    let folder = scratch::folder("port").expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let mut command = foretoken(&["demo", "--headless", "--rounds", "1", "--port", &port]);
    command.arg("--data").arg(folder.path().join("data"));
    expect_failure(&run(command).await, 1, &[&port, "in use", "--port"]);
    let address = format!("127.0.0.1:{port}");
    let mut command = foretoken(&["serve", "--rpc", "http://127.0.0.1:1", "--listen", &address]);
    command.arg("--data").arg(folder.path().join("data"));
    expect_failure(&run(command).await, 1, &[&address, "in use", "--listen"]);
}

#[tokio::test]
async fn a_demo_without_its_tools_names_the_tool_and_the_variable() {
    for variable in ["FORETOKEN_ANVIL", "FORETOKEN_ORT"] {
        let folder = scratch::folder("tools").expect("a folder");
        let mut command = demo(folder.path());
        command.env(variable, "/nonexistent");
        let done = run(command).await;
        expect_failure(&done, 1, &["/nonexistent", "is no file", variable]);
        assert!(
            !folder.path().join("data").exists(),
            "{variable}: nothing was begun"
        );
    }
}

#[tokio::test]
async fn a_demo_without_a_set_up_names_the_command_that_makes_it() {
    let folder = scratch::folder("set-up").expect("a folder");
    let mut command = demo(folder.path());
    command
        .env_remove("FORETOKEN_ANVIL")
        .env("XDG_CACHE_HOME", folder.path().join("empty"));
    expect_failure(
        &run(command).await,
        1,
        &["missing", "cargo xtask setup demo"],
    );
    let mut command = demo(folder.path());
    command.arg("--runner").arg(folder.path().join("runner"));
    expect_failure(&run(command).await, 1, &["runner", "missing", "--runner"]);
}

fn demo(folder: &Path) -> Command {
    let port = free_port().expect("a port").to_string();
    let mut command = foretoken(&["demo", "--headless", "--rounds", "1", "--port", &port]);
    command.arg("--data").arg(folder.join("data"));
    command
}

#[tokio::test]
async fn wrong_usage_ends_with_64() {
    let wrong: [&[&str]; 6] = [
        &[],
        &["predict"],
        &["settle"],
        &["demo", "--rounds", "0"],
        &["demo", "--speed", "500"],
        &["demo", "--port", "70000"],
    ];
    for args in wrong {
        let done = run(foretoken(args)).await;
        expect_failure(&done, 64, &["--help"]);
    }
}

#[tokio::test]
async fn settle_refuses_what_is_no_round_in_one_line() {
    let folder = scratch::folder("settle").expect("a folder");
    let one = |w: Value, p: Value| json!({"a": 350_000, "y": 0, "entries": [{"model": "m", "w": w, "p": p}]});
    let cases: [(&str, Value, &[&str]); 9] = [
        (
            "no entries",
            json!({"a": 350_000, "y": 0}),
            &["entries", "missing"],
        ),
        (
            "no p",
            json!({"a": 350_000, "y": 0, "entries": [{"model": "m", "w": 1}]}),
            &["entries[0].p"],
        ),
        (
            "a float",
            one(json!(1.5), json!(500_000)),
            &["entries[0].w", "1.5"],
        ),
        (
            "negative",
            one(json!("-1"), json!(500_000)),
            &["entries[0].w", "-1"],
        ),
        (
            "nothing at risk",
            one(json!(0), json!(500_000)),
            &["entries[0].w"],
        ),
        (
            "past certain",
            one(json!(1), json!(1_000_001)),
            &["entries[0].p", "1000001"],
        ),
        ("outside the edge", one(json!(1), json!(100)), &["350000"]),
        (
            "a of one half",
            json!({"a": 500_000, "y": 0, "entries": []}),
            &["500000"],
        ),
        ("a list", json!([1, 2]), &["object"]),
    ];
    for (name, input, words) in cases {
        let file = folder.path().join("round.json");
        std::fs::write(&file, input.to_string()).expect("a file");
        expect_one_line(&settle(&file).await, name, words);
    }
    let twice = json!({"a": 350_000, "y": 0, "entries": [
        {"model": "m", "w": 1, "p": 500_000}, {"model": "m", "w": 1, "p": 500_000}]});
    let file = folder.path().join("twice.json");
    std::fs::write(&file, twice.to_string()).expect("a file");
    expect_one_line(
        &settle(&file).await,
        "twice",
        &["entries[1].model", "twice"],
    );
    std::fs::write(&file, "{\"a\": 35").expect("a file");
    expect_one_line(&settle(&file).await, "cut off", &["twice.json", "JSON"]);
    std::fs::write(&file, [0xff, 0xfe]).expect("a file");
    expect_one_line(&settle(&file).await, "no text", &["twice.json"]);
    expect_one_line(
        &settle(&folder.path().join("absent.json")).await,
        "absent",
        &["absent.json"],
    );
}

async fn settle(file: &Path) -> Finished {
    let mut command = foretoken(&["settle", "--round"]);
    command.arg(file);
    run(command).await
}

fn expect_one_line(done: &Finished, name: &str, words: &[&str]) {
    let said = done.stderr.trim_end();
    assert_eq!(said.lines().count(), 1, "{name}: {said}");
    assert!(said.starts_with("foretoken: "), "{name}: {said}");
    expect_failure(done, 2, words);
}

#[tokio::test]
async fn settle_pays_what_the_protocol_says() {
    let folder = scratch::folder("vector").expect("a folder");
    let file = folder.path().join("round.json");
    let tokens = |tokens: u64| (tokens * 1_000_000_000).to_string();
    let round = json!({"a": 350_000, "y": 1_000_000, "entries": [
        {"model": "a", "w": tokens(100), "p": 620_000},
        {"model": "b", "w": tokens(300), "p": 550_000},
        {"model": "c", "w": tokens(50), "p": 400_000},
        {"model": "d", "w": tokens(150), "p": 500_000},
    ]});
    std::fs::write(&file, round.to_string()).expect("a file");
    let done = settle(&file).await;
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let expected = json!({"W": "600000000000", "P": "322000000000000000", "burned": "5129966333",
    "payouts": [
        {"model": "a", "delta": "23888888888"}, {"model": "b", "delta": "12355555555"},
        {"model": "c", "delta": "-23937373738"}, {"model": "d", "delta": "-17437037038"},
    ]});
    assert_eq!(
        serde_json::from_str::<Value>(&done.stdout).expect("JSON alone"),
        expected
    );
}

#[tokio::test]
async fn check_accepts_a_reference_model_and_refuses_a_wrong_shape() {
    let good = binaries::workspace().join("datasets/models/forest.onnx");
    let mut command = foretoken(&["check", "--json"]);
    command.arg(good);
    let done = run(command).await;
    assert_eq!(done.code, 0, "{}", done.stderr);
    serde_json::from_str::<Value>(&done.stdout).expect("JSON alone");
    let wrong = binaries::workspace().join("inference-runner/tests/models/ten_columns.onnx");
    let mut command = foretoken(&["check"]);
    command.arg(&wrong).env("FORETOKEN_ORT", "/nonexistent");
    expect_failure(&run(command).await, 1, &["/nonexistent", "FORETOKEN_ORT"]);
    let mut command = foretoken(&["check"]);
    command.arg(wrong);
    let done = run(command).await;
    assert_eq!(done.code, 2, "{}{}", done.stdout, done.stderr);
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(
        said.contains("[N,10]") && said.contains("n_features="),
        "{said}"
    );
}
