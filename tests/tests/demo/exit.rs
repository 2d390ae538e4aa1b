//! Every key of the operator is dead and no server runs: the chain alone gives everything back.

use std::time::Duration;

use serde_json::Value;
use server::chain::{self, Chain, Key, anvil};
use tests::process::{self, Finished};

use super::record::start_chain_again;
use super::whole_run;

const COMMAND_LIMIT: Duration = Duration::from_secs(60);
const DAY_US: i64 = 86_400_000_000;
/// Anybody's: it only pays for gas.
const STRANGER: [u8; 32] = [0x5a; 32];

async fn exit(rpc: &str, arguments: &[&str]) -> Finished {
    let record = whole_run().await.folder.path().join("data/record");
    let text = std::fs::read_to_string(record.join("deployment.json")).expect("a deployment");
    let deployment: Value = serde_json::from_str(&text).expect("JSON");
    let vault = deployment["vaults"]["direction"].as_str().expect("a vault");
    let fixed = ["exit", "--rpc", rpc, "--vault", vault];
    let mut command = process::foretoken([&fixed[..], arguments].concat()).expect("a command");
    let key = Key::from_bytes(STRANGER).expect("a key");
    command.env("FORETOKEN_KEY", key.to_hex());
    process::run(command, COMMAND_LIMIT)
        .await
        .expect("exit runs")
}

fn listed(said: &Finished) -> Value {
    assert_eq!(said.code, 0, "{said:?}");
    serde_json::from_str(&said.stdout).expect("one JSON object")
}

fn claimable(listed: &Value) -> Vec<u64> {
    let models = listed["models"].as_array().expect("a list");
    let units = models.iter().map(|model| model["claimable"].as_str());
    units
        .map(|text| text.expect("text").parse().expect("units"))
        .collect()
}

/// A block a moment, a second of the chain's time each, from `us` on.
async fn mine(chain: Chain, mut us: i64) {
    loop {
        anvil::mine_once(&chain, us).await.expect("mines");
        us += 1_000_000;
        server::app::pause(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn after_seven_idle_days_everything_leaves_without_us() {
    let (anvil, _folder) = start_chain_again().await.expect("the chain goes on");
    let chain = chain::connect(anvil.url()).await.expect("a chain");
    let before = listed(&exit(anvil.url(), &["--json"]).await);
    assert!(
        claimable(&before).iter().any(|units| *units > 0),
        "{before}"
    );
    assert_eq!(before["is_shut"], false);
    let early = exit(anvil.url(), &["--send", "--all"]).await;
    assert_eq!(early.code, 2, "not idle yet: {early:?}");
    assert!(early.stdout.contains("may shut it down from"), "{early:?}");

    let stranger = Key::from_bytes(STRANGER).expect("a key");
    anvil::give_gas(&chain, stranger.address())
        .await
        .expect("gas");
    let now_us =
        i64::try_from(chain.latest().await.expect("a block").time_s).expect("small") * 1_000_000;
    let mining = tokio::spawn(mine(chain.clone(), now_us + 8 * DAY_US));
    let due = listed(&exit(anvil.url(), &["--json"]).await);
    assert_eq!(due["root"], before["root"]);
    let left = exit(anvil.url(), &["--send", "--all"]).await;
    assert_eq!(left.code, 0, "{left:?}");
    assert!(left.stdout.contains("shut down in 0x"), "{left:?}");
    let after = listed(&exit(anvil.url(), &["--json"]).await);
    mining.abort();
    assert_eq!(after["is_shut"], true);
    assert!(claimable(&after).iter().all(|units| *units == 0), "{after}");
    assert_eq!(after["root"], before["root"], "payments change no ledger");
    anvil.stop().await.expect("ends");
}
