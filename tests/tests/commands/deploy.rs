//! `foretoken admin deploy` on a development chain that knows nothing of us.

use std::path::Path;
use std::process::Command;

use domain::{MarketClock, WallClock};
use server::chain::Key;
use server::chain::anvil::{self, Anvil, AnvilSettings};
use tests::process::Finished;
use tests::scratch;
use tokio_util::sync::CancellationToken;

use super::{expect_failure, foretoken, run};

const TOURNAMENT: &str = include_str!("../../../server/src/demo/live/btc-usd-5m.toml");
const START_S: i64 = 1_709_640_000;

fn key(byte: u8) -> (Key, String) {
    let key = Key::from_bytes([byte; 32]).expect("a key");
    (key, format!("{byte:02x}").repeat(32))
}

/// The command with the keys of three roles in its environment, as an operator starts it.
fn deploy(data: &Path, rpc: &str, more: &[&str]) -> Command {
    let guardian = key(0x44).0.address().to_string();
    let mut command = foretoken(&["admin", "deploy", "--rpc", rpc, "--guardian", &guardian]);
    command.args(more).arg("--data").arg(data);
    for (variable, byte) in [
        ("FORETOKEN_OWNER_KEY", 0x41),
        ("FORETOKEN_COMMITTER_KEY", 0x42),
        ("FORETOKEN_OPERATOR_KEY", 0x43),
    ] {
        command.env(variable, key(byte).1);
    }
    command
}

async fn create_tournament(data: &Path) {
    std::fs::create_dir_all(data).expect("a folder");
    let file = data.join("tournament.toml");
    std::fs::write(&file, TOURNAMENT).expect("a file");
    let mut command = foretoken(&["admin", "tournament", "create"]);
    command.arg(&file).arg("--data").arg(data);
    let done = run(command).await;
    assert_eq!(done.code, 0, "{}", done.stderr);
}

/// The address that the command printed for `what`.
fn printed(done: &Finished, what: &str) -> String {
    assert_eq!(done.code, 0, "{}", done.stderr);
    let line = done.stdout.lines().find(|line| line.starts_with(what));
    let address = line.and_then(|line| line.split_whitespace().nth(1));
    address
        .unwrap_or_else(|| panic!("no {what} in {}", done.stdout))
        .to_owned()
}

#[tokio::test]
async fn an_operator_deploys_once_and_registers_what_is_new() {
    let folder = scratch::folder("deploy").expect("a folder");
    let settings = AnvilSettings {
        program: anvil::locate(None).expect("anvil"),
        state: None,
        timestamp_s: START_S,
        port: None,
    };
    let (node, chain) = Anvil::start(settings).await.expect("anvil starts");
    for byte in [0x41, 0x43] {
        let account = key(byte).0.address();
        anvil::give_gas(&chain, account).await.expect("gas");
    }
    let stop = CancellationToken::new();
    let market = MarketClock::live(WallClock::system());
    let mining = tokio::spawn(anvil::mine(chain.clone(), market, stop.clone()));
    let data = folder.path().join("data");
    create_tournament(&data).await;

    let refused = run(deploy(&data, node.url(), &["--delay", "1000"])).await;
    expect_failure(&refused, 2, &["--delay 1000", "settle-by"]);

    let first = run(deploy(&data, node.url(), &[])).await;
    let vault = printed(&first, "vault");
    assert!(first.stdout.contains("1 tournaments"), "{}", first.stdout);
    assert!(!first.stdout.contains("holds less"), "{}", first.stdout);
    let code = chain.has_code(vault.parse().expect("an address")).await;
    assert!(code.expect("answers"), "the vault is on the chain");
    let again = run(deploy(&data, node.url(), &[])).await;
    assert_eq!(printed(&again, "vault"), vault, "made once");

    // Another installation on the same token, with a bond that nobody holds.
    let other = folder.path().join("other");
    create_tournament(&other).await;
    let token = printed(&first, "token");
    let bond = ["--token", &token, "--bond", "900000000"];
    let done = run(deploy(&other, node.url(), &bond)).await;
    assert_eq!(printed(&done, "token"), token);
    assert_ne!(printed(&done, "vault"), vault);
    assert!(
        done.stdout.contains("holds less than the bond"),
        "{}",
        done.stdout
    );
    let nobody = key(0x45).0.address().to_string();
    let nowhere = run(deploy(&other, node.url(), &["--token", &nobody])).await;
    expect_failure(&nowhere, 2, &[&nobody, "no contract"]);

    stop.cancel();
    mining.await.expect("ends").expect("mines");
    node.stop().await.expect("anvil stops");
}
